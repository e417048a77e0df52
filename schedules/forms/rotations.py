"""The forms for a rotation and for the order of its members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import timezone

from schedules import oncall
from schedules.forms.inputs import ZoneSelect, browser_input
from schedules.models import Rotation, RotationMember

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    RotationModelForm = forms.ModelForm[Rotation]
    PlaceModelForm = forms.ModelForm[RotationMember]
    PlaceModelFormSet = forms.BaseInlineFormSet[RotationMember, Rotation, PlaceModelForm]
else:
    RotationModelForm = PlaceModelForm = forms.ModelForm
    PlaceModelFormSet = forms.BaseInlineFormSet


class RotationForm(RotationModelForm):
    class Meta:
        model = Rotation
        fields = [
            "team", "name", "position", "every", "unit", "starts_on", "handover_time", "time_zone",
            "is_active",
        ]  # fmt: skip
        widgets = {
            "time_zone": ZoneSelect,
            "starts_on": browser_input("date"),
            "handover_time": browser_input("time"),
        }
        labels = {"is_active": "On"}
        help_texts = {"is_active": "Off: nobody is on call in it; steps that name it find nobody."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Read before anything is saved, so that the save can say whether it changed.
        self.on_call_before = (
            oncall.who_is_on_call(self.instance, timezone.now())
            if self.is_bound and self.instance.pk
            else None
        )


class PlaceForm(PlaceModelForm):
    position = forms.IntegerField(
        required=False, min_value=0, max_value=32767, help_text="Lowest first; empty: last."
    )

    class Meta:
        model = RotationMember
        fields = ["position", "user"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            # The model's default would put whoever is added in front of nearly everybody.
            self.initial.pop("position", None)


class PlaceFormSet(PlaceModelFormSet):
    def clean(self) -> None:
        """Put those without a position last, in the order in which they were entered."""
        super().clean()
        filled = [form for form in self.forms if form.cleaned_data.get("user")]
        last = max((form.cleaned_data.get("position") or 0 for form in filled), default=-1)
        for form in filled:
            if form.cleaned_data.get("position") is None:
                last += 1
                form.instance.position = last
