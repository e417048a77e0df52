"""One verdict on whether a page would go out now, read from rows."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import import_module
from importlib.util import find_spec

from django.conf import settings
from django.db import Error, connection, transaction

from incidents.models import Incident
from pagerpal import migrating
from pagerpal.models import WorkerHeartbeat

log = logging.getLogger(__name__)

FLOORS = ("schedules", "notifications", "incidents", "alertsources")
# Four beats.
HEARTBEAT_FRESH_FOR = timedelta(seconds=20)
OVERDUE_AFTER = timedelta(minutes=2)
MIB = 1024 * 1024
LEAST_FREE = 20 * MIB

# True for good once it was: nobody takes a migration back under a running process.
_is_migrated = False


@dataclass
class Verdict:
    """`troubles`: why a page would not go out. `notes`: what is held because a setting says so."""

    troubles: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.troubles


def verdict(now: datetime) -> Verdict:
    """Look at everything that a page needs. Never raises: a database that is away is a trouble."""
    try:
        troubles = _database() or _migrations()
        if not troubles:
            troubles = [*_heartbeat(now), *_disk(), *_overdue(now), *_floors(now)]
    except Error as error:
        troubles = [_unusable("read", error)]
    return Verdict(troubles, _held())


def database_answers() -> str:
    """What stands between this process and its database; empty when nothing does."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        return _unusable("read", error)
    return ""


def _database() -> list[str]:
    try:
        with transaction.atomic():
            WorkerHeartbeat.objects.update(waiting=0)
            transaction.set_rollback(True)
    except Error as error:
        if _is_missing_table(error):
            return ["The database is empty: run manage.py migrate."]
        return [_unusable("written", error)]
    return []


def _disk() -> list[str]:
    """Of the data folder, which SQLite is in; before it is full, as then nothing can be written."""
    free = disk_free()
    if connection.vendor != "sqlite" or free is None or free >= LEAST_FREE:
        return []
    return [f"The disk is full: {free // MIB} MB are left for the database."]


def disk_free() -> int | None:
    """Bytes that are left where the data folder is; None when nobody can say."""
    try:
        return shutil.disk_usage(settings.DATA_DIR).free
    except OSError:
        return None


def _migrations() -> list[str]:
    global _is_migrated
    if _is_migrated:
        return []
    if missing := migrating.missing():
        return [
            f"{len(missing)} migrations are not applied, first {missing[0]}: run manage.py migrate."
        ]
    _is_migrated = True
    return []


def _heartbeat(now: datetime) -> list[str]:
    beats = WorkerHeartbeat.objects.order_by("-beat_at").values_list("beat_at", flat=True)
    # What a clock that was ahead has left behind would count as life until its time comes.
    last = beats.filter(beat_at__lte=now + HEARTBEAT_FRESH_FOR).first()
    if last is None and (ahead := beats.first()) is not None:
        return [
            f"The clock of the worker is ahead of this one: its last sign was at "
            f"{ahead:%Y-%m-%d %H:%M:%S} UTC. Let both follow NTP."
        ]
    if last is None:
        return ["No worker has ever run here: start manage.py worker."]
    if now - last > HEARTBEAT_FRESH_FOR:
        return [f"No worker is alive: the last sign was at {last:%Y-%m-%d %H:%M:%S} UTC."]
    return []


def _overdue(now: datetime) -> list[str]:
    late = now - OVERDUE_AFTER
    waiting = Incident.objects.due(late) | Incident.objects.to_ask(late)
    if settings.ESCALATION_WORKER_ENABLED and waiting.exists():
        return ["Escalation is behind: an incident's next step or question is over 2 minutes late."]
    return []


def _floors(now: datetime) -> list[str]:
    found: list[str] = []
    for floor in FLOORS:
        if not find_spec(f"{floor}.health"):
            continue
        try:
            found += import_module(f"{floor}.health").health(now)
        except Error:
            raise
        except Exception:
            log.exception("the health of %s cannot be judged", floor)
            found.append(
                f"The health of {floor} cannot be judged; the log of this process says why."
            )
    return found


def _held() -> list[str]:
    held = []
    if not settings.NOTIFICATION_SENDING_ENABLED:
        held.append("Safe mode (NOTIFICATION_SENDING_ENABLED=false): messages are held, not sent.")
    if not settings.NOTIFICATION_RETRY_WORKER_ENABLED:
        held.append("NOTIFICATION_RETRY_WORKER_ENABLED=false: messages wait.")
    if not settings.ESCALATION_WORKER_ENABLED:
        held.append("ESCALATION_WORKER_ENABLED=false: escalation waits.")
    return held


def _is_missing_table(error: Error) -> bool:
    text = str(error)
    return "no such table" in text or "does not exist" in text


def _unusable(how: str, error: Error) -> str:
    """Anybody may read /health, and a driver's words name hosts and users: those go to the log."""
    log.error("the database cannot be %s: %s", how, error)
    return f"The database cannot be {how}; the log of this process says why."
