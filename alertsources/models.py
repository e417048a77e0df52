"""Configured senders, the alerts they report, and the raw requests as they came."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q, Value
from django.utils import timezone

from alertsources.sources.base import source_choices
from incidents.models import EscalationPolicy, Incident, Severity
from schedules.models import Team, validate_zone
from schedules.recorded import Recorded, Recording

# More than a small installation stores in a minute: a source that sends so much keeps others out.
DEFAULT_LIMIT = 30_000
DEFAULT_KEEP_DAYS, LONGEST_KEEP_DAYS = 14, 3650
# Nothing within a few minutes says nothing; within a season it was never worth a warning.
SHORTEST_SILENCE, LONGEST_SILENCE = timedelta(minutes=5), timedelta(days=90)
MOST_FLAPPING = 100
A_MINUTE, A_DAY = timedelta(minutes=1), timedelta(days=1)
A_MINUTE_TO_A_DAY = [
    MinValueValidator(A_MINUTE, "A minute is the least."),
    MaxValueValidator(A_DAY, "A day is the most."),
]


def weekdays(**options: Any) -> models.CharField[str, str]:
    """Digits, 0 is Monday; empty where the days do not matter."""
    known = RegexValidator(r"^[0-6]*$", "Days are digits from 0, Monday, to 6.")
    return models.CharField(max_length=7, blank=True, validators=[known], **options)


class AlertSource(Recorded):
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
    test_person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Paged by the sender's own test button. Empty: a test is only recorded.",
    )
    # Until then the next message that fires is a test, which pages this person and nobody else.
    test_awaited_until = models.DateTimeField(null=True, editable=False)
    test_awaited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        editable=False,
    )
    signing_secret = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="What the sender signs its messages with. Empty: signatures are not looked at.",
    )
    topic_arn = models.CharField(
        max_length=256,
        blank=True,
        default="",
        db_default="",
        help_text="The SNS topic that was confirmed first; messages of others are refused.",
    )
    # What only one kind knows: mappings, words of recovery ...
    settings = models.JSONField(
        default=dict, db_default=Value({}, output_field=models.JSONField()), blank=True
    )
    wait_for = models.DurationField(
        "page only if still firing after",
        null=True,
        blank=True,
        help_text="As HH:MM:SS. Empty: at once.",
    )
    auto_resolve_after = models.DurationField(
        "resolve when not repeated for",
        null=True,
        blank=True,
        help_text="For senders that never say it is over, as HH:MM:SS. Empty: never.",
    )
    warn_if_silent_for = models.DurationField(
        "warn if nothing came for",
        null=True,
        blank=True,
        validators=[
            MinValueValidator(SHORTEST_SILENCE, "5 minutes is the least."),
            MaxValueValidator(LONGEST_SILENCE, "90 days is the most."),
        ],
        help_text="Tells the leads, once, for senders that report all the time. As DD HH:MM:SS, "
        "5 minutes to 90 days. Empty: never.",
    )
    flapping_times = models.PositiveSmallIntegerField(
        "hold as flapping after",
        default=3,
        db_default=3,
        validators=[MaxValueValidator(MOST_FLAPPING, f"{MOST_FLAPPING} is the most.")],
        help_text="An alert that ends so many times is held open as one incident. 0: never.",
    )
    flapping_within = models.DurationField(
        "ends within",
        default=timedelta(minutes=15),
        db_default=timedelta(minutes=15),
        validators=A_MINUTE_TO_A_DAY,
        help_text="How close together they have to be, as HH:MM:SS.",
    )
    flapping_quiet_for = models.DurationField(
        "held until quiet for",
        default=timedelta(minutes=10),
        db_default=timedelta(minutes=10),
        validators=A_MINUTE_TO_A_DAY,
        help_text="The incident is resolved when nothing of it fired for so long, as HH:MM:SS.",
    )
    limit_per_minute = models.PositiveIntegerField(
        "messages per minute",
        default=DEFAULT_LIMIT,
        db_default=DEFAULT_LIMIT,
        help_text="What comes beyond it is refused and told to the team. 0: no limit.",
    )
    keep_days = models.PositiveSmallIntegerField(
        "keep raw messages for days",
        default=DEFAULT_KEEP_DAYS,
        db_default=DEFAULT_KEEP_DAYS,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_KEEP_DAYS)],
        help_text="Older ones are deleted; alerts and incidents stay.",
    )
    recording = Recording(
        team="team_id",
        secret=frozenset({"key_hash", "signing_secret"}),
        beside=frozenset({"key_hash"}),
    )

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
            models.CheckConstraint(
                condition=Q(wait_for__isnull=True) | Q(wait_for__gte=timedelta(0)),
                name="source_wait_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(auto_resolve_after__isnull=True)
                | Q(auto_resolve_after__gte=timedelta(minutes=1)),
                name="source_auto_resolve_at_least_a_minute",
            ),
            models.CheckConstraint(
                condition=Q(keep_days__gte=1) & Q(keep_days__lte=LONGEST_KEEP_DAYS),
                name="source_keeps_for_some_days",
            ),
            models.CheckConstraint(
                condition=Q(warn_if_silent_for__isnull=True)
                | Q(
                    warn_if_silent_for__gte=SHORTEST_SILENCE,
                    warn_if_silent_for__lte=LONGEST_SILENCE,
                ),
                name="source_silence_within_bounds",
            ),
            models.CheckConstraint(
                condition=Q(flapping_times__lte=MOST_FLAPPING)
                & Q(flapping_within__gte=A_MINUTE, flapping_within__lte=A_DAY)
                & Q(flapping_quiet_for__gte=A_MINUTE, flapping_quiet_for__lte=A_DAY),
                name="source_flapping_within_bounds",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.team})"

    @property
    def masked_api_key(self) -> str:
        return f"{'*' * 8}{self.key_hint}"

    def policy_in_force(self) -> EscalationPolicy | None:
        """Its own, else the default of its team, if that has one."""
        return (
            self.policy
            or EscalationPolicy.objects.filter(team=self.team_id, is_default=True).first()
        )


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
