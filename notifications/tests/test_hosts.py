"""A host that hangs keeps nothing from the others, even where one channel calls them all."""

from __future__ import annotations

from typing import Any

import pytest

from notifications import dispatch, trials
from notifications.channels.base import Deadline, Message, Receipt, SendError, carrier, registry
from notifications.models import Notification, ProviderState, TeamChannel
from notifications.tests.servers import Reply, provider
from pagerpal.testing import NOON, Recorder, make_channel, make_team, seconds
from schedules.models import Team

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("kind", "address", "name"),
    [
        ("webhook", "https://tools.example.org/in", "webhook@tools.example.or"),
        ("slack", "https://hooks.slack.com/services/T0", "slack@hooks.slack.com"),
        ("apprise", "gotifys://push.example.org/A3f9xk2m", "apprise@gotifys"),
        ("ntfy", "topic-alice", ""),
        ("email", "a@example.org", ""),
    ],
)
def test_each_host_is_a_provider_by_itself(kind: str, address: str, name: str) -> None:
    assert carrier(kind, address) == name


@pytest.fixture
def team() -> Team:
    return make_team("Platform")


def webhook(team: Team, name: str, url: str) -> TeamChannel:
    return make_channel(team, name, channel="webhook", address=url)


def try_once(room: TeamChannel, second: float) -> Notification:
    now = NOON + seconds(second)
    written = trials.try_channel(room, now=now)
    assert written.first_pk is not None
    dispatch.send_one(written.first_pk, now=now, seconds=5)
    return Notification.objects.get(pk=written.first_pk)


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # given up at any point
def test_a_webhook_that_hangs_leaves_those_elsewhere_alone(
    recorder: Recorder, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = registry["webhook"].send

    def send(message: Message, address: str, deadline: Deadline) -> Receipt:
        if "hangs" in address:
            raise SendError("no answer within 8 s", timed_out=True)
        return played(message, address, deadline)

    monkeypatch.setattr(registry["webhook"], "send", send)
    bad = webhook(team, "#bad", "https://hangs.example.org/in")
    good = webhook(team, "#good", "https://fine.example.org/in")

    rows = [try_once(bad, second) for second in range(4)]
    delivered = try_once(good, 5)

    assert [row.attempts for row in rows] == [1, 1, 1, 0]  # put off: its breaker is open
    assert (delivered.state, delivered.provider) == ("sent", "webhook@fine.example.org")
    opened = ProviderState.objects.filter(probe_at__isnull=False)
    assert [state.provider for state in opened] == ["webhook@hangs.example.or"]
    recorder.take_all()


def test_a_try_again_goes_to_the_same_host(settings: Any, team: Team) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = True
    with provider(Reply(500, ""), Reply(204, "")) as server:
        row = try_once(webhook(team, "#x", server.url), 0)
        named = row.provider
        dispatch.send_one(row.pk, now=row.due_at, seconds=5)

    row.refresh_from_db()
    assert (row.state, row.attempts) == ("sent", 2)
    assert row.provider == named != "webhook"
