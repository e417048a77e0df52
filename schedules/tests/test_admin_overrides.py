"""Overrides in the admin, used as an admin would."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from pagerpal.testing import NOON, at, make_rotation, make_team, make_user
from schedules.models import Override, Rotation, ScheduleChange, User
from schedules.tests.pages import form_of, page, said

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("monday_noon")]

DAY = timedelta(days=1)


@pytest.fixture
def rotation() -> Rotation:
    """With alice in it; bob is in the team."""
    alice, bob = make_user("alice"), make_user("bob")
    return make_rotation(make_team("Platform", alice, bob), alice)


@pytest.fixture
def bob(rotation: Rotation) -> User:
    return User.objects.get(name="bob")


def add(browser: Client, rotation: Rotation, user: User | None, **times: str) -> Any:
    values = {"starts_at": "2026-11-24T09:00", "ends_at": "2026-11-25T09:00", **times}
    person = user.pk if user else ""
    return browser.post(page("override_add"), {"rotation": rotation.pk, "user": person, **values})


def make_override(rotation: Rotation, user: User | None = None, *, days: int = 1) -> Override:
    begins = NOON + days * DAY
    return Override.objects.create(
        rotation=rotation, user=user, starts_at=begins, ends_at=begins + DAY / 2
    )


def history() -> list[str]:
    return [f"{change.actor}: {change.text}" for change in ScheduleChange.objects.all()]


# --- Making one -----------------------------------------------------------------------------------


def test_an_override_remembers_who_made_it_and_is_in_the_teams_history(
    browser: Client, root: User, rotation: Rotation, bob: User
) -> None:
    response = add(browser, rotation, bob)

    override = Override.objects.get()
    assert response.status_code == 302
    assert override.created_by == root
    assert "overlaps" not in said(response)
    assert history() == [
        "root: bob covers primary from Tue 24 Nov 2026 09:00 to Wed 25 Nov 2026 09:00 (UTC)."
    ]


def test_the_times_of_an_override_are_the_admins_own(
    browser: Client, root: User, rotation: Rotation
) -> None:
    User.objects.filter(pk=root.pk).update(time_zone="Europe/Berlin")

    shown = browser.get(page("override_add")).content.decode()
    add(browser, rotation, None)
    override = Override.objects.get()
    again = browser.get(page("override_change", override.pk)).content.decode()

    assert "Your local time (Europe/Berlin)." in shown
    assert override.starts_at == at("2026-11-24 09:00", "Europe/Berlin")
    assert 'value="2026-11-24T09:00"' in again


def test_an_override_by_nobody_is_allowed(browser: Client, rotation: Rotation) -> None:
    add(browser, rotation, None)

    assert Override.objects.get().user is None


def test_an_override_that_overlaps_another_says_so(
    browser: Client, rotation: Rotation, bob: User
) -> None:
    add(browser, rotation, bob)

    response = add(browser, rotation, None, starts_at="2026-11-23T18:00")

    assert Override.objects.count() == 2
    assert "overlaps with another override: bob in Platform: primary" in said(response)


def test_overrides_that_only_touch_do_not_overlap(
    browser: Client, rotation: Rotation, bob: User
) -> None:
    add(browser, rotation, bob)

    times = {"starts_at": "2026-11-25T09:00", "ends_at": "2026-11-26T09:00"}
    response = add(browser, rotation, bob, **times)

    assert Override.objects.count() == 2
    assert "overlaps" not in said(response)


@pytest.mark.parametrize(
    ("times", "sentence"),
    [
        ({"ends_at": "2026-11-24T08:00"}, "must end after it starts"),
        ({"ends_at": "2026-11-24T09:00"}, "must end after it starts"),
        ({"starts_at": "2026-11-02T09:00", "ends_at": "2026-11-03T09:00"}, "over already"),
        ({"ends_at": "2099-11-25T09:00"}, "at most 366 days"),
        ({"ends_at": "9999-99-99T99:99"}, "Give a day and a time"),
        ({"starts_at": ""}, "This field is required."),
    ],
)
def test_times_that_cannot_be_are_refused_with_one_sentence(
    browser: Client, rotation: Rotation, bob: User, times: dict[str, str], sentence: str
) -> None:
    response = add(browser, rotation, bob, **times)

    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert 'value="2026-11' in response.content.decode(), "the form is filled as it was"
    assert not Override.objects.exists()
    assert history() == []


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "stranger is not in team Platform."),
        ({"is_active": False}, "stranger is switched off."),
    ],
)
def test_only_people_of_the_team_cover(
    browser: Client, rotation: Rotation, fields: dict[str, Any], sentence: str
) -> None:
    response = add(browser, rotation, make_user("stranger", **fields))

    assert sentence in response.content.decode()
    assert not Override.objects.exists()


def test_staff_who_may_not_cover_there_are_told_so(client: Client, rotation: Rotation) -> None:
    other = make_user("other", is_staff=True)
    other.user_permissions.set(Permission.objects.filter(codename__contains="override"))
    client.force_login(other)

    response = add(client, rotation, None)

    assert "Only the team&#x27;s leads and responders may" in response.content.decode()
    assert not Override.objects.exists()


# --- Changing and taking away ---------------------------------------------------------------------


def test_a_change_goes_through_and_is_in_the_teams_history(
    browser: Client, rotation: Rotation, bob: User
) -> None:
    override = make_override(rotation, bob)
    values = form_of(browser.get(page("override_change", override.pk)))

    response = browser.post(page("override_change", override.pk), {**values, "user": ""})

    override.refresh_from_db()
    assert response.status_code == 302
    assert override.user is None
    assert "before: bob covers primary" in history()[0]


def test_saving_without_a_change_changes_nothing(
    browser: Client, rotation: Rotation, bob: User
) -> None:
    override = make_override(rotation, bob)
    values = form_of(browser.get(page("override_change", override.pk)))

    response = browser.post(page("override_change", override.pk), values)

    assert response.status_code == 302
    assert history() == []


def test_one_that_is_over_is_only_shown(browser: Client, rotation: Rotation, bob: User) -> None:
    override = make_override(rotation, bob, days=-3)

    text = browser.get(page("override_change", override.pk)).content.decode()

    assert "It is over: what was, stays as it was." in text
    assert "_save" not in text
    assert "deletelink" not in text


def test_one_that_ended_while_its_form_was_open_is_refused_in_the_form(
    browser: Client, rotation: Rotation, bob: User
) -> None:
    override = make_override(rotation, bob)
    values = form_of(browser.get(page("override_change", override.pk)))

    with time_machine.travel(NOON + 3 * DAY, tick=False):
        changed = browser.post(page("override_change", override.pk), {**values, "user": ""})
        deleted = browser.post(page("override_delete", override.pk), {"post": "yes"}, follow=True)

    override.refresh_from_db()
    assert override.user == bob
    assert "This cover is over" in changed.content.decode()
    assert "This cover is over" in deleted.content.decode()
    assert history() == []


def test_one_is_deleted_through_covering(browser: Client, rotation: Rotation, bob: User) -> None:
    override = make_override(rotation, bob)

    asked = browser.get(page("override_delete", override.pk))
    browser.post(page("override_delete", override.pk), {"post": "yes"})

    assert asked.status_code == 200
    assert "alice instead of bob" in asked.content.decode()
    assert not Override.objects.exists()
    assert history()[0].startswith("root: Removed: bob covers primary")


def test_many_are_deleted_through_covering_but_not_those_that_are_over(
    browser: Client, rotation: Rotation, bob: User
) -> None:
    over, *coming = [make_override(rotation, bob, days=days) for days in (-3, 1, 2)]
    chosen = {
        "action": "delete_selected",
        "_selected_action": [one.pk for one in (over, *coming)],
    }

    asked = browser.post(page("override_changelist"), chosen)
    nothing_yet = Override.objects.count()
    done = browser.post(page("override_changelist"), {**chosen, "post": "yes"})

    assert "Left as they were, because they are over: 1." in said(asked)
    assert asked.status_code == 200
    assert nothing_yet == 3
    assert asked.content.decode().count("alice instead of bob") == 2
    assert done.status_code == 302
    assert list(Override.objects.all()) == [over]
    assert len(history()) == 2


def test_the_admins_own_log_names_the_override(browser: Client, rotation: Rotation) -> None:
    add(browser, rotation, None)

    entry = LogEntry.objects.get()
    assert entry.object_id == str(Override.objects.get().pk)
    assert "nobody in Platform: primary" in entry.object_repr


@pytest.mark.parametrize(("when", "days"), [("now", 0), ("upcoming", 2), ("past", -2)])
def test_overrides_are_filtered_by_when_they_hold(
    browser: Client, rotation: Rotation, when: str, days: int
) -> None:
    for shift in (-2, 0, 2):
        make_override(rotation, days=shift)

    response = browser.get(page("override_changelist"), {"when": when})

    [found] = response.context["cl"].result_list
    assert found.starts_at == NOON + days * DAY


def test_only_rotations_that_are_on_are_offered(browser: Client, rotation: Rotation) -> None:
    make_rotation(rotation.team, name="old primary", is_active=False)

    response = browser.get(
        reverse("admin:autocomplete"),
        {
            "term": "prim",
            "app_label": "schedules",
            "model_name": "override",
            "field_name": "rotation",
        },
    )

    assert [found["text"] for found in response.json()["results"]] == ["Platform: primary"]
