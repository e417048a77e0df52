"""Sources of which nothing comes any more: found by the clock, told once to who can mend it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, OuterRef, QuerySet, Subquery
from django.urls import reverse

from alertsources.models import AlertSource, ReceivedPayload
from incidents.gaps import who_can_mend
from notifications import outbox
from notifications.models import UNFINISHED, Notification
from notifications.outbox import Note
from schedules.models import User
from schedules.transactions import repeat_on_conflict

log = logging.getLogger(__name__)

PREFIX = "silent:"
# A message about it that could not be delivered until then says nothing new.
TOLD_WITHIN = timedelta(days=1)
# One that comes and goes is told of no more often.
PAUSE = timedelta(hours=1)


@dataclass(frozen=True)
class SilentSource:
    """A source whose last message, or creation where none came, is longer ago than it may be."""

    source: AlertSource
    since: datetime
    has_spoken: bool
    now: datetime

    @property
    def thread(self) -> str:
        """Names this silence: the same source may fall silent again."""
        return f"{PREFIX}{self.source.pk}/{self.since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

    @property
    def allowed(self) -> timedelta:
        return self.source.warn_if_silent_for or timedelta(0)

    @property
    def words(self) -> str:
        """`silent for 26 hours, expected every 24 hours`."""
        return f"silent for {span(self.now - self.since)}, expected every {span(self.allowed)}"


def span(length: timedelta) -> str:
    """In the largest unit of which there are at least two, cut: `26 hours`, `3 days`."""
    for unit, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1))):
        if length >= 2 * size:
            return f"{length // size} {unit}s"
    minutes = max(1, length // timedelta(minutes=1))
    return f"{minutes} minute{'s' if minutes > 1 else ''}"


def silent_sources(
    now: datetime, sources: QuerySet[AlertSource] | None = None
) -> list[SilentSource]:
    """Which of these sources, or of all, are silent for longer than they say; the longest first.

    What was sent with a wrong key, made here by way of trial or taken in once more does not count
    as a message of theirs; what could not be read does. One query.
    """
    asked = AlertSource.objects.all() if sources is None else sources
    asked = asked.filter(
        is_active=True, team__is_active=True, warn_if_silent_for__isnull=False
    ).select_related("team")
    heard = ReceivedPayload.objects.filter(
        source=OuterRef("pk"), is_test=False, reprocessed_from=None
    ).order_by("-received_at")
    last_at = Subquery(heard.values("received_at")[:1], output_field=DateTimeField())
    annotated: Iterable[Any] = asked.annotate(heard_at=last_at)
    found = [
        SilentSource(source, source.heard_at or source.created_at, bool(source.heard_at), now)
        for source in annotated
    ]
    silent = [one for one in found if now - one.since > one.allowed]
    return sorted(silent, key=lambda one: one.since)


def tell_leads(now: datetime) -> None:
    """Tell the leads of each silence once; end what waits about sources that speak again.

    A later silence of the same source is told anew, an hour after the one before at the earliest.
    """
    found = {one.thread: one for one in silent_sources(now)}
    _end_the_others(set(found), now)
    for silent in _without_the_told(found, now):
        try:
            repeat_on_conflict(lambda silent=silent: _tell(silent, now))  # type: ignore[misc]
        except Exception:
            log.exception("nobody can be told that source %s is silent", silent.source.pk)


def _end_the_others(standing: set[str], now: datetime) -> None:
    waiting = Notification.objects.filter(
        purpose=Notification.Purpose.NOTICE,
        void_at__gt=now,
        thread__startswith=PREFIX,
        state__in=UNFINISHED,
        cancelled_at=None,
    )
    refs = {row.ref for row in waiting.only("ref", "thread") if row.thread not in standing}
    outbox.cancel_refs(sorted(refs), now=now, reason="it speaks again")


def _without_the_told(found: dict[str, SilentSource], now: datetime) -> list[SilentSource]:
    notices = Notification.objects.filter(purpose=Notification.Purpose.NOTICE)
    told = set(notices.filter(thread__in=found).values_list("thread", flat=True))
    lately = notices.filter(thread__startswith=PREFIX, void_at__gt=now + TOLD_WITHIN - PAUSE)
    resting = {thread.partition("/")[0] for thread in lately.values_list("thread", flat=True)}
    return [
        one
        for thread, one in found.items()
        if thread not in told and thread.partition("/")[0] not in resting
    ]


def _tell(silent: SilentSource, now: datetime) -> None:
    with transaction.atomic():  # all of them or none: who was told is asked of the silence
        for person in who_can_mend(silent.source.team):
            outbox.tell(person, _note(silent, person, now), now=now)


def _note(silent: SilentSource, person: User, now: datetime) -> Note:
    source = silent.source
    return Note(
        purpose=Notification.Purpose.NOTICE,
        thread=silent.thread,
        ref=f"{silent.thread}/{person.pk}",
        team_id=source.team_id,
        context={
            "team": source.team.name,
            "silent": {
                "source": source.name,
                "since": silent.since.isoformat(),
                "allowed": span(silent.allowed),
                "has_spoken": silent.has_spoken,
            },
            "open_path": reverse("alertsources:source", args=[source.pk]),
        },
        due_at=now,
        void_at=now + TOLD_WITHIN,
    )
