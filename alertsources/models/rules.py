"""What leaders say of alerts beforehand: silences, and the rules of a source."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from alertsources.models.source import AlertSource
from incidents.models import EscalationPolicy, Severity
from schedules.models import Team, validate_zone
from schedules.recorded import Recorded, Recording


def weekdays(**options: Any) -> models.CharField[str, str]:
    """Digits, 0 is Monday; empty where the days do not matter."""
    known = RegexValidator(r"^[0-6]*$", "Days are digits from 0, Monday, to 6.")
    return models.CharField(max_length=7, blank=True, validators=[known], **options)


class Silence(Recorded):
    """What matches it pages nobody, from, until, in the given hours of the week; with a reason.

    What is left empty matches everything; labels and title have to match all together.
    """

    team = models.ForeignKey(
        Team,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="silences",
        help_text="Empty: every team.",
    )
    source = models.ForeignKey(
        AlertSource,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="silences",
        help_text="Empty: every source.",
    )
    severities = models.JSONField(default=list, blank=True)
    # [{"label": "job", "is": "=", "value": "backup"}]; see matching.py
    labels = models.JSONField(default=list, blank=True)
    title = models.CharField(
        max_length=200, blank=True, help_text="Part of the alert's title, in any case."
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    # For windows that recur each week, by the clocks of the zone.
    days = weekdays()
    opens = models.TimeField(null=True, blank=True)
    closes = models.TimeField(null=True, blank=True)
    zone = models.CharField(max_length=64, default="UTC", validators=[validate_zone])
    reason = models.CharField(max_length=300)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    # Who created it in words, be it a person or a source.
    created_label = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    # Ended by hand, before its time.
    ended_at = models.DateTimeField(null=True)
    ended_label = models.CharField(max_length=120, blank=True)
    recording = Recording(
        team="team_id", without=frozenset({"created_by", "created_label", "created_at"})
    )

    class Meta:
        ordering = ["-starts_at", "-pk"]
        indexes = [
            models.Index(
                fields=["ends_at"], condition=Q(ended_at__isnull=True), name="silence_standing"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
                name="silence_ends_after_its_start",
            ),
            models.CheckConstraint(
                condition=Q(days="", opens__isnull=True, closes__isnull=True)
                | (~Q(days="") & Q(opens__isnull=False, closes__isnull=False)),
                name="silence_weekly_has_hours",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=False) | ~Q(days=""),
                name="silence_without_end_is_weekly",
            ),
        ]

    def __str__(self) -> str:
        return self.reason


class RoutingRule(Recorded):
    """What becomes of a source's alerts that match; the first rule that does decides."""

    class Then(models.TextChoices):
        PAGE = "page", "page"
        RECORD = "record", "record only"
        DROP = "drop", "drop"

    source = models.ForeignKey(AlertSource, on_delete=models.CASCADE, related_name="rules")
    position = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(default=True)
    # If: what is left empty matches everything.
    labels = models.JSONField(default=list, blank=True)  # as a silence's
    title = models.CharField(
        "title matches", max_length=200, blank=True, help_text="A regular expression, in any case."
    )
    severities = models.JSONField(default=list, blank=True)
    # By the clocks of the source's team.
    days = weekdays()
    opens = models.TimeField(null=True, blank=True)
    closes = models.TimeField(null=True, blank=True)
    # Then: what is left empty stays as the source has it.
    then = models.CharField(max_length=6, choices=Then, default=Then.PAGE)
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    policy = models.ForeignKey(
        EscalationPolicy, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    severity = models.CharField(max_length=8, choices=Severity, blank=True)
    wait_for = models.DurationField("page only if still firing after", null=True, blank=True)
    recording = Recording(part_of="source", team="source.team_id")

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(then__in=["page", "record", "drop"]), name="rule_then_known"
            ),
            models.CheckConstraint(
                condition=Q(opens__isnull=True, closes__isnull=True)
                | Q(opens__isnull=False, closes__isnull=False),
                name="rule_hours_have_both_ends",
            ),
            models.CheckConstraint(
                condition=Q(wait_for__isnull=True) | Q(wait_for__gte=timedelta(0)),
                name="rule_wait_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"rule {self.position + 1}"
