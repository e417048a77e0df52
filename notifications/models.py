"""Addresses of people, the outbox of messages to them, and what became of each message."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from notifications.channels.base import person_channel_choices, team_channel_choices
from notifications.channels.links import LONGEST as LONGEST_ADDRESS
from schedules.models import Team
from schedules.recorded import Recorded, RecordedQuerySet, Recording


class Urgency(models.TextChoices):
    HIGH = "high", "high"
    LOW = "low", "low"


def masked(address: str) -> str:
    """Enough to recognise it; an ntfy topic is a password, and so is the path of a webhook."""
    scheme, mark, rest = address.partition("://")
    if mark:
        # Of other URLs the host may be a token.
        known = rest.partition("/")[0] if scheme in {"http", "https"} else ""
        return f"{scheme}://{known}/...{address[-4:]}"
    return address if "@" in address else f"...{address[-4:]}"


class ContactMethodQuerySet(RecordedQuerySet["ContactMethod"]):
    def kept(self) -> Self:
        return self.filter(removed_at=None)


class ContactMethod(Recorded):
    """One address of one person."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="contact_methods"
    )
    channel = models.CharField(max_length=24, choices=person_channel_choices)
    address = models.CharField(
        max_length=LONGEST_ADDRESS,
        help_text="An ntfy topic nobody can guess, or an e-mail address.",
    )
    is_on = models.BooleanField("on", default=True, help_text="Off: nothing is sent to it.")
    # None: as its kind is used, see `hears_updates`.
    wants_updates = models.BooleanField(
        "quiet updates",
        null=True,
        blank=True,
        help_text="Who has it, and when it is resolved, of what this person was paged for.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # When its person has shown, by a code sent to it, that what goes there arrives.
    verified_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The code that is on its way; empty when none is.
    code_hash = models.CharField(
        max_length=64, blank=True, default="", db_default="", editable=False
    )
    code_expires_at = models.DateTimeField(null=True, editable=False)
    # Raised before a guess is looked at, so that many at once are no more than these.
    code_tries = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    # When its person last wrote from it: WhatsApp then takes free text for a day.
    heard_at = models.DateTimeField(null=True, editable=False)
    # Kept for the history, which goes on naming it; shown and used no more.
    removed_at = models.DateTimeField(null=True, editable=False)

    objects = ContactMethodQuerySet.as_manager()  # type: ignore[misc]
    recording = Recording(
        part_of="user", beside=frozenset({"removed_at"}), told={"address": masked}
    )

    class Meta:
        ordering = ["user", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "channel", "address"], name="contact_method_once_per_person"
            ),
            models.CheckConstraint(condition=~Q(address=""), name="contact_method_has_address"),
            models.CheckConstraint(
                condition=Q(removed_at__isnull=True) | Q(is_on=False),
                name="contact_method_removed_is_off",
            ),
            models.CheckConstraint(
                condition=Q(code_hash="") | Q(code_expires_at__isnull=False),
                name="contact_method_code_expires",
            ),
            models.CheckConstraint(
                condition=Q(code_tries__lte=5), name="contact_method_at_most_5_tries"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.masked_address}"

    @property
    def masked_address(self) -> str:
        return masked(self.address)

    @property
    def hears_updates(self) -> bool:
        """Whether what needs no answer may be sent to it too; by default not where each costs."""
        if self.wants_updates is None:
            return self.channel not in WITHOUT_UPDATES
        return self.wants_updates

    @property
    def is_verified(self) -> bool:
        return self.verified_at is not None


# Kinds whose messages cost money, or that ring whatever they say.
WITHOUT_UPDATES = frozenset({"sms", "whatsapp"})


