"""Incidents, their history, the policies that say whom to page, and the pages made."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.urls import reverse
from django.utils import timezone

from incidents.planner import INSIDE, OUTSIDE
from notifications.models import TeamChannel
from schedules import roles
from schedules.models import Rotation, Team, User
from schedules.recorded import Recorded, Recording


class Severity(models.TextChoices):
    CRITICAL = "critical", "critical"
    HIGH = "high", "high"
    WARNING = "warning", "warning"
    INFO = "info", "info"


# 0 is worst. Also the order in which due work is taken.
SEVERITY_RANK = {"critical": 0, "high": 1, "warning": 2, "info": 3}
# The step of a page that somebody asked for by hand, beside the policy ...
ASKED = "asked"
# ... and of one by which somebody gave the incident to its receiver.
GIVEN = "given"
BY_HAND = frozenset({ASKED, GIVEN})
SHORTEST_PAUSE, LONGEST_WAIT = timedelta(minutes=1), timedelta(days=7)
MOST_REPEATS = 20


class EscalationPolicy(Recorded):
    """Whom to page about an incident, step by step, and what follows when nobody answers."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="policies")
    name = models.CharField(max_length=80, default="default")
    is_default = models.BooleanField(
        default=False, help_text="Used by the team's sources that name no policy."
    )
    repeats = models.PositiveSmallIntegerField(
        default=1,
        help_text="How many more times to go through the steps if nobody answers, at most 20. "
        "After that the whole team is paged, again and again.",
    )
    repeat_after = models.DurationField(
        default=timedelta(minutes=15),
        help_text="Least time from one pass to the next, as HH:MM:SS. Low urgency: four times as "
        "long, and in team hours only.",
    )
    recording = Recording(team="team_id")

    class Meta:
        ordering = ["team__name", "name"]
        verbose_name_plural = "escalation policies"
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="policy_name_once_per_team"),
            models.UniqueConstraint(
                fields=["team"], condition=Q(is_default=True), name="policy_one_default_per_team"
            ),
            models.CheckConstraint(
                condition=Q(repeat_after__gte=timedelta(minutes=1)),
                name="policy_repeat_after_at_least_a_minute",
            ),
            models.CheckConstraint(
                condition=Q(repeat_after__lte=LONGEST_WAIT),
                name="policy_repeat_after_at_most_a_week",
            ),
            models.CheckConstraint(
                condition=Q(repeats__lte=MOST_REPEATS), name="policy_at_most_20_repeats"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.team}: {self.name}"

    def clean(self) -> None:
        super().clean()
        wrong = {}
        if self.repeats is not None and self.repeats > MOST_REPEATS:
            wrong["repeats"] = f"Give a number from 0 to {MOST_REPEATS}."
        pause = self.repeat_after
        if pause is not None and not SHORTEST_PAUSE <= pause <= LONGEST_WAIT:
            wrong["repeat_after"] = "Give a time from 00:01:00 (a minute) to 7 00:00:00 (a week)."
        if self.is_default and (other := self._other_default()):
            wrong["is_default"] = (
                f"{self.team} has a default policy already: {other.name}. Take that from it first."
            )
        if wrong:
            raise ValidationError(wrong)

    def _other_default(self) -> EscalationPolicy | None:
        others = EscalationPolicy.objects.filter(team=self.team_id, is_default=True)
        return others.exclude(pk=self.pk).first()


