"""Loads the fixtures that every test may use."""

import os
import sys

# Else each process of a run compiles every module anew, and those that tests start do too: a
# tenth of the whole. It is said before anything else is imported.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

pytest_plugins = ["pagerpal.testing", "pagerpal.testing_database", "pagerpal.testing_order"]
