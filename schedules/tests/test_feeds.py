"""Calendar feeds, read back by a second library than the one that wrote them."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, time, timedelta
from typing import Any

import pytest
import time_machine
import vobject
from django.core.signing import Signer
from django.test import Client

from pagerpal.testing import NOON, at, make_admin, make_rotation, make_team, make_user
from schedules import covering, feeds, records
from schedules.models import (
    CalendarFeed,
    Membership,
    Override,
    Rotation,
    RotationWindow,
    User,
)

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("monday_noon"),
    # vobject still asks the clock in the old way.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:vobject"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:dateutil"),
]


@pytest.fixture
def rotation(alice: User, bob: User) -> Rotation:
    """Weeks from Mondays 09:00 UTC; the one that holds now is bob's."""
    team = make_team("Platform", alice, bob)
    return make_rotation(team, bob, alice, starts_on=date(2026, 11, 9))


def path(**owner: Any) -> str:
    feed, _ = CalendarFeed.objects.get_or_create(**owner)
    return f"/ical/{feeds.token_for(feed)}.ics"


def events(client: Client, **owner: Any) -> list[Any]:
    response = client.get(path(**owner))
    assert response.status_code == 200
    calendar = vobject.readOne(response.content.decode())
    assert calendar.validate(raiseException=True)
    return getattr(calendar, "vevent_list", [])


def event_at(found: list[Any], start: str) -> Any:
    [one] = [event for event in found if event.dtstart.value == at(start)]
    return one


def test_a_persons_feed_holds_their_shifts_alone_from_a_month_ago_to_a_year_ahead(
    client: Client, rotation: Rotation, alice: User
) -> None:
    found = events(client, user=alice)

    starts = [event.dtstart.value for event in found]
    assert starts[:3] == [at("2026-11-16 09:00"), at("2026-11-30 09:00"), at("2026-12-14 09:00")]
    assert at("2027-11-15 09:00") in starts
    assert all(event.dtend.value - event.dtstart.value == timedelta(7) for event in found)
    assert found[0].summary.value == "On call: Platform primary, then bob"
    assert "alice, Mon 16 Nov 10:00 to Mon 23 Nov 10:00 (Europe/Berlin)." in (
        found[0].description.value
    )


def test_hand_over_stays_at_the_same_local_hour_through_summer_time(
    client: Client, rotation: Rotation, bob: User
) -> None:
    Rotation.objects.update(time_zone="Europe/Berlin")

    found = events(client, rotation=rotation)

    assert event_at(found, "2027-03-22 08:00")
    assert event_at(found, "2027-03-29 07:00")


def test_a_teams_feed_names_everybody_and_a_rotations_only_its_own(
    client: Client, rotation: Rotation, alice: User
) -> None:
    second = make_rotation(rotation.team, alice, name="second", starts_on=date(2026, 11, 9))

    team = events(client, team=rotation.team)
    one = events(client, rotation=second)

    assert {event.summary.value for event in team} == {
        "alice: Platform primary, then bob",
        "bob: Platform primary, then alice",
        "alice: Platform second",
    }
    assert {event.summary.value for event in one} == {"alice: Platform second"}


def test_a_cover_says_for_whom_and_splits_the_shift(
    client: Client, rotation: Rotation, alice: User, bob: User
) -> None:
    Override.objects.create(
        rotation=rotation,
        user=alice,
        starts_at=at("2026-11-25 09:00"),
        ends_at=at("2026-11-26 09:00"),
    )

    found = events(client, team=rotation.team)

    cover = event_at(found, "2026-11-25 09:00")
    assert cover.summary.value == "alice: Platform primary, then bob"
    assert "Covers for bob." in cover.description.value
    assert event_at(found, "2026-11-23 09:00").dtend.value == at("2026-11-25 09:00")


