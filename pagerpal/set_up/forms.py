"""What the guided set-up asks: little, with an answer filled in where there is a sensible one."""

from __future__ import annotations

from datetime import time
from typing import Any

from django import forms

from alertsources.models import AlertSource
from alertsources.sources.base import source_choices
from notifications.me_forms import ProfileForm
from schedules.forms import TeamForm, browser_input

MOST_MINUTES = 24 * 60
WHOLE_MINUTES = f"Give whole minutes, from 1 to {MOST_MINUTES}."
WEEKDAYS = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip


class TeamStepForm(TeamForm):
    """The team's name; all else as the admin's form has it for a new one."""

    class Meta(TeamForm.Meta):
        fields = ["name"]
        labels = {"name": "What is your team called?"}
        help_texts = {"name": "The people who answer together: Ops, Platform, Shop."}
        error_messages = {
            "name": {"unique": "There is a team of this name already: choose another one."}
        }


class MeForm(ProfileForm):
    """Who the admin is, as their own page has it."""

    class Meta(ProfileForm.Meta):
        fields = ["name", "time_zone"]
        labels = {"name": "Your name", "time_zone": "Your time zone"}
        help_texts = {
            "name": ProfileForm.Meta.help_texts["name"],
            "time_zone": "Of your clock, and of the team's.",
        }


class TurnsForm(forms.Form):
    """When a turn ends, and how long whoever has it may take."""

    weekday = forms.TypedChoiceField(
        label="Turns change every",
        coerce=int,
        initial=0,
        choices=list(enumerate(WEEKDAYS)),
    )
    handover_time = forms.TimeField(
        label="At", initial=time(9), widget=browser_input("time"), help_text="In the team's zone."
    )
    minutes = forms.IntegerField(
        label="Minutes until the whole team is paged, if nobody answers",
        initial=5,
        min_value=1,
        max_value=MOST_MINUTES,
        error_messages=dict.fromkeys(("min_value", "max_value", "invalid"), WHOLE_MINUTES),
    )


class SourceStepForm(forms.Form):
    """What sends the alerts."""

    kind = forms.ChoiceField(
        label="What sends your alerts?",
        initial="generic",
        choices=source_choices,
        help_text="Generic JSON is for scripts and curl. You can add others later.",
    )
    name = forms.CharField(
        label="Name of this source",
        required=False,
        max_length=AlertSource._meta.get_field("name").max_length,
        help_text="Incidents say it. Empty: as what sends them.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


def as_posted(form: forms.BaseForm, **given: Any) -> dict[str, Any]:
    """What a browser would send of a form that is left as it is, but for what is given."""
    sent = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    return {name: value for name, value in (sent | given).items() if value is not None}