class NotificationRule(Recorded):
    """For this urgency use that contact method after a delay, and repeat it."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notification_rules"
    )
    urgency = models.CharField(max_length=4, choices=Urgency, default=Urgency.HIGH)
    contact_method = models.ForeignKey(
        ContactMethod, on_delete=models.CASCADE, related_name="rules"
    )
    delay = models.DurationField(
        default=timedelta(0), help_text="Counted from the moment of the page, as HH:MM:SS."
    )
    repeats = models.PositiveSmallIntegerField(
        default=0, help_text="How many more times, as new messages, until somebody answers."
    )
    repeat_every = models.DurationField(default=timedelta(seconds=60))
    recording = Recording(part_of="user")

    class Meta:
        ordering = ["user", "urgency", "delay", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(urgency__in=["high", "low"]), name="rule_urgency"),
            models.CheckConstraint(
                condition=Q(delay__gte=timedelta(0)), name="rule_delay_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(repeat_every__gte=timedelta(seconds=30)),
                name="rule_repeat_every_at_least_30_s",
            ),
            models.CheckConstraint(condition=Q(repeats__lte=20), name="rule_at_most_20_repeats"),
        ]

    def __str__(self) -> str:
        return f"{self.urgency}: {self.contact_method} after {self.delay}"


class TeamChannel(Recorded):
    """A chat room, topic or address that belongs to a team and not to a person."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="channels")
    name = models.CharField(max_length=80, help_text="How the history calls it: #ops, wall screen.")
    channel = models.CharField(max_length=24, choices=team_channel_choices)
    address = models.CharField(
        max_length=LONGEST_ADDRESS,
        help_text="An ntfy topic nobody can guess, an e-mail address, or the URL of a webhook: "
        "Slack, Mattermost and Discord make one for each room. Whoever has it can write there.",
    )
    is_on = models.BooleanField("on", default=True, help_text="Off: nothing is sent to it.")
    # Why PagerPal itself switched it off.
    off_reason = models.CharField(
        max_length=200, blank=True, default="", db_default="", editable=False
    )
    wants_opened = models.BooleanField(
        "opened", default=False, db_default=False, help_text="An incident of the team has opened."
    )
    wants_acknowledged = models.BooleanField(
        "acknowledged", default=False, db_default=False, help_text="Somebody has it."
    )
    wants_escalated = models.BooleanField(
        "escalated",
        default=False,
        db_default=False,
        help_text="Nobody has answered, and the next step is called.",
    )
    wants_resolved = models.BooleanField(
        "resolved", default=False, db_default=False, help_text="It is over, and after how long."
    )
    wants_handovers = models.BooleanField(
        default=False, help_text="At each hand-over a note says who is on call from now on."
    )
    secret = models.CharField(
        "signing secret",
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text="Of a webhook: its messages are signed with it (Standard Webhooks). Empty: one "
        "is made. Two, with a blank between them, sign each message twice, to change from one to "
        "the other.",
    )
    template = models.TextField(
        "body",
        blank=True,
        default="",
        db_default="",
        max_length=4000,
        help_text="Of a webhook: the JSON its receiver wants, with ${title}, ${text}, ${url}, "
        "${number}, ${severity}, ${state} and others put in. Empty: all facts, as JSON.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    recording = Recording(
        team="team_id",
        secret=frozenset({"secret"}),
        beside=frozenset({"off_reason"}),
        told={"address": masked},
    )

    class Meta:
        ordering = ["team__name", "name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "channel", "address"], name="team_channel_once_per_team"
            ),
            models.CheckConstraint(condition=~Q(address=""), name="team_channel_has_address"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.team}"

    @property
    def masked_address(self) -> str:
        return masked(self.address)


class NotificationQuerySet(models.QuerySet["Notification"]):
    def unfinished(self) -> Self:
        return self.filter(state__in=UNFINISHED)

    def taken(self) -> Self:
        """Taken by a provider, or held by safe mode: somebody was reached, as far as we know."""
        return self.filter(state__in=TAKEN)

    def due(self, now: datetime) -> Self:
        return self.filter(state=Notification.State.PENDING, due_at__lte=now)

    def lapsed(self, now: datetime) -> Self:
        """Claimed by a process that died or hangs: what became of the call is unknown."""
        return self.filter(state=Notification.State.SENDING, lease_until__lt=now)


