"""Breaks a running PagerPal in every way we know and counts what that cost; see docs/faults.md."""
