"""The form for an override."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import timezone

from schedules.models import Override
from schedules.moments import MomentField, MomentInput

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    OverrideModelForm = forms.ModelForm[Override]
else:
    OverrideModelForm = forms.ModelForm


class OverrideForm(OverrideModelForm):
    """Times in the zone of whoever fills it in."""

    # Why what was posted could not be done: it is shown again with this sentence.
    refusal = ""

    class Meta:
        model = Override
        fields = ["rotation", "user", "starts_at", "ends_at"]
        field_classes = {"starts_at": MomentField, "ends_at": MomentField}
        widgets = {"starts_at": MomentInput, "ends_at": MomentInput}
        help_texts = {
            "rotation": "In which it counts; it is there to stay: another one is another override.",
            "starts_at": "By the clocks of your own time zone.",
        }
        labels = {"user": "Who", "starts_at": "From", "ends_at": "Until"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "starts_at" in self.fields:  # else it is only to be looked at
            zone = timezone.get_current_timezone_name()
            self.fields["starts_at"].help_text = f"Your local time ({zone})."

    def clean(self) -> dict[str, Any]:
        if self.refusal:
            raise forms.ValidationError(self.refusal)
        return super().clean() or self.cleaned_data
