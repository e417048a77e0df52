"""The formats of the only language so far."""
