"""Times that people type, in the zone in which they are shown to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString

from schedules.models import EARLIEST, LATEST
from schedules.shifts import resolve_local

UNREADABLE = "Give a day and a time, such as 2026-11-30 09:00."
FAR_OFF = f"Give a day between {EARLIEST.year} and {LATEST.year}."


def read_moment(text: str) -> datetime | None:
    """An instant from text with an offset, or by the clock of the zone in force; None for junk.

    A time that the clocks skip is the first one after, of one that they show twice the first.
    """
    try:
        # In an address that nobody escaped, the plus of an offset has come as a space.
        found = parse_datetime(text.strip().replace(" ", "+" if "T" in text else " "))
    except ValueError:
        return None
    if found is None or not EARLIEST <= found.date() <= LATEST:
        return None
    if timezone.is_aware(found):
        return found.astimezone(UTC)
    return resolve_local(found.date(), found.time(), timezone.get_current_timezone_name())


def shown(at: datetime) -> str:
    """As a browser's field for a day and a time wants it."""
    return f"{timezone.localtime(at):%Y-%m-%dT%H:%M}"


class MomentInput(forms.DateTimeInput):
    """A field for a day and a time, and beside it, hidden, the very instant it began with.

    What was not touched comes back as it was, even where the clocks show a time twice.
    """

    input_type = "datetime-local"

    def format_value(self, value: Any) -> str | None:
        return shown(value) if isinstance(value, datetime) else value

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        field = super().render(name, value, attrs, renderer)
        if not isinstance(value, datetime):
            return field
        exact = value.astimezone(UTC).isoformat()
        return format_html('{}<input type="hidden" name="{}_exact" value="{}">', field, name, exact)

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        typed = data.get(name, "")
        exact = read_moment(data.get(f"{name}_exact", ""))
        return exact if exact and shown(exact) == typed else typed


class MomentField(forms.Field):
    widget = MomentInput

    def to_python(self, value: Any) -> datetime | None:
        if isinstance(value, datetime) or value in self.empty_values:
            return value or None
        found = read_moment(value)
        if found is None:
            raise forms.ValidationError(FAR_OFF if _is_a_moment(value) else UNREADABLE)
        return found


def _is_a_moment(text: str) -> bool:
    try:
        return parse_datetime(text) is not None
    except ValueError:
        return False