class EscalationStep(Recorded):
    """One rung of a policy: whom to page, and how long to wait for an answer."""

    class Urgency(models.TextChoices):
        HIGH = "high", "only high"
        LOW = "low", "only low"

    class Hours(models.TextChoices):
        INSIDE = INSIDE, "only in team hours"
        OUTSIDE = OUTSIDE, "only outside team hours"

    policy = models.ForeignKey(EscalationPolicy, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField(
        "order", default=0, help_text="The lowest number comes first."
    )
    rotations = models.ManyToManyField(
        Rotation, blank=True, related_name="steps", help_text="Whoever is on call in these."
    )
    people = models.ManyToManyField(
        User, blank=True, related_name="steps", help_text="These people, on call or not."
    )
    whole_team = models.BooleanField(
        default=False, help_text="Every lead and responder of the policy's team."
    )
    channels = models.ManyToManyField(
        TeamChannel,
        blank=True,
        related_name="steps",
        help_text="Rooms that are told. A room is nobody: if a step names people too and none of "
        "them can be paged, the next step follows at once.",
    )
    delay = models.DurationField(
        "then wait",
        default=timedelta(minutes=5),
        help_text="How long to wait for an answer before the next step, as HH:MM:SS.",
    )
    only_urgency = models.CharField(
        "urgency",
        max_length=4,
        choices=Urgency,
        blank=True,
        default="",
        db_default="",
        help_text="Another urgency passes the step over, at once.",
    )
    only_hours = models.CharField(
        "hours",
        max_length=7,
        choices=Hours,
        blank=True,
        default="",
        db_default="",
        help_text="At other times the step is passed over, at once.",
    )
    recording = Recording(part_of="policy", team="policy.team_id")

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(delay__gte=timedelta(0)), name="step_delay_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(delay__lte=LONGEST_WAIT), name="step_delay_at_most_a_week"
            ),
            models.CheckConstraint(
                condition=Q(only_urgency__in=["", "high", "low"])
                & Q(only_hours__in=["", INSIDE, OUTSIDE]),
                name="step_conditions_known",
            ),
        ]

    def __str__(self) -> str:
        return f"step {self.position + 1}"

    def clean(self) -> None:
        super().clean()
        if self.delay is not None and not timedelta(0) <= self.delay <= LONGEST_WAIT:
            raise ValidationError({"delay": "Give a time from 0 to 7 00:00:00 (a week)."})


class IncidentQuerySet(models.QuerySet["Incident"]):
    def open(self) -> Self:
        return self.exclude(state=Incident.State.RESOLVED)

    def unanswered(self) -> Self:
        return self.filter(state=Incident.State.TRIGGERED)

    def due(self, now: datetime) -> Self:
        triggered = self.filter(state=Incident.State.TRIGGERED, escalate_at__lte=now)
        return triggered.filter(held_at__isnull=True)

    def to_ask(self, now: datetime) -> Self:
        """Those whose owner is to be asked whether it is still theirs, or has not said so."""
        owned = self.filter(state=Incident.State.ACKNOWLEDGED, ask_at__lte=now)
        return owned.filter(held_at__isnull=True)

    def urgent_first(self) -> Self:
        """Triggered first, then by severity, then newest; among resolved ones only newest."""
        is_resolved = When(state=Incident.State.RESOLVED, then=Value(0))
        by_state = Case(
            When(state=Incident.State.TRIGGERED, then=Value(0)),
            When(state=Incident.State.ACKNOWLEDGED, then=Value(1)),
            default=Value(2),
        )
        ranks = (When(severity=word, then=Value(rank)) for word, rank in SEVERITY_RANK.items())
        return self.order_by(
            by_state, Case(is_resolved, *ranks, default=Value(9)), "-opened_at", "-pk"
        )

    def visible_to(self, user: User) -> Self:
        """Admins see all; everybody else what their teams answer for, they own, or paged them."""
        if roles.is_admin(user):
            return self
        # Not by "=": PostgreSQL would read all of the person's pages first, to hash them.
        paged = Page.objects.filter(
            incident_id__gte=OuterRef("pk"), incident_id__lte=OuterRef("pk"), user=user
        )
        ours = Q(team__in=user.memberships.values("team"))
        return self.filter(ours | Q(owner=user) | Exists(paged))


