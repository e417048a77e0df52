"""People, their teams, and the rotations that say whose turn it is."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar, Self

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone

from schedules import zones
from schedules.recorded import Recorded, RecordedQuerySet, Recording

LONGEST_TURN = 366
MOST_MEMBERS = 50
EARLIEST, LATEST = date(2000, 1, 1), date(2100, 1, 1)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def validate_zone(name: str) -> None:
    if name not in zones.names():
        raise ValidationError(f"{name!r} is not a time zone such as Europe/Berlin.")


class UserManager(BaseUserManager["User"]):
    def get_queryset(self) -> models.QuerySet[User]:
        return RecordedQuerySet(self.model, using=self._db)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A person; without a password they can be paged but cannot sign in."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, email: str | None) -> User:
        return self.get(email__iexact=email)


class User(Recorded, AbstractBaseUser, PermissionsMixin):
    """A person. Signs in by e-mail if it has a password; is switched off, never deleted."""

    email = models.EmailField(unique=True, help_text="What this person signs in with.")
    name = models.CharField(max_length=80, help_text="How pages and messages call this person.")
    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[validate_zone],
        help_text="Times in this person's messages and pages are shown in it.",
    )
    is_active = models.BooleanField(
        default=True, help_text="Off: cannot sign in and is never paged. Switch off, not delete."
    )
    is_staff = models.BooleanField(default=False, help_text="May open the admin.")
    remind_hours = models.PositiveSmallIntegerField(
        default=24,
        validators=[MaxValueValidator(168)],
        help_text="How many hours before each of their shifts to remind them; 0: never.",
    )
    wants_handover_note = models.BooleanField(
        default=True, help_text="Told at the hand-over itself, with what is open in the team."
    )
    quiet_from = models.TimeField(
        null=True,
        blank=True,
        help_text="Pages of low urgency wait from then on, by this person's own clock.",
    )
    quiet_until = models.TimeField(
        null=True, blank=True, help_text="They come then. Before the start: on the next day."
    )
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]
    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]
    recording = Recording(secret=frozenset({"password"}), without=frozenset({"last_login"}))

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = "person"
        verbose_name_plural = "people"
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique_any_case"),
            models.CheckConstraint(
                condition=Q(remind_hours__lte=168), name="user_reminded_within_a_week"
            ),
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | (
                    Q(quiet_from__isnull=False, quiet_until__isnull=False)
                    & ~Q(quiet_from=F("quiet_until"))
                ),
                name="user_quiet_from_and_until",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def clean(self) -> None:
        super().clean()
        self.email = self.email.lower()
        if (self.quiet_from is None) != (self.quiet_until is None):
            raise ValidationError({"quiet_until": "Quiet hours need both times, or none."})
        if self.quiet_from is not None and self.quiet_from == self.quiet_until:
            raise ValidationError({"quiet_until": "Quiet hours cannot last a whole day."})

    @property
    def is_a_lead(self) -> bool:
        """Of any team; whoever signs in brings the answer along, see `pagerpal.permissions`."""
        if not self.is_active:
            return False
        if "leads_a_team" not in vars(self):
            led = self.memberships.filter(role=Membership.Role.LEAD, team__is_active=True)
            vars(self)["leads_a_team"] = led.exists()
        return bool(vars(self)["leads_a_team"])

    @property
    def opens_admin(self) -> bool:
        return self.is_active and (self.is_superuser or self.is_staff or self.is_a_lead)

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name


class Team(Recorded):
    """People who answer together."""

    name = models.CharField(max_length=80, unique=True)
    time_zone = models.CharField(
        max_length=64, default="UTC", validators=[validate_zone], help_text="For its team hours."
    )
    members: models.ManyToManyField[User, Membership] = models.ManyToManyField(
        User, through="Membership", related_name="teams"
    )
    fallback_people = models.ManyToManyField(
        User,
        blank=True,
        related_name="fallback_for",
        help_text="Paged when a whole pass through the policy reached nobody, before the leads.",
    )
    hours_start = models.TimeField(
        default=time(9), help_text="Low-urgency repeats only come within the team's hours."
    )
    hours_end = models.TimeField(default=time(18))
    hours_weekends = models.BooleanField(
        default=False, help_text="Off: team hours are Monday to Friday."
    )
    is_discreet = models.BooleanField(
        "discreet",
        db_default=False,
        default=False,
        help_text="Messages say only the number and how bad it is; what it is, behind the link.",
    )
    acknowledge_timeout = models.DurationField(
        null=True,
        blank=True,
        help_text="So long after acknowledging, whoever has an incident is asked whether it is "
        "still theirs. 5 minutes without an answer: paging starts anew. As HH:MM:SS; empty: they "
        "are not asked.",
    )
    is_active = models.BooleanField(default=True)
    recording = Recording(team="pk")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(hours_start__lt=F("hours_end")), name="team_hours_start_before_end"
            ),
            models.CheckConstraint(
                condition=Q(acknowledge_timeout__isnull=True)
                | Q(
                    acknowledge_timeout__gte=timedelta(minutes=5),
                    acknowledge_timeout__lte=timedelta(days=7),
                ),
                name="team_acknowledge_timeout_within_bounds",
                violation_error_message="Ask after 5 minutes at the least, 7 days at the most.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        if self.hours_start and self.hours_end and self.hours_start >= self.hours_end:
            raise ValidationError({"hours_end": "Team hours must end after they start."})


class Membership(Recorded):
    """One person in one team, with what they may do there."""

    class Role(models.TextChoices):
        LEAD = "lead", "lead"
        RESPONDER = "responder", "responder"
        OBSERVER = "observer", "observer"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(
        max_length=10,
        choices=Role,
        default=Role.RESPONDER,
        help_text="Leads set the team up and are paged when nobody else can be reached; "
        "observers only look and are never paged with the whole team.",
    )
    recording = Recording(part_of="team", team="team_id")

    class Meta:
        ordering = ["user__name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["team", "user"], name="membership_once_per_team"),
            models.CheckConstraint(
                condition=Q(role__in=["lead", "responder", "observer"]),
                name="membership_role_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class Rotation(Recorded):
    """An ordered list of people and a cadence: whose turn it is, computed and never stored."""

    class Unit(models.TextChoices):
        HOURS = "hours", "hours"
        DAYS = "days", "days"
        WEEKS = "weeks", "weeks"
        MONTHS = "months", "months"

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="rotations")
    name = models.CharField(max_length=80, default="primary")
    position = models.PositiveSmallIntegerField(default=0, help_text="Order within the team.")
    every = models.PositiveSmallIntegerField(default=1, help_text="1 week: weekly; 2: biweekly.")
    unit = models.CharField(max_length=6, choices=Unit, default=Unit.WEEKS)
    starts_on = models.DateField(help_text="The first person's first shift begins on this day.")
    handover_time = models.TimeField(
        default=time(9), help_text="Local wall-clock time, the same through summer and winter."
    )
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_zone])
    ends_on = models.DateField(
        null=True,
        blank=True,
        help_text="From the hand-over time of this day on nobody is on call. Empty: no end.",
    )
    is_active = models.BooleanField(default=True)
    # Which place in the order has the first turn; editing moves it, so that nobody's turn jumps.
    offset = models.PositiveSmallIntegerField(default=0, editable=False)
    # Until then this person is on call in place of the cadence: they were when it was changed.
    kept_user = models.ForeignKey(
        User, null=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )
    kept_until = models.DateTimeField(null=True, editable=False)
    # Everything before it is in ShiftRecord; empty: nothing is yet.
    recorded_until = models.DateTimeField(null=True, editable=False)
    # Raised by every change of who is on call when: of itself, its members, windows or overrides.
    revision = models.PositiveIntegerField(default=0, editable=False)
    recording = Recording(team="team_id")

    class Meta:
        ordering = ["team__name", "position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="rotation_name_once_per_team"),
            models.CheckConstraint(condition=Q(every__gte=1), name="rotation_every_at_least_one"),
            models.CheckConstraint(
                condition=Q(unit__in=["hours", "days", "weeks", "months"]),
                name="rotation_unit_known",
            ),
            models.CheckConstraint(
                condition=Q(kept_user=None, kept_until=None)
                | Q(kept_user__isnull=False, kept_until__isnull=False),
                name="rotation_keeps_somebody_until",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.team}: {self.name}"

    def clean(self) -> None:
        """Refuse numbers that are surely slips, and dates that no calendar reaches."""
        super().clean()
        wrong = {}
        if self.every and not 1 <= self.every <= LONGEST_TURN:
            wrong["every"] = f"Give a number from 1 to {LONGEST_TURN}."
        for name in ("starts_on", "ends_on"):
            day = getattr(self, name)
            if day and not EARLIEST <= day <= LATEST:
                wrong[name] = f"Give a day from {EARLIEST} to {LATEST}."
        if not wrong and self.starts_on and self.ends_on and self.ends_on <= self.starts_on:
            wrong["ends_on"] = "It must end after the day on which it starts."
        if wrong:
            raise ValidationError(wrong)

    @property
    def in_words(self) -> str:
        """What its cadence means: "a new person every 2 weeks, Mondays at 09:00 (UTC)"."""
        length = self.unit[:-1] if self.every == 1 else f"{self.every} {self.unit}"
        when = {
            self.Unit.HOURS: " from",
            self.Unit.DAYS: " at",
            self.Unit.WEEKS: f", {self.starts_on:%A}s at",
            self.Unit.MONTHS: f", on day {self.starts_on.day} at",
        }[self.Unit(self.unit)]
        return f"a new person every {length}{when} {self.handover_time:%H:%M} ({self.time_zone})"


class RotationWindow(Recorded):
    """Hours of the week in which a rotation has somebody on call; without any it always has."""

    rotation = models.ForeignKey(Rotation, on_delete=models.CASCADE, related_name="windows")
    days = models.CharField(
        max_length=7,
        validators=[RegexValidator(r"^[0-6]+$", "Choose at least one day.")],
        help_text="The days on which it opens: digits, 0 is Monday.",
    )
    starts = models.TimeField(default=time(9), help_text="In the rotation's time zone.")
    ends = models.TimeField(
        default=time(17), help_text="Not after the start: it ends on the next day."
    )
    recording = Recording(part_of="rotation", team="rotation.team_id")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(days=""), name="window_on_some_day"),
        ]

    def __str__(self) -> str:
        return self.in_words

    @property
    def in_words(self) -> str:
        """ "Mon-Fri 09:00-17:00", "Sat, Sun 20:00-08:00"."""
        days = sorted({int(day) for day in self.days})
        in_a_row = len(days) > 2 and days[-1] - days[0] == len(days) - 1
        names = [WEEKDAYS[day] for day in days]
        listed = f"{names[0]}-{names[-1]}" if in_a_row else ", ".join(names)
        return f"{listed} {self.starts:%H:%M}-{self.ends:%H:%M}"


class RotationMember(Recorded):
    """One person's place in a rotation's order."""

    rotation = models.ForeignKey(Rotation, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="rotation_places")
    position = models.PositiveSmallIntegerField(default=0)
    recording = Recording(part_of="rotation", team="rotation.team_id")

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return f"{self.position}. {self.user}"


class OverrideQuerySet(RecordedQuerySet["Override"]):
    def current(self, at: datetime) -> Self:
        return self.filter(starts_at__lte=at, ends_at__gt=at)

    def not_over(self, at: datetime) -> Self:
        return self.filter(ends_at__gt=at)

    def in_order_of_creation(self) -> Self:
        """The order in which they win over each other: the last one does."""
        return self.order_by("created_at", "pk")


class Override(Recorded):
    """This person (or nobody) instead of whoever is on call in a rotation, from, until."""

    rotation = models.ForeignKey(Rotation, on_delete=models.CASCADE, related_name="overrides")
    user = models.ForeignKey(
        User,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="overrides",
        help_text="Empty: nobody is on call then, on purpose.",
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="At this minute the rotation goes on as planned.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        User, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    objects = OverrideQuerySet.as_manager()  # type: ignore[misc]
    recording = Recording(part_of="rotation", team="rotation.team_id")

    class Meta:
        ordering = ["-starts_at", "-pk"]
        indexes = [models.Index(fields=["rotation", "ends_at"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(starts_at__lte=F("ends_at")), name="override_not_backwards"
            ),
        ]

    def __str__(self) -> str:
        who = self.user or "nobody"
        begins = self.starts_at.astimezone(UTC)
        return f"{who} in {self.rotation} from {begins:%Y-%m-%d %H:%M} UTC"

    def clean(self) -> None:
        super().clean()
        if self.starts_at and self.ends_at and self.starts_at > self.ends_at:
            raise ValidationError({"ends_at": "An override must end after it starts."})

    def overlapping(self) -> OverrideQuerySet:
        """The others of the same rotation that share some time with it."""
        others = Override.objects.filter(rotation=self.rotation).exclude(pk=self.pk)
        lasting = others.filter(starts_at__lt=F("ends_at"))
        return lasting.filter(starts_at__lt=self.ends_at, ends_at__gt=self.starts_at)


class ShiftRecord(models.Model):
    """A stretch that has ended, as it really was: no later edit changes it."""

    rotation = models.ForeignKey(Rotation, on_delete=models.CASCADE, related_name="records")
    user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="shift_records"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    is_cover = models.BooleanField(default=False)
    instead_of = models.JSONField(default=list, help_text="Whose turn it was: ids of people.")
    why = models.CharField(max_length=10, blank=True, help_text="Why nobody was on call.")

    class Meta:
        ordering = ["starts_at", "pk"]
        indexes = [models.Index(fields=["rotation", "ends_at"])]
        constraints = [
            models.UniqueConstraint(fields=["rotation", "starts_at"], name="record_starts_once"),
            models.CheckConstraint(
                condition=Q(starts_at__lt=F("ends_at")), name="record_starts_before_it_ends"
            ),
        ]

    def __str__(self) -> str:
        who = self.user or "nobody"
        return f"{who} in {self.rotation} until {self.ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


class ScheduleChange(models.Model):
    """Somebody changed who is on call when: one line of the team's history."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="schedule_changes")
    rotation = models.ForeignKey(
        Rotation, null=True, on_delete=models.SET_NULL, related_name="changes"
    )
    at = models.DateTimeField()
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.TextField()

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["team", "-at"])]

    def __str__(self) -> str:
        return self.text


