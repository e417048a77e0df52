"""Models whose every change is written down: who changed what, from what, to what.

Whatever the way (a form, the API, a command, many rows at once, a deletion that takes others
along), the line is in the transaction of the change itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.apps import apps
from django.db import models, transaction
from django.db.models.signals import m2m_changed, pre_delete

from schedules.inserts import insert

LONGEST_VALUE = 500
NOT_SHOWN = "not shown"
ADDED, CHANGED, REMOVED = "added", "changed", "removed"

M = TypeVar("M", bound=models.Model)
Values = dict[str, Any]


@dataclass(frozen=True)
class Recording:
    """What of a model is written down, and on whose page it is read."""

    # The field by which a row is part of something larger, a step of its policy.
    part_of: str = ""
    # The way to the team whose leads may read it; empty: admins alone.
    team: str = ""
    # That they changed is told, not what they are.
    secret: frozenset[str] = frozenset()
    # No settings: what PagerPal itself keeps in the row.
    without: frozenset[str] = frozenset()
    # Settings, although no form shows them.
    beside: frozenset[str] = frozenset()
    # How a value is told that is a password to whoever has it.
    told: Mapping[str, Callable[[str], str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Actor:
    person: Any = None
    via: str = ""


_actor: ContextVar[Callable[[], Actor]] = ContextVar("actor", default=Actor)


@contextlib.contextmanager
def acting(who: Callable[[], Actor]) -> Iterator[None]:
    """Inside, changes are this actor's, who is asked for only when something changes."""
    token = _actor.set(who)
    try:
        yield
    finally:
        _actor.reset(token)


class RecordedQuerySet(models.QuerySet[M]):
    """Records what Django writes in silence: UPDATEs of many rows, and rows made in bulk."""

    def update(self, **values: Any) -> int:
        names = [name for name in recorded_fields(self.model) if _is_among(name, self, values)]
        if not names:
            return super().update(**values)
        with transaction.atomic(using=self.db, savepoint=False):
            before = _stored(_locked(self), names)
            count = super().update(**values)
            if count and before:
                rows = self.model._base_manager.using(self.db).filter(pk__in=before)
                for row in rows.iterator(chunk_size=500):
                    _write_change(row, before[row.pk], _values_of(row, names))
        return count

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        with transaction.atomic(using=self.db, savepoint=False):
            made = super().bulk_create(objs, *args, **kwargs)
            for row in made:
                if row.pk is not None:
                    _write_change(row, None, _values_of(row, recorded_fields(type(row))))
        return made


class Recorded(models.Model):
    """Its rows are settings: each write leaves a line in `SettingChange`."""

    recording: ClassVar[Recording] = Recording()

    # Each model's own type of manager is what the stubs make of it without a word here.
    if not TYPE_CHECKING:
        objects = RecordedQuerySet.as_manager()

    class Meta:
        abstract = True
        # So that a deletion that empties fields of other rows is told too.
        base_manager_name = "objects"

    def save_base(self, *args: Any, **kwargs: Any) -> None:
        names = recorded_fields(type(self))
        only = kwargs.get("update_fields")
        if only is not None:
            names = [name for name in names if name in only or _attname(self, name) in only]
        if not names:
            super().save_base(*args, **kwargs)
            return
        with transaction.atomic(using=kwargs.get("using"), savepoint=False):
            rows = type(self)._base_manager.using(kwargs.get("using")).filter(pk=self.pk)
            before = None if self._state.adding else _stored(_locked(rows), names).get(self.pk)
            super().save_base(*args, **kwargs)
            saved = self
            if any(hasattr(getattr(self, _attname(self, name)), "as_sql") for name in names):
                saved = rows.get(pk=self.pk)  # an expression, which the database worked out
            _write_change(self, before, _values_of(saved, names))


def watch() -> None:
    """Also record what is deleted, and who or what is added to a list of others."""
    for model in recorded_models():
        pre_delete.connect(_deleted, sender=model, dispatch_uid=f"recorded {model._meta.label}")
        for many in _many(model):
            uid = f"recorded {model._meta.label}.{many.name}"
            m2m_changed.connect(_list_changed, sender=many.remote_field.through, dispatch_uid=uid)


def recorded_models() -> list[type[Recorded]]:
    return [model for model in apps.get_models() if issubclass(model, Recorded)]


@cache
def recorded_fields(model: type[models.Model]) -> list[str]:
    """The columns of a model that are settings."""
    rule: Recording = model.recording  # type: ignore[attr-defined]
    return [
        one.name
        for one in model._meta.concrete_fields
        if not one.primary_key
        and (one.editable or one.name in rule.beside)
        and one.name not in {*rule.without, rule.part_of}
    ]


def _many(model: type[models.Model]) -> list[Any]:
    """Its lists that have no model of their own between them."""
    found: list[Any] = list(model._meta.local_many_to_many)
    return [one for one in found if one.remote_field.through._meta.auto_created]


def _is_among(name: str, rows: models.QuerySet[Any], values: Values) -> bool:
    return name in values or rows.model._meta.get_field(name).attname in values


def _attname(row: models.Model, name: str) -> str:
    return row._meta.get_field(name).attname  # type: ignore[union-attr]


