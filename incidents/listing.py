"""One page of a list of incidents: which come first, where it goes on, and how many there are.

Open ones come first, by urgency; they are few. The others follow from the highest number down, and
no page looks at more than `SPAN` of them: however many are stored and however rare what is
sought, a page costs the same, and says where to look on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Case, Q, Value, When

from incidents.asking import Asked
from incidents.models import SEVERITY_RANK, Incident, IncidentQuerySet

State = Incident.State
PER_PAGE = 25
SPAN = 25_000
# Nobody counts further by reading.
MOST_COUNTED = 1000
# Two web processes may write at once, each by its own clock.
OUT_OF_ORDER = 1000
KEY = re.compile(r"(?:([0-9]{1,2})\.([0-9]{1,17})\.)?([0-9]{1,18})", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SKETCHED = ("state", "severity", "opened_at", "revision")


@dataclass(frozen=True)
class Place:
    """Where a page ended: after an open incident of this rank and age, or before this number.

    It holds however the incident has moved since.
    """

    pk: int
    rank: int | None = None
    opened_at: datetime = EPOCH

    def __str__(self) -> str:
        if self.rank is None:
            return str(self.pk)
        return f"{self.rank}.{(self.opened_at - EPOCH) // MICROSECOND}.{self.pk}"


@dataclass(frozen=True)
class Listed:
    """One page, where the next one starts, and whether there the rest is only to be looked for."""

    incidents: list[Incident]
    following: Place | None = None
    is_unsure: bool = False


def place_of(text: str) -> Place | None:
    """From an address; None for what is none."""
    found = KEY.fullmatch(text)
    if not found:
        return None
    rank, micros, pk = found.groups()
    if rank is None:
        return Place(int(pk))
    return Place(int(pk), int(rank), EPOCH + int(micros) * MICROSECOND)


def page(
    found: IncidentQuerySet,
    asked: Asked,
    after: Place | None,
    *,
    has_open: bool,
    has_resolved: bool,
    size: int = PER_PAGE,
    is_sketch: bool = False,
) -> Listed:
    """The incidents of one page: of those that are open, of the resolved, or of both.

    Of a sketch only the place and the revision of each are read.
    """
    slim = found.only(*SKETCHED) if is_sketch else light(found)
    rows: list[Incident] = []
    if has_open and (after is None or after.rank is not None):
        rows = list(_open_after(slim, after)[: size + 1])
    if len(rows) > size:
        last = rows[size - 1]
        return Listed(rows[:size], Place(last.pk, _rank(last), last.opened_at))
    if not has_resolved:
        return Listed(rows)
    resolved = slim.filter(state=State.RESOLVED)
    below = after.pk if after and after.rank is None else None
    return _with_resolved(rows, resolved, asked, below, size)


def by_number(
    found: IncidentQuerySet, asked: Asked, *, below: int | None, size: int = PER_PAGE
) -> Listed:
    """The incidents of one page in whatever state, the newest first."""
    return _with_resolved([], light(found), asked, below, size)


def light(found: IncidentQuerySet) -> IncidentQuerySet:
    """Without the long texts, which no list shows."""
    return found.select_related("team", "owner").defer("detail", "search_text", "labels", "links")


def _with_resolved(
    rows: list[Incident], found: IncidentQuerySet, asked: Asked, below: int | None, size: int
) -> Listed:
    high, low = _span(asked, below)
    floor = _floor(asked)
    within = found.filter(pk__lt=high, pk__gt=max(low, floor)).order_by("-pk")
    opened = len(rows)
    rows = rows + list(within[: size + 1 - opened])
    if len(rows) > size:
        kept = rows[:size]
        return Listed(kept, Place(kept[-1].pk if opened < size else high))
    if low > floor:
        return Listed(rows, Place(low + 1), is_unsure=True)
    return Listed(rows)


def count(found: IncidentQuerySet) -> int:
    """How many there are of those looked at first; `MOST_COUNTED` + 1 stands for more."""
    return found.filter(pk__gt=_newest() - SPAN).order_by()[: MOST_COUNTED + 1].count()


def _newest() -> int:
    return Incident.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def _span(asked: Asked, below: int | None) -> tuple[int, int]:
    """Numbers between which to look: under the first, over the second."""
    high = _newest() + 1
    if asked.ends_at:
        before = Incident.objects.filter(opened_at__lt=asked.ends_at).order_by("-opened_at")
        high = (before.values_list("pk", flat=True).first() or 0) + 1 + OUT_OF_ORDER
    high = min(high, below) if below is not None else high
    return high, max(high - 1 - SPAN, 0)


def _floor(asked: Asked) -> int:
    """No incident of this number or a lower one can be meant."""
    if not asked.begins_at:
        return 0
    since = Incident.objects.filter(opened_at__gte=asked.begins_at).order_by("opened_at")
    first = since.values_list("pk", flat=True).first()
    return max(first - 1 - OUT_OF_ORDER, 0) if first else _newest()


def _open_after(found: IncidentQuerySet, after: Place | None) -> IncidentQuerySet:
    """Open ones in the order of `urgent_first`, from behind this place on."""
    by_severity = [When(severity=word, then=Value(rank)) for word, rank in SEVERITY_RANK.items()]
    by_state = When(state=State.ACKNOWLEDGED, then=Value(10))
    ranked = found.open().annotate(
        urgency_rank=Case(by_state, default=Value(0)) + Case(*by_severity, default=Value(9))
    )
    if after is not None:
        later = Q(opened_at__lt=after.opened_at) | Q(opened_at=after.opened_at, pk__lt=after.pk)
        ranked = ranked.filter(
            Q(urgency_rank__gt=after.rank) | (Q(urgency_rank=after.rank) & later)
        )
    return ranked.order_by("urgency_rank", "-opened_at", "-pk")


def _rank(incident: Incident) -> int:
    return (10 if incident.state == State.ACKNOWLEDGED else 0) + incident.rank
