"""Makes a backup while everything runs: one moment of the database, verified, in one file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from psycopg import sql

from pagerpal.moving import archive
from pagerpal.moving.archive import Manifest, NotUsable, Writer

SQLITE, KEY, TABLES = "pagerpal.sqlite3", "secret_key", "tables"
# What is only good while it runs, and is made anew by whatever runs.
NOT_KEPT = ("django_q_ormq", "pagerpal_workerheartbeat")


def make(path: Path, *, now: datetime) -> Manifest:
    """Write the backup; NotUsable when the database itself is damaged."""
    with archive.written(path, now, connection.vendor) as writer:
        if connection.vendor == "sqlite":
            _add_sqlite(writer, path.with_name(f".{path.name}.database"))
        else:
            _add_tables(writer)
        kept = settings.DATA_DIR / "secret_key"
        # A key that the environment gives is kept where that is kept.
        if kept.is_file() and kept.read_text(encoding="utf-8").strip() == settings.SECRET_KEY:
            writer.add(KEY, kept)
    return writer.manifest


def _add_sqlite(writer: Writer, copy: Path) -> None:
    """By SQLite's own backup, in one step: writers go on and none of it is half of a change."""
    try:
        copy.touch(mode=0o600)
        source = str(connection.settings_dict["NAME"])
        with (
            closing(sqlite3.connect(source, timeout=10)) as running,
            closing(sqlite3.connect(copy)) as stopped,
        ):
            running.backup(stopped)
            stopped.execute("PRAGMA journal_mode=DELETE")
            check(stopped)
            for table in NOT_KEPT:
                stopped.execute(f"DELETE FROM {table}")  # noqa: S608
            stopped.commit()
            writer.manifest.counts = counts(stopped)
            applied = stopped.execute("SELECT app, name FROM django_migrations")
            writer.manifest.migrations = sorted(f"{app}.{name}" for app, name in applied)
        writer.add(SQLITE, copy)
    finally:
        copy.unlink(missing_ok=True)


def check(database: sqlite3.Connection) -> None:
    """NotUsable when SQLite finds anything wrong with the file."""
    found = [text for (text,) in database.execute("PRAGMA integrity_check(5)")]
    if found != ["ok"]:
        raise NotUsable(f"The database is damaged: {'; '.join(found)}")
    if database.execute("PRAGMA foreign_key_check").fetchone():
        raise NotUsable("The database is damaged: rows name others that are not there.")


def counts(database: sqlite3.Connection) -> dict[str, int]:
    tables = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    return {
        name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608
        for (name,) in sorted(tables)
    }


def _add_tables(writer: Writer) -> None:
    """By COPY in one snapshot, which no version of pg_dump or of the server has to fit."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        applied = MigrationRecorder(connection).applied_migrations()
        writer.manifest.migrations = sorted(f"{app}.{name}" for app, name in applied)
        for table in sorted(connection.introspection.table_names(cursor)):
            if table in NOT_KEPT:
                continue
            described = connection.introspection.get_table_description(cursor, table)
            columns = writer.manifest.columns[table] = [column.name for column in described]
            with writer.part(f"{TABLES}/{table}") as part:
                copying = sql.SQL("COPY {} ({}) TO STDOUT").format(
                    sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
                )
                with cursor.copy(copying) as copy:
                    for chunk in copy:
                        part.write(chunk)
                writer.manifest.counts[table] = cursor.rowcount