def _locked(rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
    """So that what is written as "before" is what the change really found."""
    plain = rows.order_by()
    if plain.query.distinct or plain.query.combinator or plain.query.is_sliced:
        return plain
    return plain.select_for_update(of=("self",), no_key=True)


def _stored(rows: models.QuerySet[Any], names: list[str]) -> dict[Any, Values]:
    # No `values()`: a lock on the rows of one table only needs the model's own columns.
    return {row.pk: _values_of(row, names) for row in rows}


def _values_of(row: models.Model, names: Iterable[str]) -> Values:
    """As the database holds them: what was assigned as a text may be a time."""
    fields = [row._meta.get_field(name) for name in names]
    return {one.name: one.to_python(getattr(row, one.attname)) for one in fields}  # type: ignore[union-attr]


def _write_change(row: models.Model, before: Values | None, after: Values) -> None:
    pairs: dict[str, tuple[Any, Any]] = {}
    for name, new in after.items():
        old = before[name] if before is not None else None
        if isinstance(old, dict) and isinstance(new, dict):
            keys = sorted({*old, *new})
            pairs |= {f"{name}.{key}": (old.get(key), new.get(key)) for key in keys}
        else:
            pairs[name] = (old, new)
    # Of a new row, what is left empty says nothing.
    empty: tuple[Any, ...] = (None, "", [], {}) if before is None else ()
    changes = {
        name: _told(row, name, old, new)
        for name, (old, new) in pairs.items()
        if old != new and new not in empty
    }
    if changes or before is None:
        _write(row, ADDED if before is None else CHANGED, changes)


def _told(row: models.Model, name: str, old: Any, new: Any) -> list[Any]:
    return [_in_words(row, name, old), _in_words(row, name, new)]


def _in_words(row: models.Model, name: str, value: Any) -> Any:
    """A text that can still be read when what it names is gone; booleans and nothing as such."""
    rule: Recording = row.recording  # type: ignore[attr-defined]
    if value is None or value == "" or value == []:
        return None
    if name in rule.secret:
        return NOT_SHOWN
    if isinstance(value, bool):
        return value
    if name in rule.told:
        return rule.told[name](value)
    column = row._meta.get_field(name.partition(".")[0])
    if isinstance(column, models.ForeignKey):
        return _named(row, column, value)
    if isinstance(value, (datetime, time)):
        return f"{value:%H:%M}" if isinstance(value, time) else f"{value:%Y-%m-%d %H:%M} UTC"
    if choices := getattr(column, "flatchoices", None):
        return str(dict(choices).get(value, value))
    return str(value)[:LONGEST_VALUE]


def _named(row: models.Model, column: models.ForeignKey[Any, Any], key: Any) -> str:
    if column.is_cached(row) and getattr(row, column.attname) == key:
        return str(getattr(row, column.name))[:LONGEST_VALUE]
    target = column.remote_field.model._base_manager.filter(pk=key).first()
    return str(target)[:LONGEST_VALUE] if target else f"number {key}"


def _deleted(sender: type[models.Model], instance: models.Model, **_: Any) -> None:
    values = _values_of(instance, recorded_fields(sender))
    changes = {
        name: [_in_words(instance, name, value), None]
        for name, value in values.items()
        if value not in (None, "", [], {}) and value is not False
    }
    _write(instance, REMOVED, changes)


def _list_changed(
    sender: type[models.Model],
    instance: models.Model,
    action: str,
    reverse: bool,
    model: type[models.Model],
    pk_set: set[Any] | None,
    **_: Any,
) -> None:
    """Told before it happens where rows go, after it where they come: then both lists are known."""
    if action not in {"pre_clear", "post_add", "post_remove"} or not (pk_set or pk_set is None):
        return
    owner = model if reverse else type(instance)
    (many,) = (one for one in _many(owner) if one.remote_field.through is sender)
    if not reverse:
        _write_list(instance, many, action, pk_set)
        return
    key = {many.m2m_reverse_field_name(): instance.pk}
    found = sender._base_manager.filter(**key).values_list(many.m2m_field_name(), flat=True)
    keys = list(found) if pk_set is None else pk_set
    for row in owner._base_manager.filter(pk__in=keys):
        _write_list(row, many, action, {instance.pk})


def _write_list(row: models.Model, many: Any, action: str, keys: set[Any] | None) -> None:
    now = {one.pk: str(one) for one in getattr(row, many.name).all()}
    asked = many.remote_field.model._base_manager.filter(pk__in=keys or ())
    touched = {one.pk: str(one) for one in asked}
    if action == "post_add":
        before, after = _without(now, touched), now
    elif action == "post_remove":
        before, after = {**now, **touched}, now
    else:
        before, after = now, {} if keys is None else _without(now, touched)
    if before != after:
        pair = [", ".join(sorted(names.values())) or None for names in (before, after)]
        _write(row, CHANGED, {many.name: pair})


def _without(names: dict[Any, str], others: dict[Any, str]) -> dict[Any, str]:
    return {key: name for key, name in names.items() if key not in others}


def _write(row: models.Model, act: str, changes: dict[str, list[Any]]) -> None:
    rule: Recording = row.recording  # type: ignore[attr-defined]
    actor = _actor.get()()
    about: models.Model = getattr(row, rule.part_of) if rule.part_of else row
    line = apps.get_model("schedules", "SettingChange")(
        actor=actor.person,
        actor_label=str(actor.person or "PagerPal")[:120],
        via=actor.via,
        team_id=_team_of(row, rule.team),
        about_model=about._meta.label_lower,
        about_id=about.pk,
        about_label=str(about)[:200],
        model=row._meta.label_lower,
        row_id=row.pk,
        row_label=str(row)[:200] if rule.part_of else "",
        act=act,
        changes=changes,
    )
    insert(line)


def _team_of(row: models.Model, way: str) -> Any:
    if not way:
        return None
    try:
        return attrgetter(way)(row)
    except AttributeError:  # no team named on the way
        return None
