"""What the pages say of alert sources: whether anything comes, and what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import IntegerField, OuterRef, QuerySet, Subquery
from django.utils import timezone

from alertsources import refusals
from alertsources.models import AlertSource, ReceivedPayload
from alertsources.refusals import Refused
from alertsources.silent import silent_sources
from alertsources.source_pages.sight import visible_incidents
from incidents.models import Incident
from schedules.models import User

# What a page counts to; a busy source is not counted to the last message.
MOST_COUNTED = 1000


class CountUpTo(Subquery):
    """How many rows a subquery has, which is cut so that counting stays cheap."""

    template = "(SELECT count(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


@dataclass(frozen=True)
class Row:
    """One source in the list."""

    source: AlertSource
    last_at: datetime | None
    today: int
    refused: list[Refused] = field(default_factory=list)
    silent: str = ""

    @property
    def standing(self) -> tuple[str, str]:
        """Its state as a drawing and a word, the worst first."""
        if not self.source.is_active:
            return "cancelled", "switched off"
        if self.silent:
            return "held", "silent"
        if self.refused:
            return "failed", "refusing"
        return ("ok", "ok") if self.last_at else ("todo", "waiting")

    @property
    def is_cut(self) -> bool:
        return self.today >= MOST_COUNTED


@dataclass(frozen=True)
class Message:
    """A message that came, with the incident that this person may open, if any."""

    payload: ReceivedPayload
    incident: Incident | None


def rows(sources: QuerySet[AlertSource], *, now: datetime) -> list[Row]:
    """What came of these sources, in their order."""
    real = ReceivedPayload.objects.filter(
        source=OuterRef("pk"), is_test=False, reprocessed_from=None
    )
    newest = real.order_by("-received_at")
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    today = real.filter(received_at__gte=midnight).order_by()
    found: list[Any] = list(
        sources.annotate(
            last_at=Subquery(newest.values("received_at")[:1]),
            today=CountUpTo(today.values("pk")[:MOST_COUNTED]),
        )
    )
    pks = [source.pk for source in found]
    refused = refusals.lately(pks, now=now)
    silent = silent_sources(now, AlertSource.objects.filter(pk__in=pks))
    silences = {one.source.pk: one.words for one in silent}
    return [
        Row(one, one.last_at, one.today, refused.get(one.pk, []), silences.get(one.pk, ""))
        for one in found
    ]


def newest(source: AlertSource, user: User, *, is_test: bool) -> Message | None:
    """The last message of its sender, or the last test that somebody made here."""
    came = source.payloads.filter(is_test=is_test, reprocessed_from=None).defer("body")
    return next(iter(with_incidents(came.order_by("-received_at", "-pk")[:1], user)), None)


def with_incidents(payloads: Iterable[ReceivedPayload], user: User) -> list[Message]:
    found = list(payloads)
    incidents = visible_incidents(user, {one.incident_id for one in found if one.incident_id})
    return [Message(one, incidents.get(one.incident_id or 0)) for one in found]


def digest(*said: Any) -> str:
    """Stands for what a live part shows: unchanged digest, nothing to send."""
    return hashlib.blake2s(repr(said).encode(), digest_size=8).hexdigest()


def said_of(row: Row) -> Sequence[Any]:
    facts = row.source.pk, row.source.name, str(row.source.team), row.standing
    return *facts, row.last_at, row.today, row.refused, row.silent


def said_of_message(message: Message | None) -> Sequence[Any]:
    if message is None:
        return ()
    payload, incident = message.payload, message.incident
    return payload.pk, payload.result, incident and (incident.pk, incident.revision)
