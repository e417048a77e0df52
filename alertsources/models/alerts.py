"""What monitors report, and which incident collects it."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q

from alertsources.models.rules import Silence
from alertsources.models.source import AlertSource
from incidents.models import Incident, Severity


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
    # The incident in which it was before that was merged into another.
    merged_from = models.ForeignKey(
        Incident, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # When it is judged anew without a post: end of a silence, of waiting, of a test, of repeats.
    look_at = models.DateTimeField(null=True)
    muted_by = models.ForeignKey(
        Silence, null=True, on_delete=models.SET_NULL, related_name="alerts", db_index=False
    )
    # Why it fires in no incident, in words: muted, record only, waiting ...
    muted_reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    # What its incident will need should one open later: detail, links, the name of its group.
    kept = models.JSONField(null=True)
    # For what its sender never ends: it is over when it was not repeated for so long.
    resolve_after = models.DurationField(null=True)
    # When the sender's newest state change of it happened, if it says so.
    occurred_at = models.DateTimeField(null=True)
    # Made by the sender's own test button.
    is_test = models.BooleanField(default=False, db_default=False)

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-last_at", "-pk"]
        indexes = [
            # The unique one holds each ended alert as a NULL, which makes SQLite's statistics say
            # that any key is had by half of the table; then it reads the whole table instead.
            models.Index(
                fields=["live_key"], condition=Q(live_key__isnull=False), name="alert_live"
            ),
            models.Index(
                fields=["sender_group"], condition=Q(status="firing"), name="alert_firing_group"
            ),
            models.Index(
                fields=["incident"],
                condition=Q(status="firing", answered_at__isnull=True),
                name="alert_unanswered",
            ),
            models.Index(
                fields=["look_at"], condition=Q(look_at__isnull=False), name="alert_look_at"
            ),
            models.Index(
                fields=["muted_by"], condition=Q(muted_by__isnull=False), name="alert_muted_by"
            ),
            # How often a group opened of late.
            models.Index(
                fields=["group_digest", "-first_at"],
                condition=Q(status="resolved"),
                name="alert_past_group",
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
    # The incident that collected it before that was merged into this one.
    merged_from = models.ForeignKey(
        Incident, null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    # It opened and closed again and again: its incident is held open until it has been quiet.
    flapping_since = models.DateTimeField(null=True)
    # When the held incident is over, while none of its alerts fires.
    look_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["look_at"], condition=Q(look_at__isnull=False), name="group_look_at"
            ),
        ]

    def __str__(self) -> str:
        return self.group[:80]