class SettingChange(models.Model):
    """Somebody changed a setting: what, from what, to what. Written by `recorded` alone."""

    at = models.DateTimeField(default=timezone.now)
    # Empty: PagerPal itself, or whoever ran a command on its server.
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_label = models.CharField("by", max_length=120)
    via = models.CharField(max_length=12, blank=True, help_text="admin, page, API or command")
    team = models.ForeignKey(Team, null=True, on_delete=models.SET_NULL, related_name="+")
    # On whose page it is read; of what is part of something larger, that ...
    about_model = models.CharField("kind", max_length=60)
    about_id = models.BigIntegerField()
    about_label = models.CharField("what", max_length=200)
    # ... and the row itself.
    model = models.CharField(max_length=60)
    row_id = models.BigIntegerField()
    row_label = models.CharField(max_length=200, blank=True)
    act = models.CharField(
        max_length=8,
        choices=[("added", "added"), ("changed", "changed"), ("removed", "removed")],
    )
    changes = models.JSONField(default=dict)  # {"handover_time": ["09:00:00", "10:00:00"]}

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["about_model", "about_id"], name="setting_change_about"),
            models.Index(fields=["model", "row_id"], name="setting_change_row"),
        ]

    def __str__(self) -> str:
        return f"{self.about_label}: {self.act} by {self.actor_label}"


class CalendarFeed(models.Model):
    """A secret link to a calendar: of one person, one team or one rotation."""

    user = models.OneToOneField(
        User, null=True, on_delete=models.CASCADE, related_name="calendar_feed"
    )
    team = models.OneToOneField(
        Team, null=True, on_delete=models.CASCADE, related_name="calendar_feed"
    )
    rotation = models.OneToOneField(
        Rotation, null=True, on_delete=models.CASCADE, related_name="calendar_feed"
    )
    version = models.PositiveIntegerField(default=1, help_text="A new link raises it.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, team=None, rotation=None)
                | Q(user=None, team__isnull=False, rotation=None)
                | Q(user=None, team=None, rotation__isnull=False),
                name="feed_of_exactly_one",
            ),
        ]

    def __str__(self) -> str:
        return f"calendar of {self.user or self.team or self.rotation}"
