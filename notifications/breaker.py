"""A provider's breaker: after three timeouts in a row, one probe each 30 s until it answers."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Case, F, Value, When

from notifications import providers
from notifications.channels.base import SendError
from notifications.channels.texts import one_line
from notifications.models import Notification, ProviderState

TIMEOUTS_TO_OPEN = 3
PROBE_EVERY = timedelta(seconds=30)
# How exactly "last taken" is known: not one more write for every message.
TAKEN_EVERY = timedelta(seconds=60)


def lock(provider: str) -> ProviderState:
    """The provider's row, locked: claims for one provider go one after another."""
    found = _read(provider, lock=True)
    if found is None:
        ProviderState.objects.get_or_create(provider=provider)
        found = _read(provider, lock=True)
    assert found is not None  # noqa: S101  rows of this table are never deleted
    return found


def _read(provider: str, *, lock: bool = False) -> ProviderState | None:
    """Written out, like the claim: every message needs it twice."""
    database = connections[DEFAULT_DB_ALIAS]
    locking = lock and database.features.has_select_for_no_key_update
    sql = "SELECT * FROM notifications_providerstate WHERE provider = %s"
    sql += " FOR NO KEY UPDATE" if locking else ""
    for found in ProviderState.objects.raw(sql, [provider]):
        return found
    return None


def take_probe(state: ProviderState, now: datetime) -> None:
    """The holder of the lock sends the probe; everybody else waits for the next one."""
    ProviderState.objects.filter(pk=state.pk).update(probe_at=now + PROBE_EVERY)


def note_taken(provider: str, now: datetime) -> None:
    """The provider took a message: close the breaker, and send at once what waited for it."""
    state = _read(provider)
    if state is None:
        return
    known = state.last_taken_at is not None and now - state.last_taken_at < TAKEN_EVERY
    if known and not state.timeouts and not state.is_open:
        return
    _close(state, now, last_taken_at=now)


def note_error(provider: str, error: SendError, now: datetime) -> None:
    """Count a timeout; any answer breaks the row, and one that is final closes the breaker."""
    state = ProviderState.objects.filter(provider=provider).first()
    if state is None:
        return
    said = {"last_error": one_line(error.text)[:500], "last_error_at": now}
    if error.timed_out:
        opens = When(timeouts__gte=TIMEOUTS_TO_OPEN - 1, then=Value(now + PROBE_EVERY))
        ProviderState.objects.filter(pk=state.pk).update(
            timeouts=F("timeouts") + 1, probe_at=Case(opens, default=F("probe_at")), **said
        )
    elif error.permanent or not state.is_open:
        _close(state, now, **said)
    else:
        ProviderState.objects.filter(pk=state.pk).update(**said)


def _close(state: ProviderState, now: datetime, **fields: object) -> None:
    ProviderState.objects.filter(pk=state.pk).update(timeouts=0, probe_at=None, **fields)
    if state.is_open:
        _wake(state.provider, now)


def _wake(provider: str, now: datetime) -> None:
    """What was put off to a probe that is no longer needed is due now.

    Rows that somebody else holds are skipped: they belong to other threads, whose locks are not
    held here, and come due at the probe's time anyway.
    """
    waiting = (
        Notification.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
        .filter(
            channel=providers.kind_carried_by(provider),
            state=Notification.State.PENDING,
            first_tried_at__isnull=False,
            due_at__gt=now,
            due_at__lte=now + PROBE_EVERY,
            attempts=0,
        )
        .order_by("pk")
    )
    pks = list(waiting.values_list("pk", flat=True))
    Notification.objects.filter(pk__in=pks, state=Notification.State.PENDING).update(due_at=now)