class Notification(models.Model):
    """One message through one contact method or team channel, with its delivery state."""

    class State(models.TextChoices):
        PENDING = "pending", "pending"
        SENDING = "sending", "sending"
        SENT = "sent", "sent"
        DELIVERED = "delivered", "delivered"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"
        HELD = "held", "held"

    class Purpose(models.TextChoices):
        PAGE = "page", "page"
        GROWTH = "growth", "growth"
        ASK_OWNER = "ask_owner", "ask the owner"
        UPDATE = "update", "quiet update"
        REMINDER = "reminder", "reminder"
        HANDOVER = "handover", "hand-over"
        NOTICE = "notice", "notice"
        TEST = "test", "test"
        VERIFY = "verify", "code"

    # What is said
    purpose = models.CharField(max_length=12, choices=Purpose)
    # What it is about, `incident:412`; this floor knows no more.
    thread = models.CharField(max_length=80)
    # Names what is sent, so that it cannot be written twice.
    key = models.CharField(max_length=200, unique=True)
    # What wrote it, `page:981`; several rows share it.
    ref = models.CharField(max_length=80, blank=True)
    # The facts of its text; dispatch renders from them after the claim.
    context = models.JSONField(default=dict)

    # To whom: a person or a team's channel
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="notifications"
    )
    team_channel = models.ForeignKey(
        TeamChannel, null=True, on_delete=models.PROTECT, related_name="notifications"
    )
    contact_method = models.ForeignKey(
        ContactMethod, null=True, on_delete=models.SET_NULL, related_name="notifications"
    )
    # The kind of the address ...
    channel = models.CharField(max_length=24)
    # ... and which provider of that kind has carried it, or is tried next; empty: the first.
    provider = models.CharField(max_length=24, blank=True, default="", db_default="")
    address = models.CharField(max_length=LONGEST_ADDRESS)
    team = models.ForeignKey(
        Team, null=True, on_delete=models.SET_NULL, related_name="notifications"
    )
    # 0 goes first: critical 0, high 1, low 2, the rest 3.
    rank = models.PositiveSmallIntegerField(default=3)

    # What became of it
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    due_at = models.DateTimeField()
    # Set where the rows of one `ref` are one message, said by the first address that takes it; from
    # this moment on it would say nothing true any more, and is not sent.
    void_at = models.DateTimeField(null=True)
    # Where it was before a failing neighbour pulled it forward.
    due_before_pull = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    # The one whose message says this too: they were due together, and share its lease and result.
    lead = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.SET_NULL,
        related_name="members",
        editable=False,
        db_index=False,  # by the smaller one below
    )
    # Refused together with others: nobody knows which of them was meant.
    goes_alone = models.BooleanField(default=False, db_default=False, editable=False)
    # Raised by every claim, before the call: a result is written only by the attempt that got it.
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    first_tried_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    provider_id = models.CharField(max_length=200, blank=True)
    # While a receipt is awaited: when to look for it next.
    look_at = models.DateTimeField(null=True)
    # In the provider's words, or ours.
    outcome = models.CharField(max_length=500, blank=True)
    # What went out or was held: title, body, answer_url ...
    rendered = models.JSONField(null=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="pending"), name="notification_due"),
            # Each team's best row is the first of its part, however many wait behind it.
            models.Index(
                fields=["team", "rank", "-id"],
                condition=Q(state="pending"),
                name="notification_best_of_team",
            ),
            models.Index(
                fields=["lease_until"], condition=Q(state="sending"), name="notification_leases"
            ),
            models.Index(fields=["thread", "purpose"], name="notification_thread"),
            models.Index(fields=["ref", "user"], name="notification_ref"),
            models.Index(
                fields=["provider_id"],
                condition=~Q(provider_id=""),
                name="notification_provider_id",
            ),
            models.Index(
                fields=["look_at"], condition=Q(look_at__isnull=False), name="notification_look"
            ),
            models.Index(fields=["contact_method", "-id"], name="notification_of_method"),
            models.Index(
                fields=["lead"], condition=Q(lead__isnull=False), name="notification_members"
            ),
            # What waits for an address has no settled_at, and what went there lately is its limit.
            models.Index(fields=["address", "settled_at"], name="notification_to_address"),
            # What a channel, or a person, was told in one minute.
            models.Index(
                fields=["team_channel", "user", "created_at"],
                condition=Q(purpose="update"),
                name="notification_updates",
            ),
            models.Index(
                fields=["purpose", "void_at"],
                condition=Q(void_at__isnull=False),
                name="notification_said_once",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=(Q(state="sending") & Q(lease_until__isnull=False))
                | (~Q(state="sending") & Q(lease_until__isnull=True)),
                name="notification_lease_while_sending",
            ),
            models.CheckConstraint(
                condition=~Q(state="pending") | Q(cancelled_at__isnull=True),
                name="notification_pending_is_not_cancelled",
            ),
            models.CheckConstraint(
                condition=~Q(state="cancelled") | Q(cancelled_at__isnull=False),
                name="notification_cancelled_says_when",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "sending"]) | Q(settled_at__isnull=False),
                name="notification_settled_says_when",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "pending",
                        "sending",
                        "sent",
                        "delivered",
                        "failed",
                        "cancelled",
                        "held",
                    ]
                ),
                name="notification_state_known",
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=False, team_channel__isnull=True)
                | Q(user__isnull=True, team_channel__isnull=False),
                name="notification_to_a_person_or_a_channel",
            ),
            models.CheckConstraint(
                condition=Q(lead__isnull=True) | ~Q(lead=F("id")), name="notification_leads_others"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} to {self.recipient}: {self.state}"

    @property
    def recipient(self) -> str:
        """Whom it is for, in words."""
        return str(self.user or self.team_channel)

    @property
    def zone(self) -> str:
        """The time zone in which it tells times."""
        if self.user is not None:
            return self.user.time_zone
        return self.team_channel.team.time_zone if self.team_channel else "UTC"

    @property
    def is_said_once(self) -> bool:
        """Whether the first address that takes it ends the others of the same `ref`."""
        return self.void_at is not None


