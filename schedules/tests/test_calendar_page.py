"""The calendar page: whose shifts, which weeks, what leads where, at what cost."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from pagerpal.testing import NOON, at, make_admin, make_rotation, make_team, make_user
from schedules import covering, records
from schedules.models import (
    Membership,
    Override,
    Rotation,
    RotationWindow,
    ScheduleChange,
    Team,
    User,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("monday_noon")]


@pytest.fixture
def team(alice: User, bob: User) -> Team:
    return make_team("Platform", alice, bob)


@pytest.fixture
def rotation(team: Team, alice: User, bob: User) -> Rotation:
    """Weeks from Mondays 09:00 UTC, which is 10:00 in Berlin; the one that holds now is bob's."""
    return make_rotation(team, bob, alice, starts_on=date(2026, 11, 9))


@pytest.fixture
def page(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_the_calendar_needs_a_login(client: Client) -> None:
    assert client.get("/calendar")["Location"].startswith("/login")


def test_it_shows_who_has_which_weeks_in_my_zone(page: Client, rotation: Rotation) -> None:
    text = words(page.get("/calendar"))

    assert "Calendar: <bdi>Platform</bdi>" in text
    assert "23 Nov to 21 Feb 2027" in text
    assert "zone Europe/Berlin" in text
    assert '<time datetime="2026-11-30T10:00+01:00">from 10:00</time>' in text
    assert '<time datetime="2026-11-30T10:00+01:00">Mon 30, 10:00</time>' in text
    assert text.count('aria-current="date"') == 1


def test_it_says_who_is_on_call_now_and_who_follows(page: Client, rotation: Rotation) -> None:
    text = words(page.get("/calendar"))
    later = words(page.get("/calendar?from=2027-03-01"))

    assert "<strong><bdi>bob</bdi></strong> until" in text
    assert ">Mon 30 Nov 10:00</time>. Then <bdi>alice</bdi>." in text
    assert "NOW" not in later


def test_a_shift_leads_to_its_cover_form_with_its_times(page: Client, rotation: Rotation) -> None:
    text = words(page.get("/calendar"))

    assert (
        f"/calendar/cover?rotation={rotation.pk}&amp;from=2026-11-30T09:00:00Z"
        "&amp;until=2026-12-07T09:00:00Z" in text
    )
    # Of the shift that has begun, what is left.
    assert "from=2026-11-23T12:00:00Z&amp;until=2026-11-30T09:00:00Z" in text


def test_what_is_over_leads_nowhere(page: Client, rotation: Rotation) -> None:
    text = words(page.get("/calendar?from=2026-08-24"))

    assert "bob" in text
    assert "/calendar/cover?rotation=" not in text.split('class="grid"')[1]


def test_a_cover_is_dashed_says_for_whom_and_leads_to_itself(
    page: Client, rotation: Rotation, alice: User
) -> None:
    override = Override.objects.create(
        rotation=rotation,
        user=alice,
        starts_at=at("2026-11-25 09:00"),
        ends_at=at("2026-11-26 09:00"),
    )

    text = words(page.get("/calendar"))

    assert f'cover" href="/calendar/covers/{override.pk}"><b><bdi>alice</bdi></b>' in text
    assert "for bob" in text


def test_gaps_are_counted_and_named_but_not_those_on_purpose(
    client: Client, rotation: Rotation, alice: User, bob: User
) -> None:
    client.force_login(make_admin())
    RotationWindow.objects.create(rotation=rotation, days="01234", starts=time(9), ends=time(17))
    Override.objects.create(
        rotation=rotation,
        user=None,
        starts_at=at("2026-12-01 09:00"),
        ends_at=at("2026-12-02 09:00"),
    )

    quiet = words(client.get("/calendar"))
    make_rotation(rotation.team, bob, name="late", starts_on=date(2026, 11, 25))
    loud = words(client.get("/calendar"))

    assert "with nobody on call" not in quiet
    assert "NOBODY" not in quiet
    assert "nobody</bdi></b> <span>on purpose</span>" in quiet
    assert "1 gap, 1 d 21 h</strong> with nobody on call, now in <bdi>late</bdi>" in loud
    assert "Mend the rotation" in loud


def test_totals_name_days_nights_and_weekends(page: Client, rotation: Rotation) -> None:
    loads = page.get("/calendar").context["loads"]

    assert [str(load.person) for load in loads] == ["bob", "alice"]
    assert sum(load.nights for load in loads) == 91
    assert sum(float(load.days) for load in loads) == pytest.approx(91, abs=0.2)


def test_pages_lead_13_weeks_back_and_forth_and_to_today(page: Client, rotation: Rotation) -> None:
    text = words(page.get("/calendar?from=2027-02-22"))

    assert "22 Feb to 23 May 2027" in text
    assert 'href="?from=2026-11-23"' in text
    assert 'href="?from=2027-05-24"' in text
    assert '<a class="button" href="?">Today</a>' in text


def test_the_past_is_shown_as_it_was(page: Client, rotation: Rotation, bob: User) -> None:
    records.record(rotation, now=NOON)
    carol = make_user("carol")
    Membership.objects.create(team=rotation.team, user=carol)
    rotation.members.filter(user=bob).update(user=carol)

    past = words(page.get("/calendar?from=2026-11-09"))

    assert "bob" in past


def test_the_team_filter_offers_my_teams_and_my_shifts(
    page: Client, rotation: Rotation, alice: User
) -> None:
    web = make_team("Web", alice)
    make_team("Strangers")
    make_rotation(web, alice, name="daily", unit="days")

    first = words(page.get("/calendar"))
    chosen = words(page.get(f"/calendar?team={web.pk}"))

    assert "Strangers" not in first
    assert f'<option value="{web.pk}" selected>Web</option>' in chosen
    assert "Calendar: <bdi>Web</bdi>" in chosen


def test_all_my_shifts_are_mine_alone_and_of_all_teams(
    page: Client, rotation: Rotation, alice: User, bob: User
) -> None:
    web = make_team("Web", alice, bob)
    make_rotation(web, bob, alice, name="web daily", unit="days")
    elsewhere = make_rotation(make_team("Strangers"), make_user("carol"), name="theirs")
    Override.objects.create(
        rotation=elsewhere, user=alice, starts_at=NOON + timedelta(1), ends_at=NOON + timedelta(2)
    )

    response = page.get("/calendar?team=mine")

    text = words(response).split('class="grid"')[1].split("What was changed")[0]
    assert [str(load.person) for load in response.context["loads"]] == ["alice"]
    assert "<bdi>bob</bdi>" not in text
    assert "web daily" in text
    assert "theirs" in text


@pytest.mark.parametrize(
    "query",
    [
        "from=9999-99-99",
        "from=9999-12-31",
        "from=0001-01-01",
        "from=1999-12-31",
        "from=%00",
        "from=2026-11-23T09:00",
        "from=x&team=y",
        "team=999999999999999999999999",
        "team=-1",
        "team=%D9%A1",
        "team=mine&from=junk",
    ],
)
def test_junk_in_the_address_is_said_and_today_is_shown(
    page: Client, rotation: Rotation, query: str
) -> None:
    response = page.get(f"/calendar?{query}")

    assert response.status_code == 200
    assert response.context["asked"].span.first == date(2026, 11, 23)
    assert response.context["asked"].notices


@pytest.mark.parametrize("day", ["2000-01-01", "2100-01-01", "2026-11-29", "2027-03-28"])
def test_far_days_are_pages_like_others(page: Client, rotation: Rotation, day: str) -> None:
    for zone in ("Europe/Berlin", "Pacific/Apia", "Pacific/Kiritimati", "America/St_Johns"):
        User.objects.update(time_zone=zone)

        response = page.get(f"/calendar?from={day}")

        assert response.status_code == 200
        assert response.context["asked"].notices == []


def test_another_team_is_not_shown_whatever_the_address_says(
    page: Client, rotation: Rotation
) -> None:
    strangers = make_team("Strangers")
    make_rotation(strangers, make_user("carol"))

    text = words(page.get(f"/calendar?team={strangers.pk}"))

    assert "There is no such team, or you are not in it." in text
    assert "carol" not in text


def test_whoever_has_no_team_is_told_whom_to_ask(client: Client) -> None:
    client.force_login(make_user("dave"))

    assert "You are in no team yet" in words(client.get("/calendar"))


def test_a_team_without_rotations_and_one_without_members_have_pages(
    page: Client, team: Team
) -> None:
    empty = words(page.get("/calendar"))
    make_rotation(team)
    nobody = words(page.get("/calendar"))

    assert "This team has no rotation yet" in empty
    assert "no members" in nobody


def test_a_rotation_that_starts_next_year_says_so(page: Client, team: Team, bob: User) -> None:
    make_rotation(team, bob, starts_on=date(2027, 6, 1))

    assert "not begun yet" in words(page.get("/calendar"))


def test_observers_look_and_find_no_way_to_cover(
    client: Client, rotation: Rotation, bob: User
) -> None:
    Membership.objects.filter(user=bob).update(role=Membership.Role.OBSERVER)
    client.force_login(bob)

    text = words(client.get("/calendar"))

    assert "alice" in text
    assert "/calendar/cover" not in text


def test_names_are_only_text(page: Client, rotation: Rotation, bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(name="<b>{bob}</b> & co")
    Rotation.objects.update(name="{0} <i>one</i>")

    text = words(page.get("/calendar"))

    assert "&lt;b&gt;{bob}&lt;/b&gt; &amp; co" in text
    assert "<i>one" not in text


def test_what_was_changed_is_told_in_the_history(
    page: Client, rotation: Rotation, alice: User
) -> None:
    covering.cover(rotation, alice, NOON, NOON + timedelta(days=1), by=alice, now=NOON)
    other = make_team("Strangers")
    ScheduleChange.objects.create(team=other, at=NOON, text="not for you")

    text = words(page.get("/calendar"))

    assert "alice covers primary from" in text
    assert "not for you" not in text


def test_the_number_of_queries_does_not_grow_with_rotations_people_or_covers(
    page: Client, rotation: Rotation, alice: User, django_assert_num_queries: Any
) -> None:
    with CaptureQueriesContext(connection) as small:
        page.get("/calendar")
    people = [make_user(f"person{number}") for number in range(10)]
    for number in range(6):
        other = make_rotation(rotation.team, *people, name=f"number {number}", unit="days")
        RotationWindow.objects.create(rotation=other, days="0", starts=time(9), ends=time(17))
        for day in range(5):
            start = NOON + timedelta(days=day)
            Override.objects.create(
                rotation=other, user=alice, starts_at=start, ends_at=start + timedelta(hours=7)
            )

    with django_assert_num_queries(len(small)):
        page.get("/calendar")
    assert len(small) <= 13


def test_it_holds_no_inline_style_or_script(page: Client, rotation: Rotation) -> None:
    text = words(page.get("/calendar"))

    assert " style=" not in text
    assert "<style" not in text
    assert "onclick" not in text
