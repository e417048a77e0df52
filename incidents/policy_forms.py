"""The forms with which a policy and its steps are edited."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms

from incidents.models import EscalationPolicy, EscalationStep

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    StepModelForm = forms.ModelForm[EscalationStep]
    PolicyModelForm = forms.ModelForm[EscalationPolicy]
    StepInlineFormSet = forms.BaseInlineFormSet[EscalationStep, EscalationPolicy, Any]
else:
    StepModelForm = PolicyModelForm = forms.ModelForm
    StepInlineFormSet = forms.BaseInlineFormSet

HIGHEST_ORDER = 999


class MinutesField(forms.DurationField):
    """A length of time. A bare number means minutes, where Django's own takes it for seconds."""

    default_error_messages = {"invalid": "Give minutes, such as 5, or a time such as 01:30:00."}

    def to_python(self, value: Any) -> timedelta | None:
        text = value.strip() if isinstance(value, str) else ""
        if text.isascii() and text.isdecimal():
            value = f"{text[:6]}:00" if len(text) <= 5 else "invalid"
        return super().to_python(value)


class PolicyForm(PolicyModelForm):
    repeat_after = MinutesField(
        initial=timedelta(minutes=15),
        help_text="Least time from one pass to the next, in minutes or as HH:MM:SS. Low urgency: "
        "four times as long, and in team hours only.",
    )

    class Meta:
        model = EscalationPolicy
        fields = ("team", "name", "is_default", "repeats", "repeat_after")
        help_texts = {
            "team": "Its steps may name this team's rotations, people and rooms.",
            "name": "What sources and rules choose it by: default, nights, only push.",
        }


class StepForm(StepModelForm):
    position = forms.IntegerField(
        label="Order",
        required=False,
        min_value=0,
        max_value=HIGHEST_ORDER,
        help_text="The lowest number comes first; empty: it comes last.",
    )
    delay = MinutesField(
        label="Then wait",
        initial=timedelta(minutes=5),
        help_text="For an answer, before the next step: in minutes or as HH:MM:SS.",
    )

    class Meta:
        model = EscalationStep
        fields = (
            *("position", "rotations", "people", "whole_team", "channels"),
            *("delay", "only_urgency", "only_hours"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.initial.pop("position", None)  # the model's 0 would put it before all others


class StepFormSet(StepInlineFormSet):
    def clean(self) -> None:
        """Steps without a number follow those that have one, in the order of the form."""
        super().clean()
        kept = [form for form in self.forms if not self._goes(form) and form.is_valid()]
        numbers = [form.cleaned_data.get("position") for form in kept]
        last = max((number for number in numbers if number is not None), default=-1)
        for form, number in zip(kept, numbers, strict=True):
            if number is None:
                last += 1
                form.instance.position = last

    def _goes(self, form: Any) -> bool:
        is_blank = form.empty_permitted and not form.has_changed()
        return is_blank or bool(self.can_delete and self._should_delete_form(form))  # type: ignore[attr-defined]
