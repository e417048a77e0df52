"""Generic JSON."""
