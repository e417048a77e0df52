"""A recorded change of a setting in words: "hand-over time from 09:00 to 10:00"."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.urls import NoReverseMatch, reverse

from schedules.models import SettingChange
from schedules.recorded import ADDED, CHANGED, NOT_SHOWN, REMOVED

Pair = list[Any]

SWITCHES = {"is_active", "is_on"}
SWITCHED = ("switched on", "switched off")
# Where the name of the column is not what people call it.
CALLED = {"is_active": "on", "handover_time": "hand-over time", "key_hash": "key"}


def heading(change: SettingChange) -> str:
    """What was done to what, as seen from the object it is read on: "changed", "added step 2"."""
    part = f" {kind_of(change.model)} {change.row_label}" if change.row_label else ""
    return f"{change.act}{part}"


def lines(change: SettingChange) -> list[str]:
    """One sentence for each field."""
    return [_line(change, name, pair) for name, pair in change.changes.items()]


def sentence(change: SettingChange) -> str:
    told = lines(change)
    if len(told) == 1 and not change.row_label:
        return told[0] if told[0] in SWITCHED else f"{heading(change)} {told[0]}"
    return ": ".join(filter(None, [heading(change), "; ".join(told)]))


def kind_of(label: str) -> str:
    """ "escalation policy"; of a model that is gone, its name."""
    try:
        return str(apps.get_model(label)._meta.verbose_name)
    except LookupError:
        return label


def address_of(change: SettingChange) -> str:
    """The admin's page of what was changed; empty where there is none."""
    try:
        return reverse(
            f"admin:{change.about_model.replace('.', '_')}_change", args=[change.about_id]
        )
    except NoReverseMatch:
        return ""


def _line(change: SettingChange, name: str, pair: Pair) -> str:
    label, (old, new) = _label(change.model, name), pair
    if NOT_SHOWN in pair:
        return f"{label} {_of_secret(old, new)} ({NOT_SHOWN})"
    if name in SWITCHES and change.act == CHANGED:
        return SWITCHED[0] if new else SWITCHED[1]
    if change.act == ADDED:
        return f"{label} {_shown(new)}"
    if change.act == REMOVED:
        return f"{label} was {_shown(old)}"
    if old == new:
        return f"{label} (what differs is {NOT_SHOWN})"
    return f"{label} from {_shown(old)} to {_shown(new)}"


def _of_secret(old: Any, new: Any) -> str:
    if old is None:
        return "set"
    return CHANGED if new is not None else REMOVED


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _label(label: str, name: str) -> str:
    column, _, key = name.partition(".")
    try:
        words = str(apps.get_model(label)._meta.get_field(column).verbose_name)
    except (LookupError, FieldDoesNotExist):
        words = column.replace("_", " ")
    words = CALLED.get(column, words)
    return f"{words}, {key.replace('_', ' ')}" if key else words
