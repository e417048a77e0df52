"""Gives the tests of this folder the fixtures that start real programs."""

from pagerpal.tests.browsing import browser, visit  # noqa: F401
from pagerpal.tests.processes import migrated_site, new_site, ntfy, site  # noqa: F401
