"""Inputs that the forms share."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms.widgets import DateTimeBaseInput

from schedules import zones


class ZoneSelect(forms.Select):
    """Every zone by name; a browser finds one by its first letters. `empty` stands for none."""

    def __init__(self, attrs: dict[str, Any] | None = None, *, empty: str = "") -> None:
        first = [("", empty)] if empty else []
        super().__init__(attrs, choices=[*first, *zones.choices()])


def browser_input(kind: str) -> DateTimeBaseInput:
    """The browser's own field: the admin's notes on server time, which a rotation does not use."""
    widgets: dict[str, tuple[type[DateTimeBaseInput], str]] = {
        "date": (forms.DateInput, "%Y-%m-%d"),
        "time": (forms.TimeInput, "%H:%M"),
        "datetime-local": (forms.DateTimeInput, "%Y-%m-%dT%H:%M"),
    }
    widget, written = widgets[kind]
    return widget(attrs={"type": kind}, format=written)
