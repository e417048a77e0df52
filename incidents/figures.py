"""What a stretch of time was like: how many incidents, how soon answered, who was woken."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Func, IntegerField, Min, Q, QuerySet

from incidents.models import BY_HAND, SEVERITY_RANK, Incident, IncidentQuerySet, Page, TimelineEntry

# By the clock of whoever is called.
NIGHT_BEGINS, NIGHT_ENDS = 22, 7
MOST_SOURCES = 20
MICROSECOND = timedelta(microseconds=1)
QUARTER = 15 * 60


class Quarter(Func):
    """How many quarters of an hour a moment is after 1970: in every zone nights begin and end
    with one, so that the database can count what is as good as at once."""

    template = f"CAST(floor(extract(epoch FROM %(expressions)s) / {QUARTER}) AS integer)"
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        seconds = "CAST(strftime('%%%%s', %(expressions)s) AS integer)"
        return self.as_sql(compiler, connection, template=f"{seconds} / {QUARTER}", **more)


@dataclass(frozen=True)
class Source:
    """How many incidents one sender caused, all together and by severity, worst first."""

    label: str
    total: int
    by_severity: list[int]


@dataclass(frozen=True)
class Figures:
    """Tests and incidents merged into another count nowhere; noise not in the medians."""

    total: int = 0
    noise: int = 0
    by_severity: dict[str, int] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)
    more_sources: int = 0
    acknowledged: int = 0
    median_to_acknowledge: timedelta | None = None
    resolved: int = 0
    median_to_resolve: timedelta | None = None
    pages: int = 0
    pages_at_night: int = 0
    escalated: int = 0


@dataclass(frozen=True)
class Brief:
    """The same in one line, for a page that everybody opens."""

    total: int
    noise: int
    acknowledged: int
    median_to_acknowledge: timedelta | None
    pages_at_night: int


def counted(visible: IncidentQuerySet) -> IncidentQuerySet:
    """Those that figures and the log are about."""
    return visible.filter(is_test=False, merged_into=None)


def of(found: IncidentQuerySet) -> Figures:
    """The figures of these incidents, of which tests are none; costs five queries."""
    counts = found.order_by().values_list("source_label", "severity", "is_noise")
    groups = [(*key, number) for *key, number in counts.annotate(number=Count("pk"))]
    if not groups:
        return Figures()
    sources = _by_source(groups)
    to_acknowledge, to_resolve = _waits(found)
    calls = Page.objects.filter(incident__in=_keys(found), user__isnull=False)
    called = list(
        calls.order_by().values_list(
            "incident_id", "episode", "round", "step", "created_at", "user__time_zone"
        )
    )
    return Figures(
        total=sum(number for *_, number in groups),
        noise=sum(number for _, _, is_noise, number in groups if is_noise),
        by_severity={
            word: sum(number for _, severity, _, number in groups if severity == word)
            for word in SEVERITY_RANK
        },
        sources=sources[:MOST_SOURCES],
        more_sources=max(len(sources) - MOST_SOURCES, 0),
        acknowledged=len(to_acknowledge),
        median_to_acknowledge=median(to_acknowledge),
        resolved=len(to_resolve),
        median_to_resolve=median(to_resolve),
        pages=len(called),
        pages_at_night=sum(is_night(at, zone) for *_, at, zone in called),
        escalated=_escalated(called),
    )


def brief(visible: IncidentQuerySet, since: datetime) -> Brief:
    """As `of` says it of those opened since then, at less than half the price; three queries."""
    found = counted(visible).filter(opened_at__gte=since).order_by()
    counts = found.aggregate(total=Count("pk"), noise=Count("pk", filter=Q(is_noise=True)))
    taken = found.filter(is_noise=False, timeline__kind=TimelineEntry.Kind.ACKNOWLEDGED)
    # By incident, not by moment: two may have opened at once.
    firsts = taken.values_list("pk", "opened_at").annotate(first=Min("timeline__at"))
    waits = [first - opened_at for _, opened_at, first in firsts]
    # Said once more of the pages, as PostgreSQL would else read all that ever were.
    calls = Page.objects.filter(created_at__gte=since, incident__in=_keys(found))
    calls = calls.filter(user__isnull=False).order_by()
    called = calls.annotate(quarter=Quarter("created_at")).values_list("quarter", "user__time_zone")
    return Brief(
        acknowledged=len(waits),
        median_to_acknowledge=median(waits),
        pages_at_night=sum(
            number
            for quarter, zone, number in called.annotate(number=Count("pk"))
            if is_night(datetime.fromtimestamp(quarter * QUARTER, UTC), zone)
        ),
        **counts,
    )


def median(lengths: Iterable[timedelta]) -> timedelta | None:
    """The middle one, or what lies half-way between the two in the middle; None of none.

    Reckoned here and not by the database, as only one of the two that PagerPal runs on could.
    """
    known = [length // MICROSECOND for length in lengths]
    return statistics.median(known) * MICROSECOND if known else None


def is_night(at: datetime, zone: str) -> bool:
    hour = at.astimezone(ZoneInfo(zone)).hour
    return hour >= NIGHT_BEGINS or hour < NIGHT_ENDS


def acknowledged_first(found: QuerySet[Incident]) -> dict[int, datetime]:
    """By incident: when somebody had it for the first time, whatever became of it later."""
    return dict(_acknowledgements(found).values_list("incident").annotate(first=Min("at")))


def _acknowledgements(found: QuerySet[Incident]) -> QuerySet[TimelineEntry]:
    kind = TimelineEntry.Kind.ACKNOWLEDGED
    return TimelineEntry.objects.filter(kind=kind, incident__in=_keys(found)).order_by()


def _keys(found: QuerySet[Incident]) -> QuerySet[Incident, int]:
    return found.order_by().values_list("pk", flat=True)


def _waits(found: IncidentQuerySet) -> tuple[list[timedelta], list[timedelta]]:
    """How long each one waited until somebody had it, and until it was over; without noise."""
    found = found.filter(is_noise=False)
    taken = acknowledged_first(found)
    to_acknowledge, to_resolve = [], []
    for pk, opened_at, resolved_at in found.values_list("pk", "opened_at", "resolved_at"):
        if pk in taken:
            to_acknowledge.append(taken[pk] - opened_at)
        if resolved_at:
            to_resolve.append(resolved_at - opened_at)
    return to_acknowledge, to_resolve


def _by_source(groups: list[tuple[str, str, bool, int]]) -> list[Source]:
    """The noisiest first."""
    tables: dict[str, Counter[str]] = {}
    for label, severity, _, number in groups:
        tables.setdefault(label, Counter())[severity] += number
    found = [
        Source(label, table.total(), [table[word] for word in SEVERITY_RANK])
        for label, table in tables.items()
    ]
    return sorted(found, key=lambda one: (-one.total, one.label.casefold()))


def _escalated(called: list[tuple[int, int, int, str, datetime, str]]) -> int:
    """How many called people at more than one step of an episode: the first did not answer."""
    steps: dict[tuple[int, int], set[tuple[int, str]]] = {}
    for incident, episode, turn, step, _, _ in called:
        if step not in BY_HAND:
            steps.setdefault((incident, episode), set()).add((turn, step))
    return len({incident for (incident, _), some in steps.items() if len(some) > 1})
