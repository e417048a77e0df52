"""The link in messages: it answers without a login, and never by a GET."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError
from django.test import Client

from incidents import lifecycle, views
from incidents.answers import token_for
from incidents.models import Incident, Page
from pagerpal.testing import (
    NOON,
    make_admin,
    make_incident,
    make_policy,
    make_rotation,
    make_team,
    make_user,
    minutes,
)
from schedules.models import Membership, Override, User
from schedules.people import leave_team

pytestmark = pytest.mark.django_db
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def alice() -> User:
    return make_user("alice", time_zone="Europe/Berlin")


@pytest.fixture
def incident(alice: User) -> Incident:
    team = make_team("Platform", alice)
    return make_incident(team, title="Disk full", policy=make_policy(team, alice))


@pytest.fixture
def link(incident: Incident, alice: User) -> str:
    return f"/a/{token_for(incident.pk, alice.pk)}"


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_looking_never_acts(client: Client, incident: Incident, link: str, method: str) -> None:
    response = getattr(client, method)(link, headers=HTML)

    incident.refresh_from_db()
    assert response.status_code < 300
    assert incident.state == "triggered"
    assert not incident.timeline.exists()


def test_the_page_shows_what_and_for_whom_and_one_button(client: Client, link: str) -> None:
    response = client.get(link)

    text = " ".join(response.content.decode().split())
    assert "<bdi>Disk full</bdi>" in text
    assert "You answer as <strong><bdi>alice</bdi></strong>. Not you? Do nothing." in text
    assert text.count('class="main-act"') == 1
    assert 'name="act" value="acknowledge">Acknowledge<' in text
    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]


def test_a_post_without_a_word_acknowledges(client: Client, incident: Incident, link: str) -> None:
    response = client.post(link)

    incident.refresh_from_db()
    assert (response.status_code, response["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert response.content.decode() == f"#{incident.pk} is yours.\n"
    assert response["Access-Control-Allow-Origin"] == "*"
    assert incident.state == "acknowledged"
    assert incident.timeline.get().via == "link"


def test_a_body_of_any_kind_acknowledges(client: Client, incident: Incident, link: str) -> None:
    response = client.post(link, data=b"\xff\x00", content_type="application/json")

    incident.refresh_from_db()
    assert response.status_code == 200
    assert incident.state == "acknowledged"


def test_who_comes_second_is_told_who_was_first(
    client: Client, incident: Incident, link: str
) -> None:
    bob = make_user("bob")
    lifecycle.acknowledge(incident.pk, lifecycle.Actor.person(bob, "page"), now=NOON)

    response = client.post(link)

    assert response.status_code == 200
    assert response.content.decode() == "bob has it since 13:00 CET.\n"


@pytest.mark.parametrize(
    ("state", "act", "then"),
    [
        ("triggered", "acknowledge", "acknowledged"),
        ("acknowledged", "resolve", "resolved"),
        ("resolved", "reopen", "triggered"),
        ("acknowledged", "escalate", "triggered"),
    ],
)
def test_each_button_does_its_act_and_shows_the_page(
    client: Client, alice: User, state: str, act: str, then: str
) -> None:
    incident = make_incident(make_team("Web", alice), state=state)
    link = f"/a/{token_for(incident.pk, alice.pk)}"

    response = client.post(link, {"act": act}, headers=HTML)

    incident.refresh_from_db()
    assert incident.state == then
    assert response.status_code == 200
    assert "<h1>" in response.content.decode()


@pytest.mark.parametrize(
    ("state", "button"),
    [("triggered", "acknowledge"), ("acknowledged", "resolve"), ("resolved", "reopen")],
)
def test_the_big_button_is_the_next_act(
    client: Client, alice: User, state: str, button: str
) -> None:
    incident = make_incident(make_team("Web", alice), state=state)

    text = client.get(f"/a/{token_for(incident.pk, alice.pk)}").content.decode()

    assert f'class="main-act" name="act" value="{button}"' in text


def test_resolving_what_another_has_asks_once(
    client: Client, incident: Incident, link: str
) -> None:
    bob = make_user("bob")
    lifecycle.acknowledge(incident.pk, lifecycle.Actor.person(bob, "page"), now=NOON)

    text = client.post(link, {"act": "acknowledge"}, headers=HTML).content.decode()

    assert "<summary>Resolve</summary>" in text
    assert "<bdi>bob</bdi> has it. Resolve it all the same?" in text
    assert text.count('class="main-act"') == 1  # folded away until it is asked for


def test_an_unknown_word_changes_nothing(client: Client, incident: Incident, link: str) -> None:
    response = client.post(link, {"act": "explode"})

    incident.refresh_from_db()
    assert response.status_code == 400
    assert "acknowledge, resolve, reopen, escalate" in response.content.decode()
    assert incident.state == "triggered"


@pytest.mark.parametrize("token", ["x", "1-1.forged", "%00", "9" * 400])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_forged_link_is_not_found(client: Client, token: str, method: str) -> None:
    assert getattr(client, method)(f"/a/{token}").status_code == 404


def test_a_changed_token_is_not_found(client: Client, incident: Incident, link: str) -> None:
    response = client.post(link[:-1] + ("A" if link[-1] != "A" else "B"))

    incident.refresh_from_db()
    assert response.status_code == 404
    assert incident.state == "triggered"


def test_a_link_expires_a_day_after_the_resolve(client: Client, alice: User) -> None:
    gone = NOON - minutes(24 * 60 + 1)
    incident = make_incident(make_team("Web", alice), state="resolved", resolved_at=gone)
    link = f"/a/{token_for(incident.pk, alice.pk)}"

    posted, looked = client.post(link, {"act": "reopen"}), client.get(link)

    incident.refresh_from_db()
    assert (posted.status_code, looked.status_code) == (410, 410)
    assert incident.state == "resolved"


def test_the_link_of_somebody_switched_off_has_expired(
    client: Client, incident: Incident, alice: User, link: str
) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert client.post(link).status_code == 410


def paged(incident: Incident, user: User) -> str:
    """Their link, in a page that they got."""
    facts = {"episode": 1, "round": 0, "step": "1", "label": "step 1", "created_at": NOON}
    Page.objects.create(incident=incident, user=user, **facts)
    return f"/a/{token_for(incident.pk, user.pk)}"


def test_the_link_of_somebody_who_left_the_team_has_expired(
    client: Client, alice: User, incident: Incident
) -> None:
    bob = make_user("bob")
    membership = Membership.objects.create(team=incident.team, user=bob)
    link = paged(incident, bob)
    leave_team(membership, alice, now=NOON)

    response = client.post(link)

    incident.refresh_from_db()
    assert response.status_code == 410
    assert incident.state == "triggered"


@pytest.mark.parametrize("place", ["lead", "observer", "step", "rotation", "cover", "fallback"])
def test_whoever_is_still_called_for_the_team_keeps_their_link(
    client: Client, alice: User, place: str
) -> None:
    bob = make_user("bob")
    team = make_team("Web", alice)
    policy = make_policy(team, bob if place == "step" else alice)
    rotation = make_rotation(team, bob if place == "rotation" else alice)
    policy.steps.get().rotations.add(rotation)
    if place in {"lead", "observer"}:
        Membership.objects.create(team=team, user=bob, role=place)
    if place == "cover":
        hours = {"starts_at": NOON - minutes(60), "ends_at": NOON + minutes(60)}
        Override.objects.create(rotation=rotation, user=bob, **hours)
    if place == "fallback":
        team.fallback_people.add(bob)

    response = client.post(paged(make_incident(team, policy=policy), bob))

    assert response.status_code == 200


def test_an_admin_needs_no_place_in_the_team(client: Client) -> None:
    incident, root = make_incident(), make_admin()

    assert client.post(f"/a/{token_for(incident.pk, root.pk)}").status_code == 200


def test_being_named_is_not_enough_without_having_been_paged(client: Client, alice: User) -> None:
    bob, team = make_user("bob"), make_team("Web", alice)
    incident = make_incident(team, policy=make_policy(team, bob))

    assert client.post(f"/a/{token_for(incident.pk, bob.pk)}").status_code == 410


def test_with_a_cookie_and_no_database_a_link_still_says_try_again(
    client: Client, alice: User, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_away(*_: Any, **__: Any) -> Any:
        raise OperationalError("the server is away")

    client.force_login(alice)
    monkeypatch.setattr(SessionStore, "load", is_away)
    monkeypatch.setattr(views, "read_token", is_away)

    posted, looked = client.post(link), client.get(link, headers=HTML)

    assert (posted.status_code, looked.status_code) == (503, 503)


@pytest.mark.parametrize("headers", [HTML, {}])
def test_what_could_not_be_stored_is_said_so(
    client: Client, link: str, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise OperationalError("database is locked")

    monkeypatch.setattr(lifecycle, "acknowledge", fails)

    response = client.post(link, headers=headers)

    assert response.status_code == 503
    assert "could NOT be stored" in response.content.decode()


def test_a_refused_act_says_why(client: Client, link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise lifecycle.Refused("Look at #7 instead.")

    monkeypatch.setattr(lifecycle, "acknowledge", refuse)

    response = client.post(link)

    assert (response.status_code, response.content) == (409, b"Look at #7 instead.\n")


def test_other_pages_may_ask_first(client: Client, link: str) -> None:
    response = client.options(link)

    assert response.status_code == 204
    assert "POST" in response["Access-Control-Allow-Methods"]
    assert response["Access-Control-Allow-Origin"] == "*"


def test_no_cookie_and_no_secret_is_handed_out(client: Client, link: str) -> None:
    response = client.get(link)

    assert not response.cookies
    assert "csrf" not in response.content.decode().lower()


def test_times_are_in_the_receivers_zone(client: Client, link: str) -> None:
    text = client.get(link).content.decode()

    assert ">13:00</time>" in text
    assert "Europe/Berlin" in text


def test_a_hostile_title_is_text_here_too(client: Client, alice: User) -> None:
    incident = make_incident(make_team("Web", alice), title="<script>x</script>")

    text = client.get(f"/a/{token_for(incident.pk, alice.pk)}").content.decode()

    assert "<script>x" not in text
    assert "<bdi>&lt;script&gt;" in text
