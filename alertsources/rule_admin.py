"""Routing rules on the admin page of their source, and what they make of the last messages."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from alertsources import matching, routing
from alertsources.condition_forms import DaysField, LabelsField, SeveritiesField
from alertsources.forms import bounded
from alertsources.models import AlertSource, RoutingRule
from schedules.forms.inputs import browser_input

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    RuleModelForm = forms.ModelForm[RoutingRule]
    RuleInlineBase = admin.StackedInline[RoutingRule, AlertSource]
else:
    RuleModelForm, RuleInlineBase = forms.ModelForm, admin.StackedInline

logger = logging.getLogger(__name__)

SHOWN_PAYLOADS, SHOWN_ALERTS = 5, 5


class RuleForm(RuleModelForm):
    labels = LabelsField()
    severities = SeveritiesField()
    days = DaysField(help_text="None chosen: every day.")

    class Meta:
        model = RoutingRule
        fields = [
            *("position", "is_active", "labels", "title", "severities", "days", "opens", "closes"),
            *("then", "team", "policy", "severity", "wait_for"),
        ]
        widgets = {"opens": browser_input("time"), "closes": browser_input("time")}
        help_texts = {
            "is_active": "Off: the rule is passed over.",
            "then": "Page: an incident, as ever. Record only: an alert that pages nobody. Drop: "
            "nothing but the raw message is kept.",
            "position": "Rules are asked in this order; the first that matches decides.",
            "opens": "By the clocks of the source's team.",
            "closes": "Not after the opening: it closes on the next day.",
            "team": "Empty: the source's.",
            "policy": "Empty: the team's default.",
            "severity": "Empty: as its sender says.",
            "wait_for": "As HH:MM:SS. Empty: as the source says.",
        }

    def clean_title(self) -> str:
        pattern: str = self.cleaned_data["title"]
        if pattern:
            try:
                matching.expression(pattern)
            except matching.BadMatcher as error:
                raise forms.ValidationError(str(error)) from None
        return pattern

    def clean_wait_for(self) -> timedelta | None:
        return bounded(self.cleaned_data["wait_for"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if (cleaned.get("opens") is None) != (cleaned.get("closes") is None):
            self.add_error("closes", "Give both an opening and a closing, or neither.")
        team, policy = cleaned.get("team"), cleaned.get("policy")
        source = self.instance.source if self.instance.source_id else None
        pages = team or (source.team if source else None)
        if policy and pages and policy.team_id != pages.pk:
            self.add_error("policy", f"This policy pages {policy.team}, not {pages}.")
        return cleaned


class RuleInline(RuleInlineBase):
    model = RoutingRule
    form = RuleForm
    extra = 0
    verbose_name = "routing rule"
    autocomplete_fields = ["team", "policy"]
    fieldsets = [
        (None, {"fields": [("position", "is_active")]}),
        ("If", {"fields": ["labels", "title", "severities", "days", ("opens", "closes")]}),
        ("Then", {"fields": ["then", "team", "policy", "severity", "wait_for"]}),
    ]


def what_rules_say(source: AlertSource) -> SafeString | str:
    """For the source's last messages: which rule each of their alerts would hit now."""
    try:
        rows = list(_rows(source))
    except Exception:  # a page to look at must not fail by a message nobody foresaw
        logger.exception("Rules of source %s cannot be tried", source.pk)
        return "The last messages could not be read."
    return (
        format_html_join("", "<p>{}: <strong><bdi>{}</bdi></strong> ({})<br>{}</p>", rows)
        or "Nothing has come yet to try the rules with."
    )


def _rows(source: AlertSource) -> Iterator[tuple[str, str, str, str]]:
    for payload in source.payloads.select_related("source__team")[:SHOWN_PAYLOADS]:
        at = f"{timezone.localtime(payload.received_at):%d %b %H:%M:%S}"
        for one in routing.explain(payload, now=timezone.now())[:SHOWN_ALERTS]:
            yield at, one.title, one.severity, one.text
