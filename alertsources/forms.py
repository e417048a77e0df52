"""The forms of alert sources, in the admin and on their own page: what no database can check."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms

from alertsources.kind_forms import KindForm
from alertsources.models import AlertSource
from alertsources.switching import TEAM_IS_OFF

FLAPPING = ("flapping_times", "flapping_within", "flapping_quiet_for")
# Longer than any monitor repeats, and within what every database can store.
LONGEST_WAIT = timedelta(days=90)


def bounded(value: timedelta | None, *, least: timedelta = timedelta(0)) -> timedelta | None:
    """The length of time, or a sentence that says how long it may be."""
    if value is not None and value < least:
        raise forms.ValidationError(f"{least} is the least.")
    if value is not None and value > LONGEST_WAIT:
        raise forms.ValidationError(f"{LONGEST_WAIT.days} days is the most.")
    return value


class AlertSourceForm(KindForm):
    class Meta:
        model = AlertSource
        fields = [
            *("team", "name", "kind", "policy", "default_severity"),
            *("group_by", "group_labels", "is_active"),
            *("wait_for", "auto_resolve_after", "limit_per_minute", "test_person", "keep_days"),
            *("warn_if_silent_for", *FLAPPING, "signing_secret"),
        ]
        help_texts = {
            "team": "Whose policies are run, and who may look at what comes.",
            "name": "What incidents, messages and the history call it: Prometheus prod.",
            "kind": "How its messages are read. Any JSON takes what no other kind knows.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in FLAPPING:
            if name in self.fields:
                self.fields[name].required = False

    def clean_group_labels(self) -> list[str]:
        labels = self.cleaned_data["group_labels"] or []
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise forms.ValidationError('Expected a list of label names such as ["alertname"].')
        return labels

    def clean_wait_for(self) -> timedelta | None:
        return bounded(self.cleaned_data["wait_for"])

    def clean_auto_resolve_after(self) -> timedelta | None:
        return bounded(self.cleaned_data["auto_resolve_after"], least=timedelta(minutes=1))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        policy, team = cleaned.get("policy"), cleaned.get("team")
        if policy and team and policy.team_id != team.pk:
            self.add_error("policy", f"This policy pages {policy.team}, not {team}.")
        if cleaned.get("group_by") == "labels" and not cleaned.get("group_labels"):
            self.add_error("group_labels", "Name at least one label to group by.")
        for name in FLAPPING:  # emptied: as for a new source; not on the page at all: as it is
            if name in self.data and name not in self.errors and cleaned.get(name) is None:
                cleaned[name] = getattr(AlertSource(), name)
        if cleaned.get("is_active") and team and not team.is_active:
            self.add_error("is_active", TEAM_IS_OFF.format(team))
        return cleaned
