"""Inserts new rows without asking the ORM to build the same statement each time.

For the paths that every alert and every page takes: there, building an INSERT costs Django three
to five times what running it does, and on SQLite every other writer waits meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models

# Far below what either database takes as parameters in one statement.
MOST_PARAMETERS = 900
# Their values go to either driver as they are; the others (times, JSON, bytes) are asked.
AS_IT_IS = (
    models.CharField,
    models.TextField,
    models.IntegerField,
    models.BooleanField,
    models.ForeignKey,
)


def insert(*rows: models.Model) -> None:
    """Write new rows of one model, in this order, and set their primary keys.

    As `bulk_create` does: no signals, no `save()`, database constraints only. Raises what the
    database raises, as Django's IntegrityError and its kin; then nothing of this call is kept
    that the caller's transaction or savepoint does not keep.
    """
    if not rows:
        return
    head, width = _statement(type(rows[0]))
    step = max(1, MOST_PARAMETERS // width)
    for start in range(0, len(rows), step):
        _insert(head, width, rows[start : start + step])


def _insert(head: str, width: int, rows: Sequence[models.Model]) -> None:
    database = connections[DEFAULT_DB_ALIAS]  # not `connection`: each look through it costs
    group = f"({', '.join(['%s'] * width)})"
    columns = _columns(type(rows[0]))
    values = [
        _plain(vars(row)[name]) if prepare is None else prepare(vars(row)[name], database)
        for row in rows
        for name, prepare in columns
    ]
    sql = f"{head} {', '.join([group] * len(rows))} RETURNING id"
    with database.cursor() as cursor:
        cursor.execute(sql, values)
        keys = [key for (key,) in cursor.fetchall()]
    for row, key in zip(rows, keys, strict=True):
        row.pk = key
        row._state.adding = False
        row._state.db = database.alias


def _plain(value: Any) -> Any:
    """Choices are texts to Python and not to every driver."""
    return value.value if isinstance(value, Enum) else value


@cache
def _fields(model: type[models.Model]) -> list[Any]:
    """All columns but the primary key, which the database makes."""
    return [field for field in model._meta.concrete_fields if not field.primary_key]


@cache
def _columns(model: type[models.Model]) -> list[tuple[str, Callable[[Any, Any], Any] | None]]:
    """Where each column's value is, and what makes it fit for the driver if it is not already."""
    return [
        (field.attname, None if isinstance(field, AS_IT_IS) else field.get_db_prep_save)
        for field in _fields(model)
    ]


@cache
def _statement(model: type[models.Model]) -> tuple[str, int]:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    columns = ", ".join(quote(field.column) for field in _fields(model))
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES", len(_fields(model))
