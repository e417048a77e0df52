"""What a person or a team that leaves means for running incidents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q
from django.dispatch import receiver

from incidents import engine, lifecycle, timeline
from incidents.models import Incident, TimelineEntry
from notifications import outbox
from notifications.kicks import kick
from notifications.models import UNFINISHED, Notification
from schedules.models import Team, User
from schedules.signals import person_left, team_closing


@receiver(person_left)
def hand_on(*, user: User, team: Team | None, now: datetime, **_: Any) -> None:
    """End what waits for this person; call the next step where nobody is left to answer.

    Incidents they own are paged for anew. `team` limits it to that team's incidents.
    """
    threads = Notification.objects.filter(user=user, state__in=UNFINISHED).values_list(
        "thread", flat=True
    )
    ids = [int(t.partition(":")[2]) for t in set(threads) if t.startswith("incident:")]
    concerned = Incident.objects.open().filter(Q(pk__in=ids) | Q(owner=user))
    if team is not None:
        concerned = concerned.filter(team=team)
    for incident in concerned.select_for_update(no_key=True).order_by("pk"):
        _hand_on_one(incident, user, now)


def _hand_on_one(incident: Incident, user: User, now: datetime) -> None:
    cancelled = outbox.cancel_person(incident.thread, user, now=now, reason=f"{user} has left")
    timeline.write(
        incident, TimelineEntry.Kind.NOT_PAGED, f"{user} has left.", at=now, via="engine"
    )
    incident.save(update_fields=["revision"])
    if incident.owner_id == user.pk and incident.state == Incident.State.ACKNOWLEDGED:
        lifecycle.release(incident, now=now, why=f"{user} has left")
        return
    outcome = engine.last_step_outcome(incident)
    nothing_left = outcome is not None and outcome.taken == 0 and outcome.unfinished == 0
    if cancelled and nothing_left and incident.state == Incident.State.TRIGGERED:
        incident.escalate_at = now
        incident.save(update_fields=["escalate_at"])
        kick(lifecycle.RUN_DUE_STEPS)


@receiver(team_closing)
def object_to_closing(*, team: Team, **_: Any) -> str | None:
    """A team with open incidents stays on: somebody must answer for them."""
    count = Incident.objects.open().filter(team=team).count()
    return f"{team} has {count} open incidents: resolve them first." if count else None
