"""The first page: who is on call, what is open, whether PagerPal works, what is left to set up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, time
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alertsources.models import Alert
from incidents.models import Incident
from notifications.models import Notification
from pagerpal.models import WorkerHeartbeat
from pagerpal.testing import (
    NOON,
    make_admin,
    make_incident,
    make_rotation,
    make_source,
    make_team,
    make_user,
    minutes,
)
from schedules.models import Override, Rotation, RotationWindow, Team, User

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def alice() -> User:
    return make_user("alice", time_zone="Europe/Berlin")


@pytest.fixture
def page(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def cover(rotation: Rotation, user: User | None, length: int) -> None:
    """From five minutes ago, for so many minutes from now."""
    start, end = NOON - minutes(5), NOON + minutes(length)
    Override.objects.create(rotation=rotation, user=user, starts_at=start, ends_at=end)


def beat() -> None:
    now = timezone.now()
    WorkerHeartbeat.objects.create(name="host-1", started_at=now, beat_at=now)


def make_alert(team: Team) -> Alert:
    return Alert.objects.create(
        source=make_source(team),
        key="a",
        live_key="a" * 64,
        group_digest="b" * 64,
        title="Disk full",
        severity="high",
        first_at=NOON,
        last_at=NOON,
    )


@pytest.mark.parametrize("address", ["/", "/dashboard"])
def test_the_dashboard_needs_a_login(client: Client, address: str) -> None:
    assert client.get(address)["Location"].startswith("/login")


def test_it_says_that_i_am_on_call_and_until_when(page: Client, alice: User) -> None:
    bob = make_user("bob")
    make_rotation(make_team("Platform", alice, bob), bob, alice)

    text = words(page.get("/"))

    # Weekly from 2 November: the fourth week is alice's; 09:00 UTC is 10:00 in Berlin.
    assert "YOU are on call</strong> for <strong><bdi>Platform</bdi></strong>" in text
    assert ">Mon 30 Nov 10:00</time>. Then <bdi>bob</bdi>." in text


def test_whoever_covers_in_a_team_that_is_not_theirs_is_told_too(page: Client, alice: User) -> None:
    rotation = make_rotation(make_team("Strangers"), make_user("carol"))
    cover(rotation, alice, 60)

    assert "YOU are on call</strong> for <strong><bdi>Strangers" in words(page.get("/"))


def test_a_gap_is_called_nobody(page: Client, alice: User) -> None:
    make_rotation(make_team("Platform", alice), alice, starts_on=date(2026, 11, 24))

    text = words(page.get("/"))

    assert '<strong class="nobody">NOBODY</strong> until' in text
    assert ">Tue 10:00</time>. Then <bdi>alice</bdi>." in text


def test_nobody_on_purpose_is_no_gap(page: Client, alice: User) -> None:
    rotation = make_rotation(make_team("Platform", alice), alice)
    cover(rotation, None, 60)

    text = words(page.get("/"))

    assert "NOBODY" not in text
    assert "Nobody, on purpose</span> until" in text
    assert ">14:00</time>. Then <bdi>alice</bdi>." in text


def test_time_outside_a_rotations_hours_is_no_gap(page: Client, alice: User) -> None:
    rotation = make_rotation(make_team("Platform", alice), alice)
    RotationWindow.objects.create(rotation=rotation, days="01", starts=time(9), ends=time(11))

    text = words(page.get("/"))

    assert "NOBODY" not in text
    assert "Outside its hours</span> until" in text
    assert ">Tue 10:00</time>. Then <bdi>alice</bdi>." in text


def test_whoever_goes_off_with_the_hours_sees_who_comes_on_with_them(
    page: Client, alice: User
) -> None:
    bob = make_user("bob")
    rotation = make_rotation(make_team("Platform", alice, bob), bob, alice, unit="days")
    RotationWindow.objects.create(rotation=rotation, days="01234", starts=time(9), ends=time(17))

    text = words(page.get("/"))

    # Every second day from 2 November: this Monday, the 22nd day, is alice's.
    assert "YOU are on call" in text
    assert "Then nobody, outside its hours; <bdi>bob</bdi> from" in text
    assert ">Tue 10:00</time>." in text


def test_many_rotations_cost_no_more_queries_than_one(
    page: Client, alice: User, django_assert_num_queries: Any
) -> None:
    team = make_team("Platform", alice)
    make_rotation(team, alice)
    page.get("/")
    with CaptureQueriesContext(connection) as with_one:
        page.get("/")
    for number in range(6):
        make_rotation(team, alice, make_user(f"person{number}"), name=f"number {number}")

    with django_assert_num_queries(len(with_one)):
        page.get("/")


def test_only_my_teams_are_shown_but_admins_see_all(client: Client, alice: User) -> None:
    make_rotation(make_team("Platform", alice), alice)
    make_rotation(make_team("Strangers"), make_user("carol"))

    client.force_login(alice)
    mine = words(client.get("/"))
    client.force_login(make_admin())
    every = words(client.get("/"))

    assert "Strangers" not in mine
    assert "Strangers" in every


def test_open_incidents_can_be_acknowledged_right_here(page: Client, alice: User) -> None:
    incident = make_incident(make_team("Platform", alice), title="Disk full")

    text = words(page.get("/"))
    response = page.post(f"/incidents/{incident.pk}/acknowledge", {"next": "/"})

    incident.refresh_from_db()
    assert f'action="/incidents/{incident.pk}/acknowledge"' in text
    assert (incident.state, response["Location"]) == ("acknowledged", "/")


def test_trouble_is_the_first_thing_it_says(page: Client) -> None:
    text = words(page.get("/"))

    assert "PagerPal would not page now" in text
    assert "No worker has ever run here" in text


def test_a_working_pagerpal_says_so_and_when_its_worker_last_moved(page: Client) -> None:
    beat()

    text = words(page.get("/"))

    assert "All is well" in text
    assert ">13:00</time>" in text
    assert "Safe mode" in text


def test_an_unchanged_dashboard_is_answered_204(page: Client, alice: User) -> None:
    beat()
    incident = make_incident(make_team("Platform", alice))
    seen = page.get("/").context["seen"]

    again = page.get(f"/dashboard?seen={seen}", headers=HTMX)
    Incident.objects.filter(pk=incident.pk).update(revision=9)
    changed = page.get(f"/dashboard?seen={seen}", headers=HTMX)

    assert again.status_code == 204
    assert changed.content.lstrip().startswith(b'<div id="live"')


@pytest.mark.parametrize(
    "happens",
    [
        lambda alice: make_rotation(alice.teams.get(), alice),
        lambda alice: alice.contact_methods.all().delete(),
        lambda alice: WorkerHeartbeat.objects.update(beat_at=NOON - minutes(1)),
    ],
)
def test_what_changes_within_the_minute_is_told_by_the_next_poll(
    page: Client, alice: User, happens: Callable[[User], Any]
) -> None:
    beat()
    make_team("Platform", alice)
    seen = page.get("/").context["seen"]

    happens(alice)

    assert page.get(f"/dashboard?seen={seen}", headers=HTMX).status_code == 200


def test_a_poll_that_brings_no_news_asks_little(
    page: Client, alice: User, django_assert_num_queries: Any
) -> None:
    beat()
    make_incident(make_team("Platform", alice))
    seen = page.get("/").context["seen"]

    # Session, person, open incidents, the last change of a setting, the worker's sign of life.
    with django_assert_num_queries(5):
        page.get(f"/dashboard?seen={seen}", headers=HTMX)


def test_a_message_that_nobody_sends_is_told_with_the_next_minute(
    page: Client, alice: User
) -> None:
    beat()
    seen = page.get("/").context["seen"]
    method, late = alice.contact_methods.get(), NOON - minutes(3)
    Notification.objects.create(
        **{"user": alice, "contact_method": method, "channel": "ntfy", "address": method.address},
        **{"purpose": "page", "thread": "x", "key": "x", "due_at": late},
    )

    with time_machine.travel(NOON + minutes(1), tick=False):
        WorkerHeartbeat.objects.update(beat_at=timezone.now())
        news = page.get(f"/dashboard?seen={seen}", headers=HTMX)

    assert "PagerPal would not page now" in words(news)


def test_who_cannot_be_reached_is_told(client: Client) -> None:
    client.force_login(make_user("dave", ntfy=False))

    text = words(client.get("/"))

    assert "PagerPal cannot reach you." in text
    assert "dave has no contact method that is on." in text
    assert "You are in no team yet" in text


def test_whom_only_failing_addresses_would_reach_is_told(client: Client) -> None:
    erin = make_user("erin")
    method = erin.contact_methods.get()
    fields = {"user": erin, "contact_method": method, "channel": "ntfy", "address": method.address}
    Notification.objects.create(
        **fields, purpose="page", thread="x", key="x", due_at=NOON, state="failed", settled_at=NOON
    )
    client.force_login(erin)

    assert "erin has only contact methods that fail." in words(client.get("/"))


def test_the_open_incidents_cost_no_more_queries_than_one(
    page: Client, alice: User, django_assert_max_num_queries: Any
) -> None:
    team = make_team("Platform", alice)
    make_rotation(team, alice)
    for number in range(30):
        make_incident(team, title=f"Number {number}")

    with django_assert_max_num_queries(45):
        response = page.get("/")

    assert len(response.context["rows"]) == 20
    assert "(10 more open)" in words(response)


def test_wrong_addresses_get_a_page_with_a_way_out(page: Client) -> None:
    response = page.get("/no/such/page")

    assert response.status_code == 404
    assert "There is no such page" in words(response)


@pytest.mark.urls("pagerpal.tests.broken_urls")
def test_a_broken_page_points_to_health(client: Client) -> None:
    client.raise_request_exception = False

    response = client.get("/broken")

    assert response.status_code == 500
    assert "PagerPal has a problem" in words(response)
    assert 'href="/health"' in words(response)