def test_time_outside_the_hours_is_no_event_and_no_hand_over(
    client: Client, rotation: Rotation, alice: User
) -> None:
    RotationWindow.objects.create(rotation=rotation, days="01234", starts=time(9), ends=time(17))

    found = events(client, user=alice)

    friday = event_at(found, "2026-12-04 09:00")
    monday = event_at(found, "2026-11-30 09:00")
    assert monday.dtend.value == at("2026-11-30 17:00")
    assert monday.summary.value == "On call: Platform primary"
    assert friday.summary.value == "On call: Platform primary, then bob"


def test_a_change_keeps_the_uid_and_raises_the_sequence(
    client: Client, rotation: Rotation, alice: User, bob: User
) -> None:
    before = event_at(events(client, rotation=rotation), "2026-11-30 09:00")

    covering.cover(
        Rotation.objects.get(),
        bob,
        at("2026-12-06 09:00"),
        at("2026-12-07 09:00"),
        by=alice,
        now=NOON,
    )
    after = event_at(events(client, rotation=rotation), "2026-11-30 09:00")

    assert after.uid.value == before.uid.value
    assert int(after.sequence.value) > int(before.sequence.value)
    assert after.last_modified.value == NOON
    assert after.dtend.value == at("2026-12-06 09:00")


def test_uids_are_of_this_house_and_every_one_different(client: Client, rotation: Rotation) -> None:
    make_rotation(rotation.team, make_user("carol"), name="second")

    uids = [event.uid.value for event in events(client, team=rotation.team)]

    assert len(set(uids)) == len(uids)
    assert f"{rotation.pk}-20261130T090000Z@127.0.0.1" in uids


def test_the_past_month_is_told_as_it_was(
    client: Client, rotation: Rotation, alice: User, bob: User
) -> None:
    records.record(rotation, now=NOON)
    rotation.members.filter(user=alice).update(user=make_user("carol"))

    past = event_at(events(client, team=rotation.team), "2026-11-16 09:00")

    assert past.summary.value.startswith("alice: ")


def test_an_unchanged_feed_is_answered_304_all_day(
    client: Client, rotation: Rotation, alice: User
) -> None:
    first = client.get(path(user=alice))
    with time_machine.travel(NOON + timedelta(hours=11), tick=False):
        again = client.get(path(user=alice), headers={"If-None-Match": first["ETag"]})
    covering.cover(
        Rotation.objects.get(),
        None,
        NOON + timedelta(8),
        NOON + timedelta(9),
        by=alice,
        now=NOON,
    )
    changed = client.get(path(user=alice), headers={"If-None-Match": f'W/"x", {first["ETag"]}'})

    assert (again.status_code, again.content) == (304, b"")
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]
    assert first["Content-Type"] == "text/calendar; charset=utf-8"


def test_a_new_link_ends_the_old_one(client: Client, rotation: Rotation, alice: User) -> None:
    client.force_login(alice)
    made = client.post("/calendar/feeds", {"kind": "user"})
    old = path(user=alice)
    first = client.get(old).status_code
    client.post("/calendar/feeds", {"kind": "user"})

    assert made["Location"] == "/calendar?subscribe=1&team=mine#subscribe"
    assert first == 200
    assert client.get(old).status_code == 404
    assert client.get(path(user=alice)).status_code == 200


@pytest.mark.parametrize("token", ["x", "1-1", "1-1.forged", "%00", "1-1.", "-.x"])
def test_a_wrong_token_finds_nothing_and_never_a_login(
    client: Client, rotation: Rotation, alice: User, token: str
) -> None:
    path(user=alice)

    response = client.get(f"/ical/{token}.ics")

    assert response.status_code == 404
    assert b"There is no such calendar" in response.content


def test_a_token_of_something_else_opens_no_calendar(
    client: Client, rotation: Rotation, alice: User
) -> None:
    feed = path(user=alice)
    pk = CalendarFeed.objects.get().pk
    of_a_message = Signer(salt="incidents.answers", sep=".").sign(f"{pk}-1")

    assert client.get(f"/ical/{of_a_message}.ics").status_code == 404
    assert client.get(feed).status_code == 200


