"""Configured senders, the alerts they report, and the raw requests as they came."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from alertsources.sources.base import source_choices
from incidents.models import EscalationPolicy, Incident, Severity
from schedules.models import Team


class AlertSource(models.Model):
    """A configured sender with its own URL and key."""

    class GroupBy(models.TextChoices):
        SENDER = "sender", "the sender's own groups"
        ALERT = "alert", "each alert by itself"
        LABELS = "labels", "the labels named below"

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="sources")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=24, choices=source_choices, default="generic")
    policy = models.ForeignKey(
        EscalationPolicy,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="sources",
        help_text="Empty: the team's default policy.",
    )
    # SHA-256 of the key, in hex; the key itself is shown once and never stored.
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    key_hint = models.CharField(max_length=4, editable=False)
    # After a change both keys work until this time.
    old_key_hash = models.CharField(  # noqa: DJ001  NULL is not bound by unique
        max_length=64, null=True, unique=True, editable=False
    )
    old_key_until = models.DateTimeField(null=True, editable=False)
    group_by = models.CharField(
        max_length=6,
        choices=GroupBy,
        default=GroupBy.SENDER,
        help_text="Alerts of one group that fire together make one incident.",
    )
    group_labels = models.JSONField(
        default=list, blank=True, help_text='For "labels": a list such as ["alertname", "cluster"].'
    )
    default_severity = models.CharField(
        max_length=8,
        choices=Severity,
        default=Severity.HIGH,
        help_text="For alerts whose severity is missing or unknown.",
    )
    is_active = models.BooleanField(
        default=True, help_text="Off: its posts are refused; its open incidents page on."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["team__name", "name"]
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="source_name_once_per_team"),
            models.CheckConstraint(
                condition=Q(group_by__in=["sender", "alert", "labels"]),
                name="source_group_by_known",
            ),
            models.CheckConstraint(
                condition=(Q(old_key_hash__isnull=True) & Q(old_key_until__isnull=True))
                | (Q(old_key_hash__isnull=False) & Q(old_key_until__isnull=False)),
                name="source_old_key_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.team})"

    @property
    def masked_api_key(self) -> str:
        return f"{'*' * 8}{self.key_hint}"


class AlertQuerySet(models.QuerySet["Alert"]):
    def firing(self) -> Self:
        return self.filter(status=Alert.Status.FIRING)


class Alert(models.Model):
    """One problem as its monitor names it (source + key), firing or resolved, counted."""

    class Status(models.TextChoices):
        FIRING = "firing", "firing"
        RESOLVED = "resolved", "resolved"

    source = models.ForeignKey(AlertSource, on_delete=models.PROTECT, related_name="alerts")
    key = models.CharField(max_length=255)  # as sent; a longer one is stored as its SHA-256
    # SHA-256 of source and key while firing, NULL after: at most one firing alert per key.
    live_key = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001
    # SHA-256 of source, team and group: which OpenGroup it belongs to.
    group_digest = models.CharField(max_length=64)
    # SHA-256 of source and the sender's own group, whatever the source groups by: its end can
    # stand for alerts that were never sent. Empty: the sender has no groups.
    sender_group = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.FIRING)
    title = models.CharField(max_length=200)
    severity = models.CharField(max_length=8, choices=Severity)
    labels = models.JSONField(default=dict)
    # The sender's own start time, if it gives one.
    started_at = models.DateTimeField(null=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    # A human resolved its incident while it still fired.
    answered_at = models.DateTimeField(null=True)
    count = models.PositiveIntegerField(default=1)
    incident = models.ForeignKey(
        Incident, null=True, on_delete=models.PROTECT, related_name="alerts"
    )

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-last_at", "-pk"]
        indexes = [
            models.Index(
                fields=["sender_group"], condition=Q(status="firing"), name="alert_firing_group"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=(Q(status="firing") & Q(live_key__isnull=False))
                | (Q(status="resolved") & Q(live_key__isnull=True)),
                name="alert_live_key_while_firing",
            ),
            models.CheckConstraint(
                condition=(Q(status="firing") & Q(resolved_at__isnull=True))
                | (Q(status="resolved") & Q(resolved_at__isnull=False)),
                name="alert_resolved_says_when",
            ),
            models.CheckConstraint(condition=Q(count__gte=1), name="alert_count_from_one"),
        ]

    def __str__(self) -> str:
        return self.title


class OpenGroup(models.Model):
    """(source, team, group) -> the open incident that collects it."""

    digest = models.CharField(max_length=64, unique=True)
    source = models.ForeignKey(AlertSource, on_delete=models.CASCADE, related_name="open_groups")
    group = models.TextField(blank=True)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="open_groups")

    def __str__(self) -> str:
        return self.group[:80]


class ReceivedPayload(models.Model):
    """The raw request as it came, with what became of it."""

    class Result(models.TextChoices):
        TAKEN = "taken", "taken"
        NOTHING = "nothing", "nothing to do"
        UNREADABLE = "unreadable", "unreadable"

    source = models.ForeignKey(AlertSource, on_delete=models.CASCADE, related_name="payloads")
    received_at = models.DateTimeField()
    content_type = models.CharField(max_length=100, blank=True)
    body = models.BinaryField()
    result = models.CharField(max_length=10, choices=Result)
    note = models.CharField(max_length=500, blank=True)
    incident = models.ForeignKey(
        Incident, null=True, on_delete=models.SET_NULL, related_name="payloads"
    )

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["source", "-received_at"])]

    def __str__(self) -> str:
        return f"{self.source} {self.received_at:%Y-%m-%d %H:%M:%S}"
