"""Loads the fixtures that every test may use."""

pytest_plugins = ["pagerpal.testing"]
