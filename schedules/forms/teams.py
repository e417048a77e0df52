"""The forms for a team and for who is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from schedules.forms.inputs import ZoneSelect, browser_input
from schedules.models import Membership, Team
from schedules.signals import team_closing

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    TeamModelForm = forms.ModelForm[Team]
    MembershipModelForm = forms.ModelForm[Membership]
else:
    TeamModelForm = MembershipModelForm = forms.ModelForm


class TeamForm(TeamModelForm):
    class Meta:
        model = Team
        fields = [
            "name", "time_zone", "hours_start", "hours_end", "hours_weekends", "fallback_people",
            "is_discreet", "is_active",
        ]  # fmt: skip
        widgets = {
            "time_zone": ZoneSelect,
            "hours_start": browser_input("time"),
            "hours_end": browser_input("time"),
        }
        labels = {"is_active": "On", "hours_weekends": "Also at weekends"}
        help_texts = {
            "name": "What pages, messages and the history call it.",
            "hours_end": "Until then, on the same day, by the clocks of the zone below.",
            "is_active": "Off: only when it has no open incidents and no active sources.",
        }

    def clean_is_active(self) -> bool:
        """A team is only switched off when nothing above it still needs it."""
        is_active: bool = self.cleaned_data["is_active"]
        if self.instance.pk and "is_active" in self.changed_data and not is_active:
            answers = team_closing.send(sender=Team, team=self.instance)
            objections = [reason for _, reason in answers if reason]
            if objections:
                raise forms.ValidationError(objections)
        return is_active


class MembershipForm(MembershipModelForm):
    """Another person is another membership: whoever leaves a team is handed on for."""

    class Meta:
        model = Membership
        fields = ["user", "role"]
        help_texts = {"user": "Whoever is on; to change it, remove this row and add another."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["user"].disabled = True
