"""What the notifications floor reports, told to the incident: history, and the next step."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import F, Q
from django.dispatch import receiver

from incidents import engine, lifecycle, timeline
from incidents.models import ASKED, Incident, Page, TimelineEntry
from incidents.planner import Phase
from notifications import outbox
from notifications.models import TAKEN, Notification
from notifications.signals import notification_settled, still_wanted, threads_touched

# A room that was told is nobody who was reached.
COUNT = "UPDATE incidents_incident SET revision = revision + 1 WHERE id = %s"
COUNT_REACHED = """
    UPDATE incidents_incident SET revision = revision + 1, nobody_reached_at = NULL WHERE id = %s
"""
PREFIX = "incident:"
Kind = TimelineEntry.Kind


@receiver(threads_touched)
def lock_incidents(*, threads: list[str], **_: Any) -> None:
    """Lock the incidents behind these threads, ascending, before any notification row."""
    if not connection.features.has_select_for_update:
        return  # SQLite: whoever writes is alone
    list(
        Incident.objects.select_for_update(no_key=True)
        .filter(pk__in=_ids(threads))
        .order_by("pk")
        .values_list("pk")
    )


@receiver(notification_settled)
def tell_incident(*, notification: Notification, now: datetime, **_: Any) -> None:
    """Write down what became of a message; when a step has nothing left, call the next one now."""
    ids = _ids([notification.thread])
    if not ids or notification.purpose == Notification.Purpose.UPDATE:
        return
    concerned = Incident.objects.filter(pk=ids[0])
    if notification.state in TAKEN:
        # By far the most frequent news, which changes nothing else.
        if _count(ids[0], COUNT if notification.user_id is None else COUNT_REACHED):
            timeline.write(Incident(pk=ids[0]), *_entry(notification), at=now, via="worker")
        return
    incident = concerned.first()
    if incident is None:
        return
    timeline.write(incident, *_entry(notification), at=now, via="worker")
    changed = ["revision"]
    if _step_has_failed(incident, notification, now):
        incident.escalate_at = now
        changed.append("escalate_at")
    if _question_has_failed(incident, notification):
        incident.ask_at = now
        changed.append("ask_at")
    incident.save(update_fields=changed)
    if _owner_is_untold(incident, notification):
        lifecycle.owner_was_not_told(incident, "every message failed", now=now)


@receiver(still_wanted)
def is_still_wanted(*, notification: Notification, **_: Any) -> bool:
    """Whether its incident waits for an answer to this page, or at least for its end."""
    ids = _ids([notification.thread])
    if not ids:
        return True
    found = Incident.objects.filter(pk=ids[0])
    if notification.purpose == Notification.Purpose.ASK_OWNER:
        return found.filter(asked_at__isnull=False, owner=notification.user_id).exists()
    if notification.purpose != Notification.Purpose.PAGE:
        return found.exclude(state=Incident.State.RESOLVED).exists()
    number = notification.ref.partition("page:")[2]
    # Somebody was called to what somebody else has.
    helps = Q(
        incident__state=Incident.State.ACKNOWLEDGED,
        step=ASKED,
        answered_at=None,
        created_at__gte=F("incident__acknowledged_at"),
    )
    present = Page.objects.filter(
        Q(incident__state=Incident.State.TRIGGERED) | helps, incident__episode=F("episode")
    )
    return number.isdecimal() and present.filter(pk=int(number)).exists()


def _count(pk: int, sql: str) -> bool:
    """Raise the revision of an incident whose message was taken; False when it is gone.

    Written out, as it follows every message.
    """
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, [pk])
        return bool(cursor.rowcount)


def _owner_is_untold(incident: Incident, notification: Notification) -> bool:
    """Whether the last message that told the owner of an urgent new alert has failed."""
    if notification.purpose != Notification.Purpose.GROWTH:
        return False
    # The urgency of when it was written: if that has risen since, a newer message says so.
    if notification.context.get("urgency") != Incident.Urgency.HIGH:
        return False
    if notification.state != Notification.State.FAILED:
        return False
    if incident.state != Incident.State.ACKNOWLEDGED or incident.owner_id != notification.user_id:
        return False
    outcome = outbox.outcome([notification.ref])
    return outcome.taken == 0 and outcome.unfinished == 0


def _question_has_failed(incident: Incident, notification: Notification) -> bool:
    """Whether no message has asked the owner: then their silence says nothing, and is over."""
    if notification.purpose != Notification.Purpose.ASK_OWNER or incident.asked_at is None:
        return False
    if incident.owner_id != notification.user_id:
        return False
    outcome = outbox.outcome([notification.ref])
    return outcome.taken == 0 and outcome.unfinished == 0


def _step_has_failed(incident: Incident, notification: Notification, now: datetime) -> bool:
    """Whether every message of the step called last has failed, within its round.

    A new round never starts early, so an incident that waits for one is left alone.
    """
    if notification.purpose != Notification.Purpose.PAGE:
        return False
    if incident.state != Incident.State.TRIGGERED or incident.next_move == Phase.ROUND:
        return False
    if incident.escalate_at is None or incident.escalate_at <= now:
        return False
    outcome = engine.last_step_outcome(incident)
    return outcome is not None and outcome.taken == 0 and outcome.unfinished == 0


def _entry(notification: Notification) -> tuple[str, str]:
    return Kind.DELIVERY, _in_words(notification)


def _in_words(notification: Notification) -> str:
    who = f"{notification.channel} to {notification.recipient}"
    if notification.state == Notification.State.PENDING:
        return f"{who}: tried, will be tried again. {notification.outcome}".strip()
    text = f"{who}: {notification.get_state_display()}"
    return f"{text} ({notification.outcome})." if notification.outcome else f"{text}."


def _ids(threads: list[str]) -> list[int]:
    return sorted(
        int(thread.removeprefix(PREFIX)) for thread in threads if thread.startswith(PREFIX)
    )
