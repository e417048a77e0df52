"""Whoever may answer an incident can have a message of it sent again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine
from django.test import Client

from incidents.models import Incident
from incidents.resending import offered
from notifications.models import Notification
from pagerpal.testing import (
    NOON,
    Recorder,
    make_incident,
    make_policy,
    make_team,
    make_user,
    run_worker,
    seconds,
)
from schedules.models import Membership, Team, User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _soon_after() -> Iterator[None]:
    with time_machine.travel(NOON + seconds(10), tick=False):
        yield


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def team(alice: User) -> Team:
    return make_team("Platform", alice)


@pytest.fixture
def incident(team: Team, recorder: Recorder) -> Incident:
    """One whose page has reached alice."""
    incident = make_incident(team, policy=make_policy(team, "team"))
    run_worker(NOON)
    recorder.take_all()
    return incident


def sent(incident: Incident) -> Notification:
    found = Notification.objects.filter(thread=incident.thread, state="sent").first()
    assert found is not None
    return found


def press(client: Client, incident: Incident, row: Notification, **extra: str) -> str:
    url = f"/incidents/{incident.pk}/deliveries/{row.pk}/again"
    return client.post(url, follow=True, **extra).content.decode()  # type: ignore[arg-type]


def test_a_responder_has_it_sent_again_to_the_same_address(
    client: Client, incident: Incident, alice: User, recorder: Recorder
) -> None:
    client.force_login(alice)
    row = sent(incident)
    assert "Send again" in client.get(f"/incidents/{incident.pk}").content.decode()

    page = press(client, incident, row)
    again = Notification.objects.get(key=f"{row.key}/again:1")
    run_worker(again.due_at)

    assert "to alice is being sent again." in page
    assert recorder.take("topic-alice").title.startswith("[high] Disk full")
    assert incident.timeline.filter(actor=alice, text__endswith="to alice sent again.").exists()


def test_with_htmx_the_news_comes_with_the_fragments(
    client: Client, incident: Incident, alice: User
) -> None:
    client.force_login(alice)

    page = press(client, incident, sent(incident), HTTP_HX_REQUEST="true")

    assert 'id="news"' in page
    assert 'id="deliveries"' in page


def test_an_observer_may_not_and_a_stranger_sees_nothing(
    client: Client, incident: Incident, team: Team
) -> None:
    observer = make_user("olga")
    Membership.objects.create(team=team, user=observer, role=Membership.Role.OBSERVER)
    row = sent(incident)
    url = f"/incidents/{incident.pk}/deliveries/{row.pk}/again"

    client.force_login(observer)
    assert "Send again" not in client.get(f"/incidents/{incident.pk}").content.decode()
    assert client.post(url).status_code == 403
    client.force_login(make_user("stranger"))
    assert client.post(url).status_code == 404
    assert not Notification.objects.filter(key__contains="/again:").exists()


def test_a_message_of_another_incident_is_not_sent(
    client: Client, incident: Incident, team: Team, alice: User
) -> None:
    client.force_login(alice)
    other = make_incident(team)

    page = press(client, other, sent(incident))

    assert "That message cannot be sent again now." in page
    assert not Notification.objects.filter(key__contains="/again:").exists()


@pytest.mark.parametrize(
    ("state", "purpose", "incident_state", "may"),
    [
        ("failed", "page", "triggered", True),
        ("held", "page", "triggered", True),
        ("delivered", "page", "triggered", True),
        ("pending", "page", "triggered", False),
        ("cancelled", "page", "triggered", False),
        ("failed", "page", "acknowledged", False),
        ("failed", "growth", "acknowledged", True),
        ("failed", "update", "resolved", False),
    ],
)
def test_what_still_holds_can_be_said_again(
    state: str, purpose: str, incident_state: str, may: bool
) -> None:
    row = Notification(state=state, purpose=purpose)

    assert offered(Incident(state=incident_state), row) is may


def test_a_program_that_missed_the_end_can_be_told_later() -> None:
    row = Notification(state="failed", purpose="update", channel="webhook", team_channel_id=1)

    assert offered(Incident(state="resolved"), row)


def test_an_order_to_clear_a_phone_is_not_sent_again() -> None:
    row = Notification(state="sent", purpose="update", context={"clears": "k"})

    assert not offered(Incident(state="triggered"), row)
