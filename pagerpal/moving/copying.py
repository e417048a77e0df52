"""From SQLite to PostgreSQL: every row, counted on both sides, before anybody sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.core.management import call_command
from django.db import connection, connections, transaction
from psycopg import sql

from pagerpal.moving import arriving
from pagerpal.moving.archive import NotUsable

SOURCE = "source"
AT_ONCE = 2000
# Only good while it runs, and made anew by whatever runs.
NOT_COPIED = ("django_q_ormq", "pagerpal_workerheartbeat")


def copy(target: dict[str, Any], say: Callable[[str], None]) -> int:
    """Copy all rows of the default database, which is SQLite; says how many.

    NotUsable when the target is not an empty database, or a row does not fit; then nothing of it
    stays there.
    """
    with arriving.schema(target) as source, connection.cursor() as cursor:
        place = _empty_place(cursor)
        connections[SOURCE] = source
        try:
            say("Making the tables")
            call_command("migrate", interactive=False, verbosity=0)
            arriving.empty(but="django_migrations")
            with transaction.atomic(using=SOURCE), transaction.atomic():
                rows = sum(_copy_table(model, say) for model in _models())
            arriving.reset_sequences()
            arriving.move(to=place, aside="")
        finally:
            del connections[SOURCE]
    return rows


def _empty_place(cursor: Any) -> str:
    cursor.execute(
        "SELECT n.nspname, has_schema_privilege(n.oid, 'CREATE') FROM pg_namespace n "
        "WHERE n.nspname = 'public'"
    )
    row = cursor.fetchone()
    if row is None or not row[1]:
        raise NotUsable("The schema public of that database cannot be written to.")
    if found := arriving.tables(cursor, row[0]):
        raise NotUsable(
            f"That database is not empty: it has {len(found)} tables, such as {found[0]}."
        )
    return str(row[0])


def _models() -> list[Any]:
    models = [m for m in arriving.all_models() if m._meta.db_table not in NOT_COPIED]
    return sorted(models, key=lambda model: model._meta.db_table)


def _copy_table(model: Any, say: Callable[[str], None]) -> int:
    table = model._meta.db_table
    fields = model._meta.concrete_fields
    copying = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(sql.Identifier(f.column) for f in fields)
    )
    expected: int = model._base_manager.using(SOURCE).count()
    try:
        with connection.cursor() as cursor, cursor.copy(copying) as rows:
            for row in _rows(model, fields):
                rows.write_row(row)
    except Exception as error:
        raise NotUsable(f"{table} could not be copied: {str(error).strip()}") from error
    if (arrived := arriving.count(table)) != expected:
        raise NotUsable(f"{table}: {arrived} of {expected} rows arrived.")
    say(f"{table:<45} {expected:>10}")
    return expected


def _rows(model: Any, fields: Any) -> Iterator[list[Any]]:
    names = [field.attname for field in fields]
    stored = model._base_manager.using(SOURCE).order_by("pk").values_list(*names)
    for row in stored.iterator(chunk_size=AT_ONCE):
        yield [
            _fitting(field.get_db_prep_save(value, connection))
            for field, value in zip(fields, row, strict=True)
        ]


def _fitting(value: Any) -> Any:
    """PostgreSQL has no text with NUL in it."""
    if isinstance(value, str) and "\x00" in value:
        return value.replace("\x00", "\ufffd")
    return value
