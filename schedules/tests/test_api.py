"""Setting up a team, its people, turns and covers by the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from pagerpal.testing import NOON, call_api, make_admin, make_rotation, make_team, make_user
from schedules.models import Membership, Override, Rotation, SettingChange, Team, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def root() -> User:
    return make_admin()


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def lead() -> User:
    return make_user("lead")


@pytest.fixture
def team(alice: User, lead: User) -> Team:
    return make_team("Platform", alice, leads=(lead,))


def turns(team: Team, *people: User, **fields: Any) -> dict[str, Any]:
    return {
        "team": team.pk,
        "name": "primary",
        "starts_on": "2026-11-02",
        "handover_time": "09:00",
        "members": [one.pk for one in people],
        **fields,
    }


def test_an_admin_sets_up_a_team_with_its_people(root: User) -> None:
    team = call_api(root, "POST", "teams", {"name": "Shop", "hours_start": "08:30"}).json()
    eve = call_api(root, "POST", "users", {"name": "eve", "email": "Eve@example.org"}).json()
    seat = call_api(
        root, "POST", f"teams/{team['id']}/members", {"user": eve["id"], "role": "lead"}
    )

    assert (team["hours_start"], team["hours_end"]) == ("08:30", "18:00")
    assert eve["email"] == "eve@example.org"
    assert not User.objects.get(name="eve").has_usable_password()
    assert seat.json() == {"user": {"id": eve["id"], "name": "eve"}, "role": "lead"}
    assert call_api(root, "GET", f"teams/{team['id']}").json()["members"] == [seat.json()]


def test_only_what_is_sent_is_changed(root: User, team: Team) -> None:
    Team.objects.update(is_discreet=True, hours_weekends=True)

    said = call_api(root, "PATCH", f"teams/{team.pk}", {"acknowledge_minutes": 90})

    assert said.json()["acknowledge_minutes"] == 90
    team.refresh_from_db()
    assert (team.is_discreet, team.hours_weekends, team.name) == (True, True, "Platform")
    assert team.memberships.count() == 2


def test_what_the_form_refuses_is_told_by_field(root: User, team: Team) -> None:
    said = call_api(root, "PATCH", f"teams/{team.pk}", {"time_zone": "Mars/Base"})

    assert said.status_code == 422
    assert said.json()["errors"][0]["field"] == "time_zone"


def test_a_lead_may_not_make_themselves_an_admin(lead: User, team: Team) -> None:
    said = call_api(lead, "PATCH", f"users/{lead.pk}", {"is_admin": True})

    assert said.status_code == 403
    assert not User.objects.get(pk=lead.pk).is_superuser


def test_an_admin_keeps_their_own_access(root: User) -> None:
    said = call_api(root, "PATCH", f"users/{root.pk}", {"is_admin": False})

    assert (said.status_code, said.json()["detail"]) == (
        422,
        "is_superuser: This is not yours to set.",
    )


def test_the_change_is_in_the_history_with_who_and_how(lead: User, team: Team) -> None:
    call_api(lead, "PATCH", f"teams/{team.pk}", {"is_discreet": True})

    change = SettingChange.objects.get(act="changed")
    assert (change.actor, change.via) == (lead, "API")
    told = call_api(lead, "GET", "setting-changes").json()["items"][0]
    assert (told["by"], told["via"], told["what"]) == ("lead", "API", "Platform")


# --- Rotations -----------------------------------------------------------------------------------


def test_a_lead_makes_a_rotation_and_sees_what_an_edit_would_do(
    lead: User, alice: User, team: Team
) -> None:
    hours = [{"days": ["mon", "tue"], "starts": "08:00", "ends": "20:00"}]
    made = call_api(lead, "POST", "rotations", turns(team, alice, lead, windows=hours))
    pk = made.json()["id"]
    seen = call_api(lead, "POST", f"rotations/{pk}/preview", {"members": [lead.pk]})

    assert made.status_code == 201, made.content
    assert [one["name"] for one in made.json()["members"]] == ["alice", "lead"]
    assert made.json()["windows"] == hours
    assert (made.json()["every"], made.json()["unit"]) == (1, "weeks")
    assert {one["on_call"]["name"] for one in seen.json()["shifts"] if one["on_call"]} >= {"lead"}
    assert seen.json()["changes"]
    assert Rotation.objects.get().members.count() == 2


def test_the_order_of_members_changes_without_new_places(
    lead: User, alice: User, team: Team
) -> None:
    rotation = make_rotation(team, alice, lead)
    before = set(rotation.members.values_list("pk", flat=True))

    said = call_api(
        lead, "PATCH", f"rotations/{rotation.pk}", {"members": [lead.pk, alice.pk], "every": 2}
    )

    assert [one["name"] for one in said.json()["members"]] == ["lead", "alice"]
    assert set(rotation.members.values_list("pk", flat=True)) == before
    assert (said.json()["every"], said.json()["unit"]) == (2, "weeks")


def test_strangers_and_empty_rotations_are_refused(lead: User, team: Team) -> None:
    stranger = make_user("stranger")

    said = call_api(lead, "POST", "rotations", turns(team, stranger))
    empty = call_api(lead, "POST", "rotations", turns(team))

    assert (said.status_code, empty.status_code) == (422, 422)
    assert "stays with" not in said.json()["detail"]
    assert "at least one member" in empty.json()["detail"]


def test_a_rotation_stays_with_its_team(lead: User, alice: User, team: Team) -> None:
    rotation = make_rotation(team, alice)

    said = call_api(lead, "PATCH", f"rotations/{rotation.pk}", {"team": 1})

    assert said.status_code == 422


# --- Who takes over ------------------------------------------------------------------------------


def test_whoever_is_scheduled_leaves_only_once_it_is_said_who_takes_over(
    root: User, lead: User, alice: User, team: Team
) -> None:
    rotation = make_rotation(team, alice)
    path = f"teams/{team.pk}/members/{alice.pk}/leave"

    asked = call_api(lead, "POST", path, {})
    done = call_api(lead, "POST", path, {"successors": {str(alice.pk): lead.pk}})

    assert asked.status_code == 409
    [leaver] = asked.json()["leavers"]
    assert (leaver["name"], [one["name"] for one in leaver["candidates"]]) == ("alice", ["lead"])
    assert done.status_code == 204
    assert [place.user for place in rotation.members.all()] == [lead]
    assert not Membership.objects.filter(user=alice).exists()


def test_switching_a_person_off_asks_the_same(root: User, alice: User, team: Team) -> None:
    make_rotation(team, alice)

    asked = call_api(root, "PATCH", f"users/{alice.pk}", {"is_active": False})
    done = call_api(
        root,
        "PATCH",
        f"users/{alice.pk}",
        {"is_active": False, "successors": {str(alice.pk): None}},
    )

    assert (asked.status_code, done.status_code) == (409, 200)
    assert not User.objects.get(pk=alice.pk).is_active


# --- Covers, shifts, feeds -----------------------------------------------------------------------


def test_a_responder_covers_changes_and_removes(lead: User, alice: User, team: Team) -> None:
    rotation = make_rotation(team, lead)
    now = timezone.now()
    body = {
        "rotation": rotation.pk,
        "user": alice.pk,
        "ends_at": (now + timedelta(hours=5)).isoformat(),
    }

    made = call_api(alice, "POST", "overrides", body).json()
    listed = call_api(alice, "GET", f"overrides?when=now&rotation={rotation.pk}").json()["items"]
    changed = call_api(alice, "PATCH", f"overrides/{made['id']}", {"user": None}).json()
    removed = call_api(alice, "DELETE", f"overrides/{made['id']}")

    assert made["user"]["name"] == "alice"
    assert [one["id"] for one in listed] == [made["id"]]
    assert changed["user"] is None
    assert (removed.status_code, Override.objects.count()) == (204, 0)


def test_a_cover_that_cannot_be_is_refused_in_words(alice: User, lead: User, team: Team) -> None:
    rotation = make_rotation(team, lead)
    body = {"rotation": rotation.pk, "user": alice.pk, "ends_at": "2020-01-01T00:00Z"}

    over = call_api(alice, "POST", "overrides", body)
    nobody = call_api(alice, "POST", "overrides", {**body, "user": make_user("bob").pk})

    assert (over.status_code, nobody.status_code) == (409, 422)


def test_shifts_are_those_of_the_calendar(alice: User, lead: User, team: Team) -> None:
    make_rotation(team, alice, lead)
    start = NOON.isoformat().replace("+00:00", "Z")

    said = call_api(alice, "GET", f"shifts?starts_at={start}&ends_at=2026-12-10T00:00Z").json()
    far = call_api(alice, "GET", f"shifts?starts_at={start}&ends_at=2027-12-10T00:00Z")

    assert [one["on_call"]["name"] for one in said["items"]] == ["lead", "alice", "lead"]
    assert far.status_code == 422


def test_a_feeds_link_is_made_and_the_old_one_ends(alice: User, team: Team) -> None:
    first = call_api(alice, "POST", "calendar-feeds", {"kind": "user"}).json()["url"]
    second = call_api(alice, "POST", "calendar-feeds", {"kind": "user"}).json()["url"]
    listed = call_api(alice, "GET", f"calendar-feeds?team={team.pk}").json()["items"]

    assert first != second
    assert listed[0]["url"] == second
    assert [one["url"] for one in listed[1:]] == [None]
