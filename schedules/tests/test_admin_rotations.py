"""Rotations in the admin, used as an admin would."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client
from django_q.models import OrmQ

from pagerpal.testing import NOON, at, make_rotation, make_team, make_user
from schedules import oncall
from schedules.models import (
    Override,
    Rotation,
    RotationMember,
    RotationWindow,
    ScheduleChange,
    ShiftRecord,
    Team,
    User,
)
from schedules.signals import schedule_changed
from schedules.tests.pages import form_of, page, said

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("monday_noon")]


def make_platform(*names: str, **fields: Any) -> Rotation:
    """A rotation whose members are all in its team."""
    people = [make_user(name) for name in names]
    return make_rotation(make_team("Platform", *people), *people, **fields)


def filled(browser: Client, rotation: Rotation) -> dict[str, Any]:
    return form_of(browser.get(page("rotation_change", rotation.pk)))


def save(browser: Client, rotation: Rotation, **changed: Any) -> Any:
    values = filled(browser, rotation) | changed
    return browser.post(page("rotation_change", rotation.pk), values)


def new(browser: Client, team: Team, *people: User, **fields: Any) -> Any:
    """What the form for a new rotation would post, with these members."""
    values = form_of(browser.get(page("rotation_add"))) | {"team": team.pk}
    values |= {"members-TOTAL_FORMS": max(3, len(people))}
    values |= {f"members-{place}-user": user.pk for place, user in enumerate(people)}
    return browser.post(page("rotation_add"), values | fields)


def order(rotation: Rotation) -> list[str]:
    return [member.user.name for member in rotation.members.all()]


# --- What the page shows --------------------------------------------------------------------------


def test_a_rotation_says_in_words_what_it_does_and_shows_90_days(browser: Client) -> None:
    rotation = make_platform("alice", "bob", every=2, time_zone="Europe/Berlin")
    Override.objects.create(
        rotation=rotation,
        user=None,
        starts_at=at("2026-12-24 11:00"),
        ends_at=at("2026-12-25 11:00"),
    )

    text = browser.get(page("rotation_change", rotation.pk)).content.decode()

    assert "A new person every 2 weeks, Mondays at 09:00 (Europe/Berlin)" in text
    assert "bob until Mon 30 Nov 2026 09:00, then alice" in text
    assert (
        '<tr class="quiet"><td>Thu 24 Dec 2026 12:00</td><td>Fri 25 Dec 2026 12:00</td>'
        "<td>nobody</td><td>on purpose, for bob</td></tr>"
    ) in text


def test_the_words_name_hours_and_end(browser: Client) -> None:
    rotation = make_platform("alice", ends_on=date(2027, 1, 4))
    RotationWindow.objects.create(rotation=rotation, days="01234", starts=time(9), ends=time(17))
    RotationWindow.objects.create(rotation=rotation, days="4", starts=time(22), ends=time(6))

    text = browser.get(page("rotation_change", rotation.pk)).content.decode()

    assert (
        "A new person every week, Mondays at 09:00 (UTC), only Mon-Fri 09:00-17:00 and "
        "Fri 22:00-06:00, until Mon 04 Jan 2027 09:00"
    ) in text
    assert '<tr class="quiet"><td>Mon 23 Nov 2026 17:00</td>' in text
    assert "outside its hours" in text


def test_a_gap_is_red_and_says_why(browser: Client) -> None:
    rotation = make_platform("alice", "bob")
    User.objects.filter(name="alice").update(is_active=False)

    text = browser.get(page("rotation_change", rotation.pk)).content.decode()

    assert (
        '<tr class="gap"><td>Mon 30 Nov 2026 09:00</td><td>Mon 07 Dec 2026 09:00</td>'
        "<td>nobody</td><td>alice is switched off</td></tr>"
    ) in text
    assert "alice is switched off: nobody is on call in their turns." in text


def test_the_list_shows_who_is_on_call_and_why_nobody_is(browser: Client) -> None:
    make_rotation(make_team("A"), make_user("alice"))
    make_rotation(make_team("B"))
    quiet = make_rotation(make_team("C"), make_user("bob"))
    RotationWindow.objects.create(rotation=quiet, days="5", starts=time(9), ends=time(17))
    make_rotation(make_team("D"), make_user("carol"), is_active=False)

    text = browser.get(page("rotation_changelist")).content.decode()

    cells = [cell.split("</td>")[0] for cell in text.split('<td class="field-on_call_now">')[1:]]
    assert cells == [
        "alice",
        '<strong class="gap">nobody</strong>',
        "nobody (outside its hours)",
        "nobody (switched off)",
    ]


def test_whoever_may_only_look_sees_it_and_can_neither_save_nor_preview(client: Client) -> None:
    rotation = make_platform("alice", "bob")
    RotationWindow.objects.create(rotation=rotation, days="01234", starts=time(9), ends=time(17))
    looker = make_user("looker", is_staff=True)
    looker.user_permissions.set(
        Permission.objects.filter(codename__in=["view_rotation", "view_rotationwindow"])
    )
    client.force_login(looker)

    response = client.get(page("rotation_change", rotation.pk))

    text = response.content.decode()
    assert response.status_code == 200
    assert "Mon-Fri 09:00-17:00" in text
    assert "_preview" not in text
    assert client.post(page("rotation_change", rotation.pk), {"_preview": "1"}).status_code == 403
    assert client.get(page("rotation_add")).status_code == 403


def test_the_admin_is_for_staff_alone(client: Client) -> None:
    rotation = make_platform("alice")
    client.force_login(make_user("bob"))

    response = client.get(page("rotation_change", rotation.pk))

    assert response.status_code == 302
    assert "/login" in response["Location"]


# --- Turns ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        ({"turns": "weekly"}, (1, "weeks")),
        ({"turns": "biweekly"}, (2, "weeks")),
        ({"turns": "custom", "every": "12", "unit": "hours"}, (12, "hours")),
        ({"turns": "custom", "every": "3", "unit": "days"}, (3, "days")),
        ({"turns": "custom", "every": "6", "unit": "weeks"}, (6, "weeks")),
        ({"turns": "custom", "every": "1", "unit": "months"}, (1, "months")),
    ],
)
def test_a_turn_lasts_as_it_is_named_or_as_long_as_is_said(
    browser: Client, fields: dict[str, str], stored: tuple[int, str]
) -> None:
    alice = make_user("alice")

    response = new(browser, make_team("Platform", alice), alice, **fields)

    assert response.status_code == 302
    made = Rotation.objects.get()
    assert (made.every, made.unit) == stored
    again = filled(browser, made)
    assert again["turns"] == fields["turns"]
    assert again.get("every") == (stored[0] if fields["turns"] == "custom" else None)


def test_a_custom_turn_becomes_weekly_though_its_length_still_stands_there(browser: Client) -> None:
    rotation = make_platform("alice", every=3, unit="days")

    response = save(browser, rotation, turns="weekly")

    rotation.refresh_from_db()
    assert response.status_code == 302
    assert (rotation.every, rotation.unit) == (1, "weeks")


def test_a_new_rotation_takes_the_zone_of_its_team_and_the_last_place(browser: Client) -> None:
    alice = make_user("alice")
    team = make_team("Platform", alice, time_zone="Asia/Kolkata")
    make_rotation(team, alice, position=4)

    new(browser, team, alice, name="secondary")

    made = Rotation.objects.get(name="secondary")
    assert (made.time_zone, made.position) == ("Asia/Kolkata", 5)


def test_a_rotation_stays_with_its_team(browser: Client) -> None:
    rotation = make_platform("alice")

    save(browser, rotation, team=make_team("Web").pk, name="first")

    rotation.refresh_from_db()
    assert (rotation.team.name, rotation.name) == ("Platform", "first")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"turns": "custom", "every": "0", "unit": "days"}, "Give a number from 1 to 366."),
    ({"turns": "custom", "every": "-3", "unit": "days"}, "Give a number from 1 to 366."),
    ({"turns": "custom", "every": "5000", "unit": "days"}, "Give a number from 1 to 366."),
    ({"turns": "custom", "every": "9" * 40, "unit": "days"}, "Give a number from 1 to 366."),
    ({"turns": "custom", "every": "soon", "unit": "days"}, "Give a number from 1 to 366."),
    ({"turns": "custom", "every": "", "unit": "days"}, "Say after how many hours, days"),
    ({"turns": "custom", "every": "3", "unit": ""}, "Say after how many hours, days"),
    ({"turns": "custom", "every": "3", "unit": "years"}, "not one of the available choices"),
    ({"turns": "weekly", "every": "3", "unit": "days"}, "choose Custom for it, or empty"),
    ({"turns": "yearly"}, "not one of the available choices"),
    ({"turns": ""}, "This field is required."),
    ({"time_zone": "Mars/Base"}, "is not a time zone such as Europe/Berlin."),
    ({"starts_on": "0001-01-01"}, "Give a day from 2000-01-01 to 2100-01-01."),
    ({"starts_on": "9999-99-99"}, "Enter a valid date."),
    ({"ends_on": "2026-11-02"}, "It must end after the day on which it starts."),
    ({"ends_on": "2026-10-01"}, "It must end after the day on which it starts."),
    ({"ends_on": "3000-01-01"}, "Give a day from 2000-01-01 to 2100-01-01."),
    ({"handover_time": "25:00"}, "Enter a valid time."),
    ({"name": "secondary"}, "Rotation with this Team and Name already exists."),
    ({"position": "-1"}, "greater than or equal to 0"),
    ({"members-0-user": ""}, "This field is required."),
    ({"members-0-user": "999999"}, "not one of the available choices"),
    ({"members-0-DELETE": "on"}, "while it is on and empty, it pages nobody"),
    ({"windows-0-starts": "08:00"}, "Choose at least one day."),
    ({"windows-0-days": ["7"]}, "not one of the available choices"),
    ({"windows-0-days": ["0"], "windows-0-ends": "noon"}, "Enter a valid time."),
]


@pytest.mark.parametrize(("button", "wrong"), [("_save", WRONG), ("_preview", WRONG[::6])])
def test_wrong_input_is_refused_with_one_sentence(
    browser: Client, button: str, wrong: list[tuple[dict[str, Any], str]]
) -> None:
    rotation = make_platform("alice")
    make_rotation(rotation.team, name="secondary")
    before = Rotation.objects.filter(pk=rotation.pk).values().get()
    values = filled(browser, rotation) | {button: "1"}

    said_of = {}
    for fields, sentence in wrong:
        response = browser.post(page("rotation_change", rotation.pk), values | fields)
        said_of[str(fields)] = response.status_code, sentence in response.content.decode()

    assert set(said_of.values()) == {(200, True)}, said_of
    assert Rotation.objects.filter(pk=rotation.pk).values().get() == before
    assert order(rotation) == ["alice"]
    assert not ScheduleChange.objects.exists()


# --- Members and hours ----------------------------------------------------------------------------


def test_members_without_a_position_come_last_in_the_order_entered(browser: Client) -> None:
    rotation = make_platform("alice")
    bob, carol = make_user("bob"), make_user("carol")
    rotation.team.members.add(bob, carol)

    response = save(
        browser,
        rotation,
        **{"members-TOTAL_FORMS": 3, "members-1-user": carol.pk, "members-2-user": bob.pk},
    )

    assert response.status_code == 302
    assert order(rotation) == ["alice", "carol", "bob"]


def test_only_people_of_the_team_who_are_on_are_added(browser: Client) -> None:
    rotation = make_platform("alice")
    stranger, gone = make_user("stranger"), make_user("gone", is_active=False)
    rotation.team.members.add(gone)

    response = save(
        browser,
        rotation,
        **{"members-TOTAL_FORMS": 3, "members-1-user": stranger.pk, "members-2-user": gone.pk},
    )

    text = response.content.decode()
    assert "stranger is not in Platform: add them to the team first." in text
    assert "gone is switched off and cannot be paged." in text
    assert order(rotation) == ["alice"]


def test_who_left_does_not_keep_others_from_editing_and_is_pointed_out(browser: Client) -> None:
    rotation = make_platform("alice", "bob")
    rotation.team.memberships.filter(user__name="alice").delete()

    response = save(browser, rotation, name="first")

    assert response.status_code == 302
    assert "alice is not in Platform, and is paged all the same." in said(response)


def test_an_empty_order_is_for_rotations_that_are_off(browser: Client) -> None:
    rotation = make_platform("alice")
    values = filled(browser, rotation) | {"members-0-DELETE": "on"}
    del values["is_active"]

    response = browser.post(page("rotation_change", rotation.pk), values)

    assert response.status_code == 302
    assert order(rotation) == []
    assert "It is switched off: nobody is on call in it." in said(response)


@pytest.mark.parametrize(("number", "is_taken"), [(50, True), (51, False)])
def test_a_rotation_takes_fifty_members(browser: Client, number: int, is_taken: bool) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    team = make_team("Platform", alice, bob)

    response = new(browser, team, *([alice, bob] * 26)[:number])

    assert Rotation.objects.exists() == is_taken
    if is_taken:
        assert RotationMember.objects.count() == number
    else:
        assert "51 members: a rotation takes at most 50." in response.content.decode()


def test_the_same_person_twice_in_a_row_is_taken_and_said_aloud(browser: Client) -> None:
    alice, bob = make_user("alice"), make_user("bob")

    response = new(browser, make_team("Platform", alice, bob), alice, alice, bob)

    assert response.status_code == 302
    assert order(Rotation.objects.get()) == ["alice", "alice", "bob"]
    assert "alice comes twice in a row" in said(response)


def test_hours_are_days_with_a_start_and_an_end(browser: Client) -> None:
    rotation = make_platform("alice")

    response = save(
        browser,
        rotation,
        **{"windows-0-days": ["4", "0"], "windows-0-starts": "22:00", "windows-0-ends": "06:00"},
    )

    assert response.status_code == 302
    window = RotationWindow.objects.get()
    assert (window.days, window.starts, window.ends) == ("04", time(22), time(6))
    assert filled(browser, rotation)["windows-0-days"] == ["0", "4"]


def test_a_row_for_hours_that_nobody_filled_in_is_nothing(browser: Client) -> None:
    rotation = make_platform("alice")

    response = save(browser, rotation)

    assert response.status_code == 302
    assert not RotationWindow.objects.exists()


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"starts_on": "2027-11-01"}, "Nobody is on call in it before Mon 01 Nov 2027."),
        (
            {"starts_on": "2026-01-05", "ends_on": "2026-11-16"},
            "It ended on Mon 16 Nov 2026: nobody is on call in it.",
        ),
    ],
)
def test_a_rotation_far_off_or_over_is_taken_and_said_aloud(
    browser: Client, fields: dict[str, str], note: str
) -> None:
    alice = make_user("alice")

    response = new(browser, make_team("Platform", alice), alice, **fields)

    text = browser.get(page("rotation_change", Rotation.objects.get().pk)).content.decode()
    assert response.status_code == 302
    assert note in said(response)
    assert note in text


# --- Saving ---------------------------------------------------------------------------------------


def test_whoever_is_on_call_keeps_it_until_the_hand_over(browser: Client) -> None:
    rotation = make_platform("alice", "bob", "carol")
    values = {"members-0-position": "9", "members-1-position": "8", "members-2-position": "7"}
    before = oncall.who_is_on_call(rotation, NOON)

    response = save(browser, rotation, **values)

    rotation.refresh_from_db()
    assert order(rotation) == ["carol", "bob", "alice"]
    assert oncall.who_is_on_call(rotation, NOON) == before
    assert "What changes in the next 90 days" in said(response)
    assert ShiftRecord.objects.filter(rotation=rotation).exists()
    assert ScheduleChange.objects.get().actor == User.objects.get(name="root")


def test_what_a_save_changes_is_said_in_five_lines_at_most(browser: Client) -> None:
    rotation = make_platform("alice", "bob")

    response = save(browser, rotation, turns="custom", every="1", unit="days")

    text = said(response)
    assert text.count("<br>") == 5
    assert "instead of" in text
    assert re.search(r"<br>and \d+ more", text)


def test_a_save_that_changes_nobodys_turn_says_so(browser: Client) -> None:
    response = save(browser, make_platform("alice", "bob"), name="first")

    assert "Nothing changes in the next 90 days." in said(response)


def test_a_change_of_hours_for_every_day_is_one_line(browser: Client) -> None:
    rotation = make_platform("alice", "bob")
    RotationWindow.objects.create(rotation=rotation, days="01234", starts=time(9), ends=time(17))

    response = save(browser, rotation, **{"members-1-DELETE": "on"})

    assert "alice instead of bob" in said(response)
    assert said(response).count("<br>") == 5


def test_taking_out_whoever_is_on_call_is_a_warning(browser: Client) -> None:
    rotation = make_platform("alice", "bob")
    holder = oncall.who_is_on_call(rotation, NOON)
    place = [member.user for member in rotation.members.all()].index(holder)  # type: ignore[arg-type]

    response = save(browser, rotation, **{f"members-{place}-DELETE": "on"})

    [level] = [one.level_tag for one in get_messages(response.wsgi_request) if "What" in str(one)]
    assert oncall.who_is_on_call(Rotation.objects.get(), NOON) != holder
    assert "Mon 23 Nov 2026 12:00 to Mon 30 Nov 2026 09:00: " in said(response)
    assert level == "warning"


# --- Preview --------------------------------------------------------------------------------------


def test_a_preview_of_a_change_shows_what_changes_and_stores_nothing(
    browser: Client, django_capture_on_commit_callbacks: Any
) -> None:
    rotation = make_platform("alice", "bob", "carol")
    before = Rotation.objects.filter(pk=rotation.pk).values().get()
    heard: list[Any] = []
    schedule_changed.connect(lambda **facts: heard.append(facts), weak=False, dispatch_uid="heard")

    try:
        with django_capture_on_commit_callbacks() as callbacks:
            response = save(browser, rotation, turns="biweekly", name="first", _preview="1")
    finally:
        schedule_changed.disconnect(dispatch_uid="heard")

    text = response.content.decode()
    assert response.status_code == 200
    assert "Preview: nothing is saved yet" in text
    assert "a new person every 2 weeks, Mondays at 09:00 (UTC)" in text
    assert "What changes against today" in text
    assert heard, "it was a real save, with all that hangs on it"
    assert Rotation.objects.filter(pk=rotation.pk).values().get() == before
    assert callbacks == []
    for log in (ScheduleChange, ShiftRecord, LogEntry, OrmQ):
        assert not log.objects.exists()
    assert said(response) == ""


def test_after_a_preview_the_form_is_filled_as_it_was_posted_and_can_be_saved(
    browser: Client,
) -> None:
    rotation = make_platform("alice", "bob")

    seen = save(
        browser,
        rotation,
        turns="custom",
        every="5",
        unit="days",
        _preview="1",
        **{"members-0-position": "9", "windows-0-days": ["0", "1"]},
    )
    again = form_of(seen)
    saved = browser.post(page("rotation_change", rotation.pk), again)

    rotation.refresh_from_db()
    assert (again["turns"], again["every"], again["unit"]) == ("custom", "5", "days")
    assert saved.status_code == 302
    assert (rotation.every, rotation.unit) == (5, "days")
    assert order(rotation) == ["bob", "alice"]
    assert RotationWindow.objects.get().days == "01"


def test_a_preview_shows_what_the_save_then_does(browser: Client) -> None:
    rotation = make_platform("alice", "bob", "carol")

    seen = save(browser, rotation, turns="biweekly", _preview="1")
    browser.post(page("rotation_change", rotation.pk), form_of(seen))

    planned = oncall.plans([Rotation.objects.get()], NOON, NOON + timedelta(days=90))
    shown = seen.context["preview"].planned
    assert [(one.person, one.starts_at, one.ends_at) for one in planned[rotation.pk]] == [
        (one.person, one.starts_at, one.ends_at) for one in shown
    ]


def test_a_new_rotation_can_be_previewed_before_it_is_there(browser: Client) -> None:
    alice, bob = make_user("alice"), make_user("bob")

    seen = new(browser, make_team("Platform", alice, bob), alice, bob, _preview="1")
    nothing_yet = not Rotation.objects.exists()
    saved = browser.post(page("rotation_add"), form_of(seen))

    text = seen.content.decode()
    assert "Preview: nothing is saved yet" in text
    assert "What changes against today" not in text
    assert "<td>now</td><td>Mon 30 Nov 2026 09:00</td><td>alice</td>" in text
    assert nothing_yet
    assert saved.status_code == 302
    assert order(Rotation.objects.get()) == ["alice", "bob"]


def test_a_preview_in_which_nothing_changes_says_so(browser: Client) -> None:
    seen = save(browser, make_platform("alice", "bob"), name="first", _preview="1")

    assert "the same people are on call at the same times" in seen.content.decode()


@pytest.mark.parametrize("members", [2, 40])
def test_a_preview_takes_a_few_queries_for_each_member(
    browser: Client, members: int, django_assert_max_num_queries: Any
) -> None:
    rotation = make_platform(*(f"alice{number}" for number in range(members)))
    values = filled(browser, rotation) | {"turns": "biweekly", "_preview": "1"}

    with django_assert_max_num_queries(100 + 7 * members):
        browser.post(page("rotation_change", rotation.pk), values)
