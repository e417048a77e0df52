"""The test page of the last screen: sent the whole way, and what became of it so far."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from alertsources import trying
from alertsources.intake import Taken
from alertsources.source_pages import overview
from incidents import situation
from incidents.models import Incident
from incidents.situation import Told
from notifications.models import Notification
from pagerpal import checklist
from pagerpal.set_up.steps import ANSWERS, Found
from schedules.models import Membership, User

State = Notification.State


@dataclass(frozen=True)
class Trial:
    """The last test, if there was one: `seen` stands for all that is shown of it."""

    incident: Incident | None
    told: list[Told]
    # The best that became of a message to this person: delivered, sent, held, failed; or "".
    state: str
    at: datetime | None
    outcome: str
    # In safe mode, what the held message's button leads to.
    answer_path: str
    is_worker_away: bool
    runs_policy: bool
    seen: str

    @property
    def is_answered(self) -> bool:
        return self.incident is not None and self.incident.acknowledged_at is not None

    @property
    def is_over(self) -> bool:
        return self.incident is not None and not self.incident.is_open

    @property
    def is_live(self) -> bool:
        """Whether something more may happen to it."""
        return self.incident is not None and not self.is_answered and not self.is_over


def send(found: Found, user: User, *, now: datetime) -> Taken:
    """A test alert by the source; by the policy where that pages nobody else. Raises NotTried."""
    assert found.source is not None  # noqa: S101  it is asked for before
    return trying.try_out(found.source, user, runs_policy=is_alone(found, user), now=now)


def is_alone(found: Found, user: User) -> bool:
    """Whether nobody else is in the team, whom a test would wake."""
    others = Membership.objects.filter(team=found.team, role__in=ANSWERS).exclude(user=user)
    return not others.exists()


def of(found: Found, user: User, *, now: datetime) -> Trial:
    incident = None
    if found.source is not None:
        last = overview.newest(found.source, user, is_test=True)
        incident = last.incident if last else None
    told = situation.told(incident) if incident else []
    best = _best(incident, user) if incident else None
    path = str(best.context.get("answer_path", "")) if best and best.state == State.HELD else ""
    is_away = not checklist.worker(now).is_done
    facts = (
        incident and (incident.pk, incident.revision, incident.state),
        best and (best.pk, best.state, best.outcome),
        is_away,
    )
    return Trial(
        incident=incident,
        told=told,
        state=best.state if best else "",
        at=best.settled_at if best else None,
        outcome=best.outcome if best else "",
        answer_path="" if settings.NOTIFICATION_SENDING_ENABLED else path,
        is_worker_away=is_away,
        runs_policy=is_alone(found, user),
        seen=hashlib.blake2s(repr(facts).encode(), digest_size=8).hexdigest(),
    )


def _best(incident: Incident, user: User) -> Notification | None:
    """The message that says most: one that arrived, else one that was taken, else the newest."""
    rank = (State.DELIVERED, State.SENT, State.HELD, State.SENDING, State.FAILED, State.PENDING)
    purposes = Notification.Purpose.PAGE, Notification.Purpose.TEST
    rows = Notification.objects.filter(
        thread=incident.thread, user=user, purpose__in=purposes, state__in=rank
    )
    return min(rows, key=lambda row: (rank.index(State(row.state)), -row.pk), default=None)
