"""What the tests build with: plain builders, a recorder that plays the channels, time as text."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import hypothesis
import pytest

from alertsources.models import AlertSource
from alertsources.tasks import JOBS
from incidents import engine, rounds
from incidents.models import EscalationPolicy, EscalationStep, Incident
from incidents.searching import search_text
from notifications import dispatch
from notifications.channels import base
from notifications.channels.base import Channel, Deadline, Message, Receipt, Report, SendError
from notifications.models import ContactMethod, TeamChannel
from schedules.models import Membership, Rotation, RotationMember, Team, User

# On a busy machine anything may take 200 ms.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

FIVE_MINUTES = timedelta(minutes=5)
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday


def at(text: str, zone: str = "UTC") -> datetime:
    """`at("2026-03-29 01:30", "Europe/Berlin")`, as UTC; `fold=1` by a trailing `*`."""
    local = datetime.fromisoformat(text.rstrip("*")).replace(
        tzinfo=ZoneInfo(zone), fold=int(text.endswith("*"))
    )
    return local.astimezone(UTC)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def make_user(
    name: str = "alice", *, ntfy: bool = True, email: bool = False, **fields: Any
) -> User:
    """A person who can be paged: by an ntfy topic, and by mail if asked."""
    user = User.objects.create_user(
        fields.pop("address", f"{name}@example.org"),
        fields.pop("password", None),
        name=name,
        **fields,
    )
    if ntfy:
        ContactMethod.objects.create(user=user, channel="ntfy", address=f"topic-{name}")
    if email:
        ContactMethod.objects.create(user=user, channel="email", address=user.email)
    return user


def make_admin(name: str = "root", **fields: Any) -> User:
    return make_user(name, ntfy=False, is_staff=True, is_superuser=True, **fields)


def make_team(
    name: str = "Platform", *people: User, leads: tuple[User, ...] = (), **fields: Any
) -> Team:
    team = Team.objects.create(name=name, **fields)
    for user in people:
        Membership.objects.create(team=team, user=user)
    for user in leads:
        Membership.objects.create(team=team, user=user, role=Membership.Role.LEAD)
    return team


def make_channel(team: Team, name: str = "#ops", **fields: Any) -> TeamChannel:
    """An ntfy topic of the team, unless told otherwise, that wants to hear of nothing."""
    values: dict[str, Any] = {"channel": "ntfy", "address": f"room-{name.strip('#')}", **fields}
    return TeamChannel.objects.create(team=team, name=name, **values)


def make_rotation(team: Team, *people: User, **fields: Any) -> Rotation:
    """Weekly from Monday 2026-11-02, 09:00 UTC, unless told otherwise."""
    values: dict[str, Any] = {
        "name": "primary",
        "starts_on": date(2026, 11, 2),
        "handover_time": time(9),
        **fields,
    }
    rotation = Rotation.objects.create(team=team, **values)
    for place, user in enumerate(people):
        RotationMember.objects.create(rotation=rotation, user=user, position=place)
    return rotation


def make_policy(
    team: Team,
    *steps: Rotation | User | TeamChannel | str | list[User],
    delay: timedelta = FIVE_MINUTES,
    **fields: Any,
) -> EscalationPolicy:
    """One step per argument: a rotation, a person, people, a room, or "team"."""
    policy = EscalationPolicy.objects.create(team=team, **{"is_default": True, **fields})
    for place, target in enumerate(steps):
        step = EscalationStep.objects.create(
            policy=policy, position=place, delay=delay, whole_team=target == "team"
        )
        if isinstance(target, Rotation):
            step.rotations.add(target)
        elif isinstance(target, User):
            step.people.add(target)
        elif isinstance(target, TeamChannel):
            step.channels.add(target)
        elif isinstance(target, list):
            step.people.add(*target)
    return policy


def make_source(team: Team, *, key: str = "k" * 32, **fields: Any) -> AlertSource:
    from alertsources.keys import hashed  # the models above load without it

    values: dict[str, Any] = {"name": f"source-{secrets.token_hex(3)}", "kind": "generic", **fields}
    return AlertSource.objects.create(team=team, key_hash=hashed(key), key_hint=key[-4:], **values)


def call_api(
    who: User | str | None, method: str, path: str, body: Any = None, **headers: str
) -> Any:
    """What /api/v1 answers a program of this person, or one with this token."""
    import json

    from django.test import Client
    from django.utils import timezone

    from pagerpal.api import tokens  # the models above load without it

    if isinstance(who, User):
        made = tokens.make(who, "test", scope="write", days=9, now=timezone.now())
        who = made[1]
    if who:
        headers["Authorization"] = f"Bearer {who}"
    text = body if isinstance(body, str) else json.dumps(body) if body is not None else ""
    client = Client(raise_request_exception=False)
    kind = "application/json"
    return client.generic(method, f"/api/v1/{path}", text, content_type=kind, headers=headers)


def make_incident(team: Team | None = None, *, now: datetime = NOON, **fields: Any) -> Incident:
    """A row as lifecycle would have written it, in any state, without its history."""
    state = fields.get("state", "triggered")
    values: dict[str, Any] = {"title": "Disk full", "opened_at": now, **fields}
    if state == "triggered" and values.get("urgency") != "none":
        values.setdefault("escalate_at", now)
    if state == "acknowledged":
        values.setdefault("acknowledged_at", now)
    if state == "resolved":
        values.setdefault("resolved_at", now)
    said = (values["title"], values.get("detail", ""), values.get("labels", {}))
    values.setdefault("search_text", search_text(*said))
    return Incident.objects.create(team=team or make_team(f"Team {secrets.token_hex(3)}"), **values)


class RecordingChannel:
    """Plays one channel: keeps what it was asked to send, or fails as it is told to."""

    label: ClassVar[str] = "Recorder"
    address_label: ClassVar[str] = "Address"
    example_address: ClassVar[str] = "topic-alice"

    def __init__(self, played: Channel, recorder: Recorder) -> None:
        self.slug, self.kind = played.slug, played.kind
        self.receipt_within = getattr(played, "receipt_within", None)
        self.carrier = getattr(played, "carrier", None)
        self.recorder = recorder

    def needs(self) -> list[str]:
        return []

    def clean_address(self, text: str) -> str:
        return text

    def send(self, message: Message, address: str, deadline: Deadline) -> Receipt:
        return self.recorder.accept(self.slug, address, message)

    def ask(self, provider_id: str, deadline: Deadline) -> Report | None:
        return self.recorder.reports.get(provider_id)


class Recorder:
    """Every message of a test, in order. Messages nobody asked for fail the test at its end."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, Message]] = []
        self.failures: list[tuple[str, SendError]] = []
        self.broken: dict[str, SendError] = {}
        self.on_send: Callable[[Message], None] | None = None
        self.reports: dict[str, Report] = {}

    def accept(self, channel: str, address: str, message: Message) -> Receipt:
        if self.on_send:
            self.on_send(message)
        if channel in self.broken:
            self.failures.append((address, self.broken[channel]))
            raise self.broken[channel]
        self.messages.append((channel, address, message))
        return Receipt(provider_id=f"id-{len(self.messages)}", text="ok")

    def take(self, address: str, channel: str = "ntfy") -> Message:
        """The oldest message to this address; fails when there is none."""
        for place, (sent_by, sent_to, message) in enumerate(self.messages):
            if (sent_by, sent_to) == (channel, address):
                del self.messages[place]
                return message
        raise AssertionError(f"no {channel} message to {address}; there are: {self.summary()}")

    def take_all(self) -> list[tuple[str, str, Message]]:
        taken, self.messages = self.messages, []
        return taken

    def expect_none(self) -> None:
        assert not self.messages, f"messages nobody expected: {self.summary()}"

    def summary(self) -> list[str]:
        return [f"{channel} to {to}: {m.title}" for channel, to, m in self.messages]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Recorder]:
    """Sending is on and every channel is the recorder; at the end nothing may be left in it."""
    settings.NOTIFICATION_SENDING_ENABLED = True
    playing = Recorder()
    for slug, channel in list(base.registry.items()):
        monkeypatch.setitem(base.registry, slug, RecordingChannel(channel, playing))
    yield playing
    playing.expect_none()


def _is_loopback(address: Any) -> bool:
    if not isinstance(address, tuple):
        return True  # a UNIX socket
    host = address[0]
    if host in {"localhost", ""}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def _only_loopback() -> Iterator[None]:
    """No test reaches another machine."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(real: Any) -> Any:
        def call(self: socket.socket, address: Any) -> Any:
            if not _is_loopback(address):
                raise AssertionError(f"a test tried to reach {address}")
            return real(self, address)

        return call

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded(connect))
    patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
    yield
    patch.undo()


def look_around(now: datetime) -> None:
    """Make the rounds that are due at `now`, all of which must succeed, and send what follows."""
    made = rounds.make(JOBS, now)
    assert not {"records", "handovers"} - set(made), "a round failed, or came too early"
    run_worker(now)


def run_worker(now: datetime) -> None:
    """Do all that is due at `now`, as the worker's tasks would, until nothing more happens."""
    for _ in range(200):
        stepped = engine.run_best_due(now)
        if stepped and stepped.first_pk is not None:
            dispatch.send_one(stepped.first_pk, now=now, seconds=8)
        sent = dispatch.send_best_due(now, seconds=8)
        if not stepped and not sent:
            return
    raise AssertionError("work that never ends")
