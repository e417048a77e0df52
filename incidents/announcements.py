"""Tells a team's channels, and those who were paged, what becomes of an incident.

Written in the transaction of the change itself; what goes wrong here takes no change along.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from django.db import OperationalError, transaction
from django.urls import reverse

from incidents.facts import facts_of
from incidents.models import Incident
from notifications import updates
from notifications.models import TAKEN, Notification
from notifications.updates import Update
from schedules.models import User

log = logging.getLogger(__name__)


def opened(incidents: Sequence[Incident], *, now: datetime, event: str = "opened") -> None:
    """Tell the channels of new incidents, or of one that is open again; nobody of a test."""
    real = [incident for incident in incidents if not incident.is_test]
    if not real:
        return
    for team_id, channels in updates.channels_for(event, {one.team_id for one in real}).items():
        news = [_update(one, event, now) for one in real if one.team_id == team_id]
        _safely(lambda c=channels, n=news: updates.tell_channels(c, n, now=now))  # type: ignore[misc]


def answered(incident: Incident, event: str, who: str, by: User | None, *, now: datetime) -> None:
    """Tell the channels, and quietly whom a page has reached, who has it or how it ended.

    `by` is the person who did it: they know.
    """
    if incident.is_test:
        return
    update = _Once(incident, event, now, {"who": who})
    if channels := updates.channels_for(event, [incident.team_id])[incident.team_id]:
        _safely(lambda: updates.tell_channels(channels, [update.get()], now=now))
    if people := _paged(incident, by):
        _safely(lambda: updates.tell_people(people, update.get(), now=now))


def escalated(
    incident: Incident, who: str, step: str, told: Collection[int], *, now: datetime
) -> None:
    """Tell the channels that the next step is called, except those that it calls itself."""
    if incident.is_test:
        return
    found = updates.channels_for("escalated", [incident.team_id])[incident.team_id]
    if channels := [one for one in found if one.pk not in told]:
        facts = {"who": who, "step": step}
        news = [_update(incident, "escalated", now, **facts)]
        _safely(lambda: updates.tell_channels(channels, news, now=now))


def released(incident: Incident, why: str, *, now: datetime) -> None:
    """Tell the channels that nobody has an incident any more, of which they heard who had it."""
    if incident.is_test:
        return
    if channels := updates.channels_for("released", [incident.team_id])[incident.team_id]:
        news = [_update(incident, "released", now, news=why)]
        _safely(lambda: updates.tell_channels(channels, news, now=now))


class _Once:
    """An update that is put together when somebody is there to be told."""

    def __init__(
        self, incident: Incident, event: str, now: datetime, facts: dict[str, Any]
    ) -> None:
        self._what = incident, event, now
        self._facts = facts
        self._made: Update | None = None

    def get(self) -> Update:
        self._made = self._made or _update(*self._what, **self._facts)
        return self._made


def _update(incident: Incident, event: str, now: datetime, **facts: Any) -> Update:
    context = {
        **facts_of(incident),
        "event": event,
        "state": incident.state,
        "at": now.isoformat(),
        "list_path": f"{reverse('incidents:list')}?team={incident.team_id}",
        **facts,
    }
    if incident.resolved_at is not None:
        context["lasted"] = int((incident.resolved_at - incident.opened_at).total_seconds())
    return Update(
        event=event,
        thread=incident.thread,
        name=f"{incident.pk}/{event}/{incident.revision}",
        team_id=incident.team_id,
        context=context,
    )


def _paged(incident: Incident, by: User | None) -> list[User]:
    """Whom a page of this incident has reached, but not whoever acts."""
    pages = Notification.objects.filter(
        thread=incident.thread, purpose=Notification.Purpose.PAGE, state__in=TAKEN
    )
    reached = set(pages.order_by().values_list("user_id", flat=True).distinct())
    reached -= {None, by.pk if by else None}
    return list(User.objects.filter(pk__in=reached, is_active=True)) if reached else []


def _safely(tell: Callable[[], None]) -> None:
    try:
        with transaction.atomic():
            tell()
    except OperationalError:
        raise  # the whole change is lost, and begun again by whoever made it
    except Exception:
        log.exception("an update could not be written")
