"""Which time zones there are; their rules come from the tzdata package, whatever the system has."""

from __future__ import annotations

import functools
import zoneinfo
from pathlib import Path

# Two machines must agree on when a shift begins, so the system's own files are never read.
zoneinfo.reset_tzpath(to=())

CONTINENTS = (
    "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic",
    "Australia", "Europe", "Indian", "Pacific",
)  # fmt: skip


@functools.cache
def names() -> frozenset[str]:
    """Every name that a zone may be given by, old spellings included."""
    return frozenset(zoneinfo.available_timezones())


@functools.cache
def choices() -> list[tuple[str, str]]:
    """For a select: UTC, then Continent/City, then the rest."""
    cities = sorted(name for name in names() if name.split("/")[0] in CONTINENTS)
    rest = sorted(names().difference(cities, {"UTC"}))
    return [(name, name) for name in ("UTC", *cities, *rest)]


def of_this_machine() -> str:
    """The name of the zone that the machine's own clock shows, as a first guess; else UTC."""
    try:
        linked = str(Path("/etc/localtime").readlink())
    except OSError:
        linked = ""
    name = linked.partition("zoneinfo/")[2]
    return name if name in names() and not name.endswith("UTC") else "UTC"
