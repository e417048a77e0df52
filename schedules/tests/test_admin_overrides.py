"""Overrides in the admin, used as an admin would."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from pagerpal.testing import NOON, at, make_rotation, make_team, make_user
from schedules.models import Override, Rotation, User
from schedules.tests.pages import page, said

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("monday_noon")]

DAY = timedelta(days=1)


def add_override(browser: Client, rotation: Rotation, user: User | None, **times: str) -> Any:
    values = {"starts_at": "2026-11-24T09:00", "ends_at": "2026-11-25T09:00", **times}
    person = user.pk if user else ""
    return browser.post(page("override_add"), {"rotation": rotation.pk, "user": person, **values})


def test_an_override_remembers_who_made_it(browser: Client, root: User) -> None:
    rotation = make_rotation(make_team(), make_user("alice"))

    response = add_override(browser, rotation, make_user("bob"))

    override = Override.objects.get()
    assert override.created_by == root
    assert "overlaps" not in said(response)


def test_the_times_of_an_override_are_the_admins_own(browser: Client, root: User) -> None:
    User.objects.filter(pk=root.pk).update(time_zone="Europe/Berlin")
    rotation = make_rotation(make_team(), make_user("alice"))

    shown = browser.get(page("override_add")).content.decode()
    add_override(browser, rotation, None)
    override = Override.objects.get()
    again = browser.get(page("override_change", override.pk)).content.decode()

    assert "Your local time (Europe/Berlin)." in shown
    assert override.starts_at == at("2026-11-24 09:00", "Europe/Berlin")
    assert 'value="2026-11-24T09:00"' in again


def test_an_override_by_nobody_is_allowed(browser: Client) -> None:
    add_override(browser, make_rotation(make_team(), make_user("alice")), None)

    assert Override.objects.get().user is None


def test_an_override_that_overlaps_another_says_so(browser: Client) -> None:
    bob = make_user("bob")
    rotation = make_rotation(make_team(), make_user("alice"))
    add_override(browser, rotation, bob)

    response = add_override(browser, rotation, bob, starts_at="2026-11-23T09:00")

    assert Override.objects.count() == 2
    assert "overlaps with another override: bob in Platform: primary" in said(response)


def test_overrides_that_only_touch_do_not_overlap(browser: Client) -> None:
    bob = make_user("bob")
    rotation = make_rotation(make_team(), make_user("alice"))
    add_override(browser, rotation, bob)

    response = add_override(
        browser, rotation, bob, starts_at="2026-11-25T09:00", ends_at="2026-11-26T09:00"
    )

    assert Override.objects.count() == 2
    assert "overlaps" not in said(response)


def test_an_override_that_ends_before_it_starts_is_refused(browser: Client) -> None:
    rotation = make_rotation(make_team(), make_user("alice"))

    response = add_override(browser, rotation, None, ends_at="2026-11-20T09:00")

    assert "must end after it starts" in response.content.decode()
    assert not Override.objects.exists()


def test_an_override_of_no_length_is_said_to_do_nothing(browser: Client) -> None:
    rotation = make_rotation(make_team(), make_user("alice"))

    response = add_override(browser, rotation, None, ends_at="2026-11-24T09:00")

    assert "does nothing" in said(response)


@pytest.mark.parametrize(("when", "days"), [("now", 0), ("upcoming", 2), ("past", -2)])
def test_overrides_are_filtered_by_when_they_hold(browser: Client, when: str, days: int) -> None:
    rotation = make_rotation(make_team(), make_user("alice"))
    for shift in (-2, 0, 2):
        begins = NOON + shift * DAY
        Override.objects.create(rotation=rotation, starts_at=begins, ends_at=begins + DAY)

    response = browser.get(page("override_changelist"), {"when": when})

    [found] = response.context["cl"].result_list
    assert found.starts_at == NOON + days * DAY
