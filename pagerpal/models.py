"""The rows of the wiring: workers that are alive, sign-ins and what guards them."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from schedules.models import Team
from schedules.recorded import Recorded, Recording


class WorkerHeartbeat(models.Model):
    """A worker process and when it last did its rounds; written by the worker itself."""

    name = models.CharField(max_length=120, unique=True)  # host and process id
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    # What the last sweep saw: how long it took and what waits.
    sweep_ms = models.PositiveIntegerField(default=0)
    waiting = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class SignIn(models.Model):
    """A browser in which somebody is signed in: what they see of it, and may end."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_ins"
    )
    session_key = models.CharField(max_length=40, unique=True)
    browser = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=45, blank=True)
    at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-seen_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.user} at {self.at:%Y-%m-%d %H:%M} UTC"


class TryCount(models.Model):
    """How many tries somebody or some address had since the window began."""

    # Hashed: a table of who tried to sign in as whom is nobody's to read.
    key_hash = models.CharField(max_length=64, unique=True)
    tries = models.PositiveIntegerField(default=0)
    began_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["began_at"])]

    def __str__(self) -> str:
        return f"{self.tries} tries since {self.began_at:%Y-%m-%d %H:%M} UTC"


class SiteFact(models.Model):
    """Something that was seen to be true of this installation: since when, and when last."""

    class Name(models.TextChoices):
        LINK_OPENED = "link-opened", "a message's link was opened from elsewhere"
        HEALTH_ASKED = "health-asked", "/health was asked from elsewhere"
        LIST_HIDDEN = "list-hidden", "the set-up list is hidden"
        BEAT_SENT = "beat-sent", "the outgoing heartbeat was taken"
        BEAT_FAILED = "beat-failed", "the outgoing heartbeat was not taken"
        BEAT_WITHHELD = "beat-withheld", "the outgoing heartbeat was withheld"

    name = models.CharField(max_length=24, choices=Name, unique=True)
    since = models.DateTimeField()
    at = models.DateTimeField()
    address = models.CharField(max_length=45, blank=True)
    # Why, or what somebody said.
    words = models.CharField(max_length=300, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(at__gte=models.F("since")), name="site_fact_at_after_since"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_name_display()}, last at {self.at:%Y-%m-%d %H:%M} UTC"


class SecondFactor(Recorded):
    """An app on somebody's phone, whose codes they enter after the password."""

    recording = Recording(
        part_of="user", secret=frozenset({"secret"}), without=frozenset({"last_step", "since"})
    )

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="second_factor"
    )
    secret = models.CharField(max_length=64)
    # No code works twice: the last one that did was of this half minute.
    last_step = models.BigIntegerField(default=0)
    since = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"second factor of {self.user}"


class RecoveryCode(models.Model):
    """A code that stands in for the app, once; it is deleted by its use."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="recovery_codes"
    )
    code_hash = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "code_hash"], name="recovery_code_once")
        ]

    def __str__(self) -> str:
        return f"recovery code of {self.user}"


class TeamToken(Recorded):
    """A secret that a team shares: whoever has it sees and answers what is that team's."""

    recording = Recording(
        part_of="team",
        team="team_id",
        secret=frozenset({"token_hash"}),
        without=frozenset({"made_at"}),
    )

    team = models.OneToOneField(Team, on_delete=models.CASCADE, related_name="token")
    token_hash = models.CharField(max_length=64, unique=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="team_tokens"
    )
    made_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"team token of {self.team}"


class ApiToken(Recorded):
    """A secret with which a program acts as its person, until it expires or is revoked."""

    recording = Recording(
        part_of="user",
        secret=frozenset({"token_hash"}),
        without=frozenset({"hint", "created_at", "last_used_at"}),
    )

    class Scope(models.TextChoices):
        READ = "read", "only reads"
        WRITE = "write", "reads and writes"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=80)
    token_hash = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=4)
    scope = models.CharField(max_length=5, choices=Scope.choices, default=Scope.READ)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name = "API token"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scope__in=["read", "write"]), name="api_token_scope_known"
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")),
                name="api_token_ends_after_it_began",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"

    @property
    def masked(self) -> str:
        return f"pp_…{self.hint}"


class GivenAnswer(models.Model):
    """What a call with an Idempotency-Key was answered, for whoever sends the same call again."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    route = models.CharField(max_length=200)
    key_hash = models.CharField(max_length=64)
    body_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    answer = models.TextField(default="")
    # The answer holds a secret: it is locked with the key, which is not stored.
    is_locked = models.BooleanField(default=False)
    at = models.DateTimeField(default=timezone.now)

    KEPT = timedelta(hours=24)

    class Meta:
        indexes = [models.Index(fields=["at"])]
        constraints = [
            models.UniqueConstraint(fields=["user", "route", "key_hash"], name="one_answer_a_key")
        ]

    def __str__(self) -> str:
        return f"{self.route} at {self.at:%Y-%m-%d %H:%M} UTC"