class Bundle(models.Model):
    """Several notifications for one address as one message: what its answer covers, for good."""

    lead = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="bundles")
    # Of all that it said, the lead's first.
    threads = models.JSONField()
    created_at = models.DateTimeField()

    PREFIX = "bundle:"

    def __str__(self) -> str:
        return f"{len(self.threads)} in one: {', '.join(self.threads)}"

    @property
    def key(self) -> str:
        """By which providers know its message."""
        return f"{self.PREFIX}{self.pk}"


# So many tries a message gets; a page that nobody else could carry either goes on after them.
FULL_TRIES = 5
UNFINISHED = (Notification.State.PENDING, Notification.State.SENDING)
TAKEN = (Notification.State.SENT, Notification.State.DELIVERED, Notification.State.HELD)


class DeliveryEvent(models.Model):
    """One thing that happened to a notification, in the provider's words."""

    class Kind(models.TextChoices):
        SENT = "sent", "sent"
        HELD = "held", "held"
        FAILED = "failed", "failed"
        RETRY = "retry", "will be tried again"
        REFUSED = "refused", "refused, another provider is next"
        DELIVERED = "delivered", "delivered"
        SILENT = "silent", "no receipt"
        LAPSED = "lapsed", "outcome unknown"
        PULLED = "pulled", "pulled forward"
        WAITS = "waits", "waits: its address had enough"
        CANCELLED = "cancelled", "cancelled"
        AGAIN = "again", "sent again by hand"

    notification = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=12, choices=Kind)
    attempt = models.PositiveIntegerField(default=0)
    provider = models.CharField(max_length=24, blank=True, default="", db_default="")
    text = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.kind} {self.text}"


class ProviderState(models.Model):
    """A provider's breaker, shared by all workers: after 3 timeouts in a row, a probe each 30 s."""

    # The slug of the channel that calls it.
    provider = models.CharField(max_length=24, unique=True)
    # In a row, up to the last answer.
    timeouts = models.PositiveSmallIntegerField(default=0)
    # Set while the breaker is open: when the next probe may go.
    probe_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True)
    last_error_at = models.DateTimeField(null=True)
    last_taken_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.provider

    @property
    def is_open(self) -> bool:
        return self.probe_at is not None


class InboundMessage(models.Model):
    """One message that somebody wrote to us from an address we know, and what came of it."""

    # Both name it for good, so that it is handled once, however often it is handed over.
    provider = models.CharField(max_length=24)
    provider_id = models.CharField(max_length=200)
    channel = models.CharField(max_length=24)
    address = models.CharField(max_length=40)
    # None: nobody could tell who of several.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    text = models.CharField(max_length=500, blank=True)
    # What was understood: acknowledge, stop, unknown ...
    act = models.CharField(max_length=12)
    said_at = models.DateTimeField()
    received_at = models.DateTimeField()
    # What was said back, or why nothing was.
    outcome = models.CharField(max_length=1000, blank=True)
    is_answered = models.BooleanField(default=False)

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["channel", "address", "received_at"], name="inbound_of_address"),
            models.Index(fields=["received_at"], name="inbound_received"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["provider", "provider_id"], name="inbound_once"),
            models.CheckConstraint(condition=~Q(provider_id=""), name="inbound_has_a_name"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} from {masked(self.address)}: {self.act}"


class Inbox(models.Model):
    """Where answers wait to be fetched: how far it was read, and when to look again."""

    name = models.CharField(max_length=24, unique=True)
    # The newest that was read, in the words of who keeps them.
    cursor = models.CharField(max_length=200, blank=True)
    next_at = models.DateTimeField()
    # When its keeper was last asked.
    asked_at = models.DateTimeField(null=True)
    # In a row, up to the last answer.
    failures = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name_plural = "inboxes"

    def __str__(self) -> str:
        return self.name
