"""Measures PagerPal: `python -m pagerpal.bench`, or `make bench`."""
