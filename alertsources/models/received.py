"""The raw requests and mails as they came, how many there were, and who listens for them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from alertsources.models.source import AlertSource
from incidents.models import Incident


class SourceMinute(models.Model):
    """What a source sent within one minute, and how much of it was beyond its limit."""

    source = models.ForeignKey(AlertSource, on_delete=models.CASCADE, related_name="minutes")
    minute = models.DateTimeField()
    received = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "minute"], name="source_minute_once"),
        ]

    def __str__(self) -> str:
        return f"{self.minute:%Y-%m-%d %H:%M}: {self.received}"


class Refusal(models.Model):
    """How many messages of a source were refused within one hour, for one reason."""

    class Reason(models.TextChoices):
        KEY = "key", "an old key that works no longer"
        SIGNATURE = "signature", "a bad signature"
        OFF = "off", "the source is switched off"
        SIZE = "size", "too large"
        EMPTY = "empty", "empty"
        LIMIT = "limit", "beyond the limit per minute"

    source = models.ForeignKey(AlertSource, on_delete=models.CASCADE, related_name="refusals")
    reason = models.CharField(max_length=10, choices=Reason)
    hour = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "reason", "hour"], name="refusal_once"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M}: {self.count} {self.get_reason_display()}"


class ReceivedPayload(models.Model):
    """The raw request as it came, with what became of it."""

    class Result(models.TextChoices):
        TAKEN = "taken", "taken"
        NOTHING = "nothing", "nothing to do"
        UNREADABLE = "unreadable", "unreadable"
        LIMITED = "limited", "beyond the limit"

    source = models.ForeignKey(AlertSource, on_delete=models.CASCADE, related_name="payloads")
    received_at = models.DateTimeField()
    content_type = models.CharField(max_length=100, blank=True)
    body = models.BinaryField()
    result = models.CharField(max_length=10, choices=Result)
    note = models.CharField(max_length=500, blank=True)
    incident = models.ForeignKey(
        Incident, null=True, on_delete=models.SET_NULL, related_name="payloads"
    )
    # The message that somebody had taken in once more, if this one did not come from outside.
    reprocessed_from = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="reprocessed", db_index=False
    )
    # Made here, by somebody who tried the source out; it counts nowhere.
    is_test = models.BooleanField(default=False, db_default=False)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["source", "-received_at"]),
            models.Index(
                fields=["reprocessed_from"],
                condition=Q(reprocessed_from__isnull=False),
                name="payload_reprocessed_from",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.received_at:%Y-%m-%d %H:%M:%S}"


class ReceivedMail(models.Model):
    """A mail that was taken in: however often it is delivered or fetched, it counts once."""

    source = models.ForeignKey(AlertSource, on_delete=models.CASCADE, related_name="mails")
    # SHA-256 of source, Message-ID, date and subject.
    digest = models.CharField(max_length=64, unique=True)
    received_at = models.DateTimeField(db_index=True)
    repeats = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.source} {self.received_at:%Y-%m-%d %H:%M:%S}"


class MailReceiver(models.Model):
    """One running `manage.py mail`, by which /health knows that mail is received."""

    name = models.CharField(max_length=120, unique=True)
    beat_at = models.DateTimeField()
    # What keeps it from receiving, in one sentence each; empty when nothing does.
    smtp_trouble = models.CharField(max_length=300, blank=True)
    imap_trouble = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return self.name