def test_the_feed_of_whoever_is_switched_off_ends(
    client: Client, rotation: Rotation, alice: User
) -> None:
    links = [path(user=alice), path(team=rotation.team), path(rotation=rotation)]
    User.objects.filter(pk=alice.pk).update(is_active=False)
    first = client.get(links[0]).status_code
    Rotation.objects.update(is_active=False)
    third = client.get(links[2]).status_code
    rotation.team.is_active = False
    rotation.team.save()
    second = client.get(links[1]).status_code

    assert [first, second, third] == [404, 404, 404]


def test_the_page_offers_every_link_with_its_address(
    client: Client, rotation: Rotation, alice: User
) -> None:
    client.force_login(alice)
    link = path(team=rotation.team)

    text = client.get("/calendar?subscribe=1").content.decode()

    assert f'href="webcal://127.0.0.1:8000{link}"' in text
    assert f'data-copy="http://127.0.0.1:8000{link}"' in text
    assert text.count("Make a link") == 2
    assert '<details id="subscribe" class="card on-screen" open>' in text


def test_only_who_may_cover_makes_a_teams_link_new(
    client: Client, rotation: Rotation, bob: User
) -> None:
    Membership.objects.filter(user=bob).update(role=Membership.Role.OBSERVER)
    client.force_login(bob)

    refused = [
        client.post("/calendar/feeds", {"kind": "team", "pk": rotation.team_id}),
        client.post("/calendar/feeds", {"kind": "rotation", "pk": rotation.pk}),
    ]
    own = client.post("/calendar/feeds", {"kind": "user", "pk": "77"})

    assert [response.status_code for response in refused] == [403, 403]
    assert own.status_code == 302
    assert CalendarFeed.objects.get().user == bob


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"kind": "x"},
        {"kind": "team"},
        {"kind": "team", "pk": "9" * 30},
        {"kind": "rotation", "pk": "x"},
    ],
)
def test_junk_makes_no_link(client: Client, rotation: Rotation, data: dict[str, str]) -> None:
    client.force_login(make_admin())

    assert client.post("/calendar/feeds", data).status_code == 404
    assert not CalendarFeed.objects.exists()


def test_a_stranger_makes_no_link_for_another_team(client: Client, rotation: Rotation) -> None:
    client.force_login(make_user("carol"))

    response = client.post("/calendar/feeds", {"kind": "rotation", "pk": rotation.pk})

    assert response.status_code == 404


def test_names_with_commas_and_line_breaks_stay_whole(
    client: Client, rotation: Rotation, bob: User
) -> None:
    User.objects.filter(pk=bob.pk).update(name='Bob, "the; builder"\nEND:VEVENT')

    found = events(client, team=rotation.team)

    assert 'Bob, "the; builder"\nEND:VEVENT: Platform primary' in {
        event.summary.value.removesuffix(", then alice") for event in found
    }


def test_the_number_of_queries_does_not_grow_with_the_rotations(
    client: Client, rotation: Rotation, alice: User, django_assert_num_queries: Any
) -> None:
    link = path(user=alice)
    for number in range(5):
        make_rotation(rotation.team, alice, name=f"number {number}")

    with django_assert_num_queries(8):
        client.get(link)


def test_the_library_is_loaded_by_the_first_feed_only() -> None:
    code = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'pagerpal.test_settings'\n"
        "import django; django.setup()\n"
        "import pagerpal.urls; sys.exit('icalendar' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("is_recorded", [True, False])
def test_whoever_is_alone_in_a_rotation_keeps_one_event_with_one_uid(
    is_recorded: bool, client: Client, alice: User
) -> None:
    alone = make_rotation(make_team("Web", alice), alice, starts_on=date(2026, 11, 9))
    if is_recorded:
        records.record_past(now=NOON)
    with time_machine.travel(NOON, tick=False):
        [before] = events(client, rotation=alone)

    with time_machine.travel(NOON + timedelta(days=70), tick=False):
        [after] = events(client, rotation=alone)

    assert after.uid.value == before.uid.value
