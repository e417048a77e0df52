"""The form for an override."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils import timezone

from schedules.forms.inputs import browser_input
from schedules.models import Override

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    OverrideModelForm = forms.ModelForm[Override]
else:
    OverrideModelForm = forms.ModelForm


class OverrideForm(OverrideModelForm):
    class Meta:
        model = Override
        fields = ["rotation", "user", "starts_at", "ends_at"]
        # The admin's two fields for one moment come with notes on server time.
        field_classes = {"starts_at": forms.DateTimeField, "ends_at": forms.DateTimeField}
        widgets = {
            "starts_at": browser_input("datetime-local"),
            "ends_at": browser_input("datetime-local"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zone = timezone.get_current_timezone_name()
        self.fields["starts_at"].help_text = f"Your local time ({zone})."
