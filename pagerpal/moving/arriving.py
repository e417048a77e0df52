"""PostgreSQL: a schema beside the real one, in which tables are filled before anybody sees them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.apps import apps
from django.db import DatabaseError, connection, connections, transaction
from psycopg import sql

NAME = "pagerpal_arriving"
# Such work may take longer than a request ever may.
OPTIONS = f"-c search_path={NAME} -c statement_timeout=0 -c lock_timeout=30000"


@contextmanager
def instead(settings: dict[str, Any]) -> Iterator[Any]:
    """Let the default connection be one with these settings, and give back the one that it was."""
    ours = connections["default"]
    backend = connections.create_connection("default").__class__
    if settings["ENGINE"] != ours.settings_dict["ENGINE"]:
        from django.db.utils import load_backend

        backend = load_backend(settings["ENGINE"]).DatabaseWrapper
    connections["default"] = backend(settings, "default")
    try:
        yield ours
    finally:
        connections["default"].close()
        connections["default"] = ours


def settings_of(database: dict[str, Any]) -> dict[str, Any]:
    """The same database, seen from the arriving schema."""
    options = {**database.get("OPTIONS", {}), "options": OPTIONS}
    return {**database, "OPTIONS": options, "CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": False}


@contextmanager
def schema(settings: dict[str, Any]) -> Iterator[Any]:
    """An empty arriving schema on the default connection; nothing of it stays unless moved."""
    with instead(settings_of(settings)) as ours:
        run(f"DROP SCHEMA IF EXISTS {NAME} CASCADE")
        run(f"CREATE SCHEMA {NAME}")
        try:
            yield ours
        finally:
            with suppress(DatabaseError):
                run(f"DROP SCHEMA IF EXISTS {NAME} CASCADE")


def run(statement: str | sql.Composed) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def tables(cursor: Any, name: str) -> list[str]:
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", [name])
    return [table for (table,) in cursor.fetchall()]


def empty(*, but: str = "") -> None:
    """Remove what migrations have written."""
    with connection.cursor() as cursor:
        names = [sql.Identifier(table) for table in tables(cursor, NAME) if table != but]
        cursor.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(names)))


def reset_sequences() -> None:
    """Let new rows be numbered after those that came, in whatever tables there are."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = %s AND is_identity = 'YES'",
            [NAME],
        )
        for table, column in cursor.fetchall():
            setting = sql.SQL(
                "SELECT setval(pg_get_serial_sequence({}, {}), max({column})) FROM {table}"
            ).format(
                sql.Literal(f'"{table}"'),
                sql.Literal(column),
                column=sql.Identifier(column),
                table=sql.Identifier(table),
            )
            cursor.execute(setting)


def all_models() -> list[Any]:
    """Every model with a table of its own, also of what lies between two."""
    found = apps.get_models(include_auto_created=True)
    return [model for model in found if model._meta.managed and not model._meta.proxy]


def count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
        return int(cursor.fetchone()[0])


def move(*, to: str, aside: str) -> None:
    """Put the arrived tables into schema `to`, and those that are there into a new one, at once."""
    with transaction.atomic(), connection.cursor() as cursor:
        arrived, old = tables(cursor, NAME), tables(cursor, to)
        if old:
            cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(aside)))
        for names, source, target in ((old, to, aside), (arrived, NAME, to)):
            for table in names:
                moving = sql.SQL("ALTER TABLE {} SET SCHEMA {}")
                cursor.execute(moving.format(sql.Identifier(source, table), sql.Identifier(target)))
