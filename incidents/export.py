"""The incident log as CSV, row by row, that no spreadsheet takes for a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db.models import Count, Q
from django.utils import timezone

from incidents import listing
from incidents.figures import acknowledged_first
from incidents.models import Incident, IncidentQuerySet

COLUMNS = (
    "number", "opened", "team", "severity", "state", "source", "title", "acknowledged",
    "seconds to acknowledge", "resolved", "seconds to resolve", "owner", "pages", "noise",
)  # fmt: skip
BATCH = 500
# What spreadsheets begin a formula with, in narrow and in wide letters, and what they skip first.
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")
# Else a spreadsheet reads UTF-8 as something else.
BYTE_ORDER_MARK = "\ufeff"


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def lines(found: IncidentQuerySet) -> Iterator[bytes]:
    """The newest first, in short queries: a slow reader holds no transaction open."""
    writer = csv.writer(_Echo())
    yield _encoded(BYTE_ORDER_MARK + writer.writerow(COLUMNS))
    below = None
    slim = listing.light(found)
    while True:
        within = slim if below is None else slim.filter(pk__lt=below)
        batch = list(within.order_by("-pk")[:BATCH])
        yield _encoded("".join(writer.writerow(row) for row in _rows(batch)))
        if len(batch) < BATCH:
            return
        below = batch[-1].pk


def safe(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet would reckon."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def _rows(batch: list[Incident]) -> Iterator[list[str]]:
    keys = [incident.pk for incident in batch]
    these = Incident.objects.filter(pk__in=keys)
    taken = acknowledged_first(these)
    people = Count("pages", filter=Q(pages__user__isnull=False))
    pages = dict(these.order_by().annotate(number=people).values_list("pk", "number"))
    for incident in batch:
        yield [safe(cell) for cell in _cells(incident, taken.get(incident.pk), pages)]


def _cells(incident: Incident, taken_at: datetime | None, pages: dict[int, int]) -> Iterable[str]:
    return (
        str(incident.pk),
        _when(incident.opened_at),
        incident.team.name,
        incident.severity,
        incident.state,
        incident.source_label,
        incident.title,
        _when(taken_at),
        _seconds(incident.opened_at, taken_at),
        _when(incident.resolved_at),
        _seconds(incident.opened_at, incident.resolved_at),
        incident.holder,
        str(pages.get(incident.pk, 0)),
        "yes" if incident.is_noise else "no",
    )


def _when(moment: datetime | None) -> str:
    """With its offset, in the zone in force."""
    return timezone.localtime(moment).isoformat(sep=" ", timespec="seconds") if moment else ""


def _seconds(begun_at: datetime, ended_at: datetime | None) -> str:
    return str(round((ended_at - begun_at).total_seconds())) if ended_at else ""


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")
