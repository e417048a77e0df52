"""The lines about what all stands on: database, migrations, clock, disk, address, keys, keeping."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import Error, connection
from django.db.models import Max
from django.utils import timezone

from alertsources.models import AlertSource
from notifications.channels import calls
from notifications.channels.base import Deadline, SendError
from pagerpal import checklist, health, migrating
from pagerpal.env import LEAST_KEY_LENGTH, PLACEHOLDER_KEYS
from pagerpal.models import WorkerHeartbeat
from pagerpal.system.line import BAD, OK, WARN, Line, Remedy

# Seconds. Due times are wall times, so that a clock that is off pages early or late by as much.
SKEW, SKEW_IS_BAD = 5.0, 120.0
SCARCE = 500 * health.MIB
TRY_FOR = 5.0


def lines(now: datetime, *, try_it: bool) -> list[Line]:
    return [
        database(),
        migrations(),
        clocks(now),
        disk(),
        address(try_it=try_it),
        https(),
        secret_key(),
        retention(),
    ]


def database() -> Line:
    if connection.vendor == "sqlite":
        mode, synchronous = _ask("PRAGMA journal_mode"), _ask("PRAGMA synchronous")
        if (mode, synchronous) != ("wal", 2):
            why = Remedy(
                f"SQLite is in mode {mode} with synchronous={synchronous}; PagerPal sets wal and 2 "
                "(FULL). Put the file on a local disk: network shares cannot do this."
            )
            return Line("database", "Database", BAD, "SQLite.", (why,))
        return Line("database", "Database", OK, "SQLite, write-ahead log, synced at each commit.")
    version, limit = _ask("SHOW server_version"), _ask("SHOW statement_timeout")
    text = f"PostgreSQL {str(version).partition(' ')[0]}."
    if limit == "0":
        why = Remedy(
            "PostgreSQL has no statement_timeout here: DATABASE_URL names options of its own.",
            ("DATABASE_URL=postgres://user:password@host:5432/name",),
        )
        return Line("database", "Database", WARN, text, (why,))
    return Line("database", "Database", OK, text)


def _ask(sql: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def migrations() -> Line:
    if missing := migrating.missing():
        says = f"{len(missing)} not applied, first {missing[0]}."
        why = Remedy("The database is older than the program.", command="python manage.py migrate")
        return Line("migrations", "Migrations", BAD, says, (why,))
    return Line("migrations", "Migrations", OK, "All applied.")


def clocks(now: datetime) -> Line:
    """Against the database's, and against those of machines whose workers beat in our future."""
    worst, who = 0.0, ""
    if connection.vendor == "postgresql":
        theirs = _ask("SELECT clock_timestamp()")
        if isinstance(theirs, datetime):
            # By the clock itself, not by `now`: lines before this one took their time.
            worst, who = abs((theirs - timezone.now()).total_seconds()), "the database's"
    newest = WorkerHeartbeat.objects.aggregate(at=Max("beat_at"))["at"]
    if newest and (ahead := (newest - now).total_seconds()) > worst:
        worst, who = ahead, "a worker's"
    if worst < SKEW:
        return Line("clock", "Clock", OK, "All clocks agree.")
    says = f"This machine's clock and {who} are {worst:.0f} s apart."
    why = Remedy(f"{says} Pages come early or late by as much.", command="timedatectl set-ntp true")
    return Line("clock", "Clock", BAD if worst >= SKEW_IS_BAD else WARN, says, (why,))


def disk() -> Line:
    free = health.disk_free()
    if free is None:
        return Line("disk", "Disk", WARN, "Nobody can say how much is left.")
    size = f"{free // health.MIB} MB" if free < 4096 * health.MIB else f"{free // 2**30} GB"
    says = f"{size} left in {settings.DATA_DIR}."
    if free >= SCARCE:
        # Exact figures change all the time.
        return Line("disk", "Disk", OK, f"Enough left in {settings.DATA_DIR}.")
    why = Remedy(f"The disk is nearly full: {says}", command=f"df -h {settings.DATA_DIR}")
    return Line("disk", "Disk", BAD if free < health.LEAST_FREE else WARN, says, (why,))


def address(*, try_it: bool) -> Line:
    base = settings.PAGERPAL_BASE_URL
    if checklist.is_local(urlsplit(base).hostname or ""):
        why = Remedy(
            f"Messages link to {base}, which no phone can open.",
            (f"PAGERPAL_BASE_URL=http://ADDRESS:{settings.PAGERPAL_PORT}",),
        )
        return Line("address", "Address", WARN, f"{base}: this machine only.", (why,))
    if try_it:
        try:
            answer = calls.request("GET", f"{base}/health/live", deadline=Deadline(TRY_FOR))
            trouble = "" if answer.is_taken else f"HTTP {answer.status}"
        except SendError as error:
            trouble = error.text
        if trouble:
            why = Remedy(
                f"{base} cannot be opened from here: {trouble}.", (f"PAGERPAL_BASE_URL={base}",)
            )
            return Line("address", "Address", WARN, f"{base}: tried just now, in vain.", (why,))
    return Line("address", "Address", OK, f"{base}.")


def https() -> Line:
    is_secure = settings.PAGERPAL_BASE_URL.startswith("https://")
    if is_secure and settings.SESSION_COOKIE_SECURE:
        return Line("https", "HTTPS", OK, "On, with secure cookies.")
    if is_secure:
        why = Remedy(
            "The address is HTTPS, but cookies would also go over HTTP.",
            ("SESSION_COOKIE_SECURE=true",),
        )
        return Line("https", "HTTPS", WARN, "On, without secure cookies.", (why,))
    why = Remedy(
        "Passwords and answers cross the network unencrypted: put a proxy with TLS in front.",
        ("PAGERPAL_BASE_URL=https://pager.example.org", "SESSION_COOKIE_SECURE=true"),
    )
    return Line("https", "HTTPS", WARN, "Off.", (why,))


def secret_key() -> Line:
    key = settings.SECRET_KEY
    is_weak = len(key) < LEAST_KEY_LENGTH or any(word in key.lower() for word in PLACEHOLDER_KEYS)
    if not is_weak:
        return Line("secret-key", "Secret key", OK, "Set, long enough.")
    why = Remedy(
        "SECRET_KEY can be guessed, and with it every answer link and session.",
        ("SECRET_KEY=...",),
        'python -c "import secrets; print(secrets.token_urlsafe(48))"',
    )
    return Line("secret-key", "Secret key", WARN, "Too short, or a placeholder.", (why,))


def retention() -> Line:
    says = f"Messages are kept for {settings.KEEP_MESSAGES_DAYS} days, lines of the timeline that "
    says += f"PagerPal wrote for {settings.KEEP_TIMELINE_DAYS} after the incident's end"
    longest = AlertSource.objects.aggregate(days=Max("keep_days"))["days"]
    if longest is not None:
        says += f", what sources sent for up to {longest}, as each source says"
    return Line("retention", "Retention", OK, f"{says}.")


def unusable(error: Error) -> Line:
    why = Remedy(
        f"The database cannot be used: {type(error).__name__}.",
        ("DATABASE_URL=postgres://user:password@host:5432/name",),
        "python manage.py migrate",
    )
    return Line("database", "Database", BAD, "It cannot be used.", (why,))
