"""Configured senders."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q, Value
from django.utils import timezone

from alertsources.sources.base import source_choices
from incidents.models import EscalationPolicy, Severity
from schedules.models import Team
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