class Incident(models.Model):
    """A problem that somebody must answer for."""

    class State(models.TextChoices):
        TRIGGERED = "triggered", "triggered"
        ACKNOWLEDGED = "acknowledged", "acknowledged"
        RESOLVED = "resolved", "resolved"

    class Urgency(models.TextChoices):
        HIGH = "high", "high"
        LOW = "low", "low"
        NONE = "none", "none"

    # What is wrong
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="incidents")
    title = models.CharField(max_length=200)
    detail = models.TextField(blank=True)
    severity = models.CharField(max_length=8, choices=Severity, default=Severity.HIGH)
    urgency = models.CharField(max_length=4, choices=Urgency, default=Urgency.HIGH)
    source_label = models.CharField(max_length=120, blank=True)
    labels = models.JSONField(default=dict, blank=True)
    links = models.JSONField(default=list, blank=True)  # [{"label": ..., "url": ...}]
    # Title, labels and the beginning of the detail, without case: what a search looks through.
    search_text = models.TextField(blank=True, default="", db_default="", editable=False)
    is_test = models.BooleanField(default=False)
    # SHA-256 of person and form, where a person raised it: one form makes one incident.
    raised_key = models.CharField(  # noqa: DJ001  NULL is not bound by unique
        max_length=64, null=True, unique=True, editable=False
    )

    # Where it is in its life; written by lifecycle and engine only
    state = models.CharField(max_length=12, choices=State, default=State.TRIGGERED)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="owned_incidents",
    )
    # The name of an owner without an account, who came by a team's token.
    owner_label = models.CharField(max_length=120, blank=True, default="", db_default="")
    opened_at = models.DateTimeField(default=timezone.now)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)

    # The escalation clock
    policy = models.ForeignKey(
        EscalationPolicy, null=True, blank=True, on_delete=models.SET_NULL, related_name="incidents"
    )
    episode = models.PositiveIntegerField(default=1)
    round = models.PositiveIntegerField(default=0)
    round_started_at = models.DateTimeField(null=True, blank=True)
    # What is next: a rung's id, or a later phase of the round. Empty: the first rung.
    next_move = models.CharField(max_length=12, default="step", blank=True)
    next_step_id = models.BigIntegerField(null=True, blank=True)
    next_position = models.PositiveSmallIntegerField(default=0)
    escalate_at = models.DateTimeField(null=True, blank=True)
    # When the owner is asked whether it is still theirs; once asked, when paging starts anew.
    ask_at = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField(null=True, blank=True)
    # How long after each acknowledgement the owner wanted to be asked, if they chose.
    ask_after = models.DurationField(null=True, blank=True)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    grown_at = models.DateTimeField(null=True, blank=True)
    nobody_reached_at = models.DateTimeField(null=True, blank=True)
    planning_failed_at = models.DateTimeField(null=True, blank=True)
    # It came with a restored backup: nobody is paged for it until somebody acts or more comes.
    held_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The incident that collects its alerts now, and is answered in its place.
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="merged"
    )
    is_noise = models.BooleanField(
        "noise",
        default=False,
        db_default=False,
        help_text="Somebody said that it need not have paged anybody. Figures count it apart.",
    )
    # Raised by every timeline entry and delivery: what a live page compares.
    revision = models.PositiveIntegerField(default=0)

    objects = IncidentQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(
                fields=["escalate_at"], condition=Q(state="triggered"), name="incident_due"
            ),
            models.Index(
                fields=["team", "state"], condition=~Q(state="resolved"), name="incident_open"
            ),
            models.Index(
                fields=["state"], condition=Q(escalate_at__isnull=False), name="incident_ticking"
            ),
            models.Index(fields=["opened_at"], name="incident_opened"),
            models.Index(
                fields=["resolved_at"],
                condition=Q(resolved_at__isnull=False),
                name="incident_closed",
            ),
            models.Index(fields=["team", "source_label"], name="incident_sources"),
            models.Index(
                fields=["ask_at"], condition=Q(ask_at__isnull=False), name="incident_to_ask"
            ),
            models.Index(fields=["team"], condition=Q(is_test=True), name="incident_tests"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(escalate_at__isnull=False) | Q(urgency="none") | ~Q(state="triggered"),
                name="incident_triggered_has_a_clock",
            ),
            models.CheckConstraint(
                condition=Q(escalate_at__isnull=True) | Q(state="triggered"),
                name="incident_answered_has_no_clock",
            ),
            models.CheckConstraint(
                condition=~Q(state="acknowledged") | Q(acknowledged_at__isnull=False),
                name="incident_acknowledged_says_when",
            ),
            models.CheckConstraint(
                condition=(Q(state="resolved") & Q(resolved_at__isnull=False))
                | (~Q(state="resolved") & Q(resolved_at__isnull=True)),
                name="incident_resolved_says_when",
            ),
            models.CheckConstraint(
                condition=Q(ask_at__isnull=True) | Q(state="acknowledged"),
                name="incident_only_an_owner_is_asked",
            ),
            models.CheckConstraint(
                condition=Q(
                    asked_at__isnull=True, snoozed_until__isnull=True, ask_after__isnull=True
                )
                | Q(ask_at__isnull=False),
                name="incident_asked_has_a_clock",
            ),
            models.CheckConstraint(
                condition=Q(asked_at__isnull=True) | Q(snoozed_until__isnull=True),
                name="incident_snoozed_is_not_asked",
            ),
            models.CheckConstraint(
                condition=Q(ask_after__isnull=True) | Q(ask_after__gt=timedelta(0)),
                name="incident_ask_after_positive",
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True)
                | (Q(state="resolved") & ~Q(merged_into=F("id"))),
                name="incident_merged_is_resolved",
            ),
            models.CheckConstraint(
                condition=~Q(state="triggered")
                | Q(owner__isnull=True, acknowledged_at__isnull=True),
                name="incident_triggered_has_no_owner",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["triggered", "acknowledged", "resolved"])
                & Q(urgency__in=["high", "low", "none"])
                & Q(severity__in=["critical", "high", "warning", "info"]),
                name="incident_words_known",
            ),
            models.CheckConstraint(condition=Q(episode__gte=1), name="incident_episode_from_one"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}"

    def get_absolute_url(self) -> str:
        return reverse("incidents:detail", args=[self.pk])

    @property
    def is_open(self) -> bool:
        return self.state != self.State.RESOLVED

    @property
    def holder(self) -> str:
        """Who has it, or had it in the end, as far as is known; empty when nobody took it."""
        if self.acknowledged_at is None:
            return ""
        return str(self.owner or self.owner_label or "somebody")

    @property
    def is_snoozed(self) -> bool:
        return self.snoozed_until is not None

    @property
    def thread(self) -> str:
        """What the notifications floor calls this incident."""
        return f"incident:{self.pk}"

    @property
    def rank(self) -> int:
        """0 is taken first."""
        return SEVERITY_RANK[self.severity]


