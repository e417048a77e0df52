"""The link that takes everything that one message said."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from incidents.models import Incident
from notifications import bundles
from notifications.models import Bundle, Notification
from pagerpal.testing import make_incident, make_team, make_user, minutes
from schedules.models import Team, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def team(alice: User) -> Team:
    return make_team("Platform", alice)


def link(user: User, *incidents: Incident) -> str:
    """As one message to this person about all of these has it."""
    lead = Notification.objects.create(
        purpose="page",
        thread=incidents[0].thread,
        key=f"page:{incidents[0].pk}",
        user=user,
        channel="ntfy",
        address="topic",
        due_at=timezone.now(),
    )
    threads = [one.thread for one in incidents]
    bundle = Bundle.objects.create(lead=lead, threads=threads, created_at=timezone.now())
    return f"/a/all-{bundles.token_for(bundle)}"


def states(*incidents: Incident) -> list[str]:
    return [Incident.objects.get(pk=one.pk).state for one in incidents]


def test_one_tap_takes_exactly_what_the_message_said(
    client: Client, alice: User, team: Team
) -> None:
    first, second, other = (make_incident(team) for _ in range(3))

    response = client.post(link(alice, second, first))

    assert response.content.decode() == f"#{first.pk}, #{second.pk} are yours.\n"
    assert states(first, second, other) == ["acknowledged", "acknowledged", "triggered"]
    assert Incident.objects.get(pk=first.pk).owner == alice


def test_looking_at_it_changes_nothing(client: Client, alice: User, team: Team) -> None:
    incidents = make_incident(team, title="Disk full"), make_incident(team)

    page = client.get(link(alice, *incidents)).content.decode()

    assert "2 incidents wait for an answer" in page
    assert "Disk full" in page
    assert "Acknowledge all 2" in page
    assert states(*incidents) == ["triggered", "triggered"]


def test_it_says_who_was_first(client: Client, alice: User, team: Team) -> None:
    mine, theirs = (
        make_incident(team),
        make_incident(team, state="acknowledged", owner=make_user("bob"), now=timezone.now()),
    )

    said = client.post(link(alice, mine, theirs)).content.decode()

    assert f"#{mine.pk} is yours." in said
    assert "bob" in said


def test_taken_twice_is_taken_once(client: Client, alice: User, team: Team) -> None:
    incident = make_incident(team)
    path = link(alice, incident)

    client.post(path)
    again = client.post(path, headers={"Accept": "text/html"})

    assert again.status_code == 200
    assert "Nothing waits for an answer" in again.content.decode()
    assert incident.timeline.filter(kind="acknowledged").count() == 1


def test_what_was_changed_in_it_is_no_token(client: Client, alice: User, team: Team) -> None:
    incident = make_incident(team)

    response = client.post(f"{link(alice, incident)}x")

    assert response.status_code == 404
    assert states(incident) == ["triggered"]


@pytest.mark.parametrize("why", ["left", "off", "resolved"])
def test_it_expires_like_the_link_to_each(
    client: Client, alice: User, team: Team, why: str
) -> None:
    incident = make_incident(team)
    path = link(alice, incident)
    if why == "left":
        team.memberships.all().delete()
    elif why == "off":
        User.objects.filter(pk=alice.pk).update(is_active=False)
    else:
        long_ago = timezone.now() - minutes(25 * 60)
        Incident.objects.update(state="resolved", resolved_at=long_ago, escalate_at=None)

    assert client.post(path).status_code == 410
    assert states(incident) == ["resolved" if why == "resolved" else "triggered"]


def test_what_is_no_incident_is_passed_over(client: Client, alice: User, team: Team) -> None:
    incident = make_incident(team)
    path = link(alice, incident)
    Bundle.objects.update(threads=[incident.thread, "person:7", "incident:4711", "incident:x"])

    assert client.post(path).content.decode() == f"#{incident.pk} is yours.\n"


def test_a_database_that_is_away_is_said(
    client: Client, alice: User, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr("incidents.answer_all.perform_all", away)

    response = client.post(link(alice, make_incident(team)))

    assert response.status_code == 503
    assert "could NOT be stored" in response.content.decode()


def test_a_page_may_call_it_from_elsewhere(client: Client, alice: User, team: Team) -> None:
    response = client.options(link(alice, make_incident(team)))

    assert response.status_code == 204
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Referrer-Policy"] == "no-referrer"
