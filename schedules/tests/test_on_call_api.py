"""Who is on call, for programs: JSON in every case, never a redirect."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from pagerpal.testing import NOON, at, make_admin, make_rotation, make_team, make_user
from schedules.models import Override, Rotation, RotationWindow, User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("monday_noon")]
PATH = "/api/v1/on-call"


@pytest.fixture
def rotation(alice: User) -> Rotation:
    """Weeks from Mondays 09:00 UTC; the one that holds now is bob's."""
    bob = make_user("bob")
    return make_rotation(make_team("Platform", alice), bob, alice, starts_on=date(2026, 11, 9))


@pytest.fixture
def api(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def test_it_says_who_until_when_and_who_is_next(
    api: Client, rotation: Rotation, alice: User
) -> None:
    bob = User.objects.get(name="bob")

    said = api.get(PATH).json()

    assert said == {
        "at": "2026-11-23T12:00:00Z",
        "teams": [
            {
                "id": rotation.team_id,
                "name": "Platform",
                "rotations": [
                    {
                        "id": rotation.pk,
                        "name": "primary",
                        "on_call": {"id": bob.pk, "name": "bob"},
                        "is_cover": False,
                        "instead_of": [],
                        "why": "",
                        "is_gap": False,
                        "until": "2026-11-30T09:00:00Z",
                        "next": {
                            "from": "2026-11-30T09:00:00Z",
                            "on_call": {"id": alice.pk, "name": "alice"},
                            "is_cover": False,
                            "instead_of": [],
                            "why": "",
                        },
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("text", "instant", "name"),
    [
        ("2026-11-30T08:59:59Z", "2026-11-30T08:59:59Z", "bob"),
        ("2026-11-30T09:00Z", "2026-11-30T09:00:00Z", "alice"),
        ("2026-11-30T09:59%2B01:00", "2026-11-30T08:59:00Z", "bob"),
        ("2026-11-30T10:00+01:00", "2026-11-30T09:00:00Z", "alice"),
        # Without an offset it is the asker's own clock: Berlin.
        ("2026-11-30 09:59", "2026-11-30T08:59:00Z", "bob"),
    ],
)
def test_any_instant_can_be_asked_about(
    api: Client, rotation: Rotation, text: str, instant: str, name: str
) -> None:
    said = api.get(f"{PATH}?at={text}").json()

    assert said["at"] == instant
    assert said["teams"][0]["rotations"][0]["on_call"]["name"] == name


def test_nobody_on_purpose_is_told_from_a_gap(api: Client, rotation: Rotation) -> None:
    Override.objects.create(
        rotation=rotation, user=None, starts_at=NOON, ends_at=at("2026-11-23 18:00")
    )
    windowed = make_rotation(rotation.team, rotation.members.all()[0].user, name="2 hours")
    RotationWindow.objects.create(rotation=windowed, days="0", starts=time(9), ends=time(11))
    make_rotation(rotation.team, name="3 empty")

    said = api.get(PATH).json()["teams"][0]["rotations"]

    assert [(one["on_call"], one["why"], one["is_gap"]) for one in said] == [
        (None, "cover", False),
        (None, "outside", False),
        (None, "empty", True),
    ]
    assert said[2]["until"] is None
    assert said[2]["next"] is None


def test_one_team_can_be_asked_for(api: Client, rotation: Rotation, alice: User) -> None:
    web = make_team("Web", alice)
    make_rotation(web, alice)

    assert [team["name"] for team in api.get(PATH).json()["teams"]] == ["Platform", "Web"]
    one = api.get(f"{PATH}?team={web.pk}").json()["teams"]
    assert [team["name"] for team in one] == ["Web"]


@pytest.mark.parametrize(
    "query",
    [
        "at=x",
        "at=2026-13-01T00:00Z",
        "at=9999-12-31T23:59Z",
        "at=0001-01-01T00:00%2B14:00",
        "at=%00",
    ],
)
def test_a_time_that_is_none_is_400_with_a_sentence(
    api: Client, rotation: Rotation, query: str
) -> None:
    response = api.get(f"{PATH}?{query}")

    assert response.status_code == 400
    said = response.json()["error" if "%00" not in query else "detail"]
    assert said.startswith("at: expected a time") or "cannot be stored" in said


@pytest.mark.parametrize("team", ["x", "-1", "1.5", "9" * 30])
def test_a_team_that_is_no_number_is_400(api: Client, rotation: Rotation, team: str) -> None:
    response = api.get(f"{PATH}?team={team}")

    assert response.status_code == 400
    assert response.json()["error"] == "team: expected the number of a team."


def test_another_team_is_404_as_if_it_were_not_there(api: Client, rotation: Rotation) -> None:
    strangers = make_team("Strangers")

    theirs, none = api.get(f"{PATH}?team={strangers.pk}"), api.get(f"{PATH}?team=99999")

    assert (theirs.status_code, none.status_code) == (404, 404)
    assert "or you are not in it" in theirs.json()["error"]


def test_whoever_is_not_signed_in_gets_401_and_no_redirect(
    client: Client, rotation: Rotation
) -> None:
    response = client.get(PATH)

    assert response.status_code == 401
    assert response.json()["error"].startswith("Sign in")


def test_whoever_was_switched_off_is_not_signed_in(api: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert api.get(PATH).status_code == 401


def test_an_admin_sees_all_teams(client: Client, rotation: Rotation) -> None:
    client.force_login(make_admin())

    assert [team["name"] for team in client.get(PATH).json()["teams"]] == ["Platform"]


def test_the_number_of_queries_does_not_grow_with_the_rotations(
    api: Client, rotation: Rotation, alice: User, django_assert_num_queries: Any
) -> None:
    with CaptureQueriesContext(connection) as small:
        api.get(PATH)
    for number in range(6):
        make_rotation(rotation.team, alice, make_user(f"p{number}"), name=f"number {number}")

    with django_assert_num_queries(len(small)):
        api.get(PATH)
    assert len(small) <= 10