# How people act without opening the page.
ELSEWHERE = frozenset({"link", "admin", "api", "sms", "whatsapp", "ntfy"})


class TimelineEntry(models.Model):
    """Something that happened to an incident, who or what did it, when."""

    class Kind(models.TextChoices):
        OPENED = "opened", "opened"
        ALERT = "alert", "alert"
        PAGED = "paged", "paged"
        NOT_PAGED = "not_paged", "not paged"
        DELIVERY = "delivery", "delivery"
        ACKNOWLEDGED = "acknowledged", "acknowledged"
        RESOLVED = "resolved", "resolved"
        REOPENED = "reopened", "reopened"
        ESCALATED = "escalated", "escalated"
        SEVERITY = "severity", "severity"
        SNOOZED = "snoozed", "snoozed"
        ASKED = "asked", "owner asked"
        RELEASED = "released", "given back"
        REASSIGNED = "reassigned", "reassigned"
        MERGED = "merged", "merged"
        SPLIT = "split", "split off"
        NOISE = "noise", "noise"
        NOTE = "note", "note"
        TROUBLE = "trouble", "trouble"

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="timeline")
    kind = models.CharField(max_length=12, choices=Kind)
    text = models.CharField(max_length=1000)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    # page, link, admin, api, monitor, engine ...
    via = models.CharField(max_length=24, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [
            models.Index(fields=["incident", "-at"]),
            models.Index(
                fields=["incident", "at"],
                condition=Q(kind="acknowledged"),
                name="timeline_acknowledged",
            ),
        ]
        verbose_name_plural = "timeline entries"

    def __str__(self) -> str:
        return self.text

    @property
    def is_from_elsewhere(self) -> bool:
        """Whether a person acted, but not on the incident's page."""
        return self.via in ELSEWHERE


class Page(models.Model):
    """One person or team channel called about one incident at one step of one round of one
    episode."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="pages")
    episode = models.PositiveIntegerField()
    round = models.PositiveIntegerField()
    # The rung's id as text, or the phase: fallback, leads, admins, team, plain; asked or given.
    step = models.CharField(max_length=20)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="pages",
        db_index=False,  # the index below begins with it
    )
    team_channel = models.ForeignKey(
        TeamChannel, null=True, on_delete=models.PROTECT, related_name="pages"
    )
    # In words, for the history: "step 1", "the whole team".
    label = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    # Called to one that somebody else has, and came.
    answered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["user", "incident"], name="page_of_person"),
            models.Index(fields=["created_at"], name="page_created"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "episode", "round", "step", "user"],
                name="page_once_per_step_and_person",
            ),
            models.UniqueConstraint(
                fields=["incident", "episode", "round", "step", "team_channel"],
                name="page_once_per_step_and_channel",
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=False, team_channel__isnull=True)
                | Q(user__isnull=True, team_channel__isnull=False),
                name="page_to_a_person_or_a_channel",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.user or self.team_channel}"

    @property
    def ref(self) -> str:
        """What the notifications floor calls this page."""
        return f"page:{self.pk}"


class Round(models.Model):
    """A job that one worker of all does every now and then, and when it is to be done next."""

    name = models.CharField(max_length=24, unique=True)
    next_at = models.DateTimeField()
    # The last row that it has looked at, where it looks at a whole table piece by piece.
    reached = models.BigIntegerField(default=0, db_default=0)

    def __str__(self) -> str:
        return self.name
