"""Form fields for the conditions of silences and rules: labels, severities, days of the week."""

from __future__ import annotations

from typing import Any

from django import forms

from alertsources.matching import BadMatcher, as_lines, read_lines
from incidents.models import Severity
from schedules.models import WEEKDAYS

LABELS_HELP = (
    "One condition a line, all of which have to hold: job=backup, env!=prod, host=~web-.* "
    "(a regular expression), host!~test-.*"
)


class LabelsField(forms.CharField):
    """Conditions on labels, typed one a line."""

    widget = forms.Textarea(attrs={"rows": 3, "cols": 60, "spellcheck": "false"})

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        options.setdefault("help_text", LABELS_HELP)
        super().__init__(**options)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else as_lines(value)

    def to_python(self, value: Any) -> Any:
        try:
            return read_lines(value or "")
        except BadMatcher as error:
            raise forms.ValidationError(str(error)) from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        return as_lines(initial or []) != (data or "").replace("\r\n", "\n").strip()


class SeveritiesField(forms.MultipleChoiceField):
    widget = forms.CheckboxSelectMultiple

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        options.setdefault("help_text", "None chosen: any.")
        super().__init__(choices=Severity.choices, **options)


class DaysField(forms.MultipleChoiceField):
    """Days of the week, stored as digits."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, **options: Any) -> None:
        days = [(str(number), name) for number, name in enumerate(WEEKDAYS)]
        options.setdefault("required", False)
        super().__init__(choices=days, **options)

    def prepare_value(self, value: Any) -> Any:
        return list(value or "")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return sorted(initial or "") != sorted(data or "")

    def clean(self, value: Any) -> Any:
        return "".join(sorted(super().clean(value)))
