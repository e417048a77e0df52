"""Puts a backup in the place of the database, which is kept aside; all checks come first."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

from incidents import holding
from pagerpal import migrating
from pagerpal.models import WorkerHeartbeat
from pagerpal.moving import archive, arriving, backing_up, running
from pagerpal.moving.archive import Archive, NotUsable
from schedules.models import User


@dataclass
class Restored:
    rows: int
    held: holding.Held
    # Where the old database is, if there was one.
    aside: str = ""
    notes: list[str] = field(default_factory=list)


def usable(path: Path) -> Archive:
    """The archive, looked at from all sides; NotUsable says why it cannot be restored here."""
    found = Archive(path)
    made = found.manifest
    if made.database != connection.vendor:
        raise NotUsable(
            f"This is a backup of {made.database}, and DATABASE_URL names {connection.vendor}."
        )
    known = {f"{label}.{name}" for label, name in migrating.on_disk()}
    if unknown := sorted(set(made.migrations) - known):
        raise NotUsable(
            f"PagerPal {made.version} made this backup, which is newer than this one "
            f"({archive.version()}): it has the migration {unknown[0]}."
        )
    if made.columns:
        _compare(made.counts, {table: _lines(found, table) for table in made.columns})
    return found


def _lines(found: Archive, table: str) -> int:
    """COPY writes one for each row, and none within."""
    return sum(chunk.count(b"\n") for chunk in found.read(f"{backing_up.TABLES}/{table}"))


def what_forbids(*, replace: bool, now: datetime) -> str:
    """Why nothing may be restored now; empty when it may."""
    if runs := running.found(now):
        return f"Stop PagerPal first: {'; '.join(runs)}."
    if not replace and _has_data():
        return "There are people in the database: say --replace to put the backup in its place."
    return ""


def restore(found: Archive, *, now: datetime) -> Restored:
    """Put it in place; until the last step, which is one move, the old database is untouched."""
    stamp = now.strftime("%Y%m%d_%H%M%S")
    if connection.vendor == "sqlite":
        restored = _restore_file(found, stamp, now)
    else:
        restored = _restore_tables(found, stamp, now)
    restored.notes += _restore_key(found, stamp)
    return restored


def _has_data() -> bool:
    try:
        with transaction.atomic():
            return User.objects.exists()
    except DatabaseError:
        return False


# --- SQLite --------------------------------------------------------------------------------------
def _restore_file(found: Archive, stamp: str, now: datetime) -> Restored:
    connection.close()
    place = Path(str(connection.settings_dict["NAME"]))
    coming = place.with_name(f"{place.name}.arriving")
    try:
        found.extract(backing_up.SQLITE, coming)
        with closing(sqlite3.connect(coming)) as file:
            backing_up.check(file)
            _compare(found.manifest.counts, backing_up.counts(file))
        with arriving.instead({**connection.settings_dict, "NAME": str(coming)}):
            restored = Restored(sum(found.manifest.counts.values()), _finish(found, now))
        with closing(sqlite3.connect(coming)) as file:
            file.execute("PRAGMA journal_mode=DELETE")  # all of it in the one file
        if place.is_file():
            restored.aside = str(_put_aside(place, stamp))
        coming.replace(place)
        _sync(place.parent)
    finally:
        for name in ("", "-wal", "-shm", "-journal", ".lock", ".lock-next"):
            Path(f"{coming}{name}").unlink(missing_ok=True)
    return restored


def _put_aside(place: Path, stamp: str) -> Path:
    aside = place.with_name(f"{place.name}.before_restore_{stamp}")
    for suffix in ("-wal", "-shm", ""):  # a killed program may have left the first two
        if (file := Path(f"{place}{suffix}")).is_file():
            file.replace(f"{aside}{suffix}")
    return aside


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- PostgreSQL ----------------------------------------------------------------------------------
def _restore_tables(found: Archive, stamp: str, now: datetime) -> Restored:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        place = cursor.fetchone()[0]
        is_first = not arriving.tables(cursor, place)
    connection.close()
    aside = f"before_restore_{stamp}"
    with arriving.schema(connection.settings_dict):
        # The tables as they were when the backup was made, and only then what came after.
        executor = MigrationExecutor(connection)
        executor.migrate(_last_of(found.manifest.migrations, executor.loader.graph))
        arriving.empty()
        _fill(found)
        arriving.reset_sequences()
        restored = Restored(sum(found.manifest.counts.values()), _finish(found, now))
        arriving.move(to=place, aside=aside)
    restored.aside = "" if is_first else f"schema {aside}"
    return restored


def _last_of(migrations: list[str], graph: Any) -> list[tuple[str, str | None]]:
    """Those after which none of the others comes."""
    keys = {(label, name) for label, _, name in (one.partition(".") for one in migrations)}
    return sorted(
        key
        for key in keys & set(graph.nodes)
        if not any(child.key in keys for child in graph.node_map[key].children)
    )


def _fill(found: Archive) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for table, columns in found.manifest.columns.items():
            copying = sql.SQL("COPY {} ({}) FROM STDIN").format(
                sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
            )
            with cursor.copy(copying) as copy:
                for chunk in found.read(f"{backing_up.TABLES}/{table}"):
                    copy.write(chunk)
        _compare(
            found.manifest.counts, {name: arriving.count(name) for name in found.manifest.counts}
        )


# --- Both ----------------------------------------------------------------------------------------
def _compare(expected: dict[str, int], counted: dict[str, int]) -> None:
    if wrong := [name for name, number in expected.items() if counted.get(name) != number]:
        raise NotUsable(f"Damaged: {wrong[0]} has not the rows that the manifest names.")


def _finish(found: Archive, now: datetime) -> holding.Held:
    """Bring it up to date and hold what was under way; on the database that is to come."""
    call_command("migrate", interactive=False, verbosity=0)
    WorkerHeartbeat.objects.all().delete()
    made = found.manifest.made_at[:16].replace("T", " ")
    why = (
        f"Restored from a backup of {made} UTC: nobody is paged until somebody acts or more comes."
    )
    return holding.hold_all(why, now=now)


def _restore_key(found: Archive, stamp: str) -> list[str]:
    """What has to be said about SECRET_KEY; one that was made here comes back."""
    if found.manifest.key_hint == archive.key_hint():
        return []
    place = settings.DATA_DIR / "secret_key"
    in_use = place.read_text(encoding="utf-8").strip() if place.is_file() else ""
    if not found.has(backing_up.KEY) or in_use != settings.SECRET_KEY:
        return [
            "SECRET_KEY is not the one with which this backup was made: links in messages sent "
            "before and sign-ins end. Set that one, or name it in SECRET_KEY_FALLBACKS."
        ]
    place.replace(place.with_name(f"secret_key.before_restore_{stamp}"))
    found.extract(backing_up.KEY, place)
    return ["The key of the backup is in place of the one that was made here."]
