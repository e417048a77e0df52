"""Rotations in the admin, used as an admin would."""

from __future__ import annotations

import pytest
from django.test import Client

from pagerpal.testing import at, make_rotation, make_team, make_user
from schedules.models import Override, Rotation, RotationMember
from schedules.tests.pages import form_of, page, said

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("monday_noon")]


def test_a_rotation_says_in_words_what_it_does_and_shows_90_days(browser: Client) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    rotation = make_rotation(make_team(), alice, bob, every=2, time_zone="Europe/Berlin")
    Override.objects.create(
        rotation=rotation,
        user=None,
        starts_at=at("2026-12-24 11:00"),
        ends_at=at("2026-12-25 11:00"),
    )

    text = browser.get(page("rotation_change", rotation.pk)).content.decode()

    assert "a new person every 2 weeks, Mondays at 09:00 (Europe/Berlin)" in text
    assert "bob until Mon 30 Nov 2026 09:00, then alice" in text
    assert (
        '<tr class="gap"><td>Thu 24 Dec 2026 12:00</td><td>Fri 25 Dec 2026 12:00</td>'
        '<td><strong class="gap">nobody</strong></td><td>override</td></tr>'
    ) in text


def test_the_list_of_rotations_shows_who_is_on_call(browser: Client) -> None:
    make_rotation(make_team("A"), make_user("alice"))
    make_rotation(make_team("B"))

    text = browser.get(page("rotation_changelist")).content.decode()

    assert '<td class="field-on_call_now">alice</td>' in text
    assert '<td class="field-on_call_now"><strong class="gap">nobody</strong></td>' in text


def test_members_without_a_position_come_last_in_the_order_entered(browser: Client) -> None:
    alice, bob, carol = make_user("alice"), make_user("bob"), make_user("carol")
    rotation = make_rotation(make_team(), alice)
    values = form_of(browser.get(page("rotation_change", rotation.pk)))
    values |= {"members-TOTAL_FORMS": 3, "members-1-user": carol.pk, "members-1-position": ""}
    values |= {"members-2-user": bob.pk, "members-2-position": ""}

    response = browser.post(page("rotation_change", rotation.pk), values)

    assert response.status_code == 302
    assert [member.user for member in rotation.members.all()] == [alice, carol, bob]


def test_a_change_of_who_is_on_call_now_is_said_aloud(browser: Client) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    rotation = make_rotation(make_team(), alice, bob)
    values = form_of(browser.get(page("rotation_change", rotation.pk)))

    quiet = browser.post(page("rotation_change", rotation.pk), {**values, "name": "first"})
    loud = browser.post(page("rotation_change", rotation.pk), {**values, "members-0-position": "7"})

    assert "changed who is on call" not in said(quiet)
    assert "changed who is on call now: alice instead of bob" in said(loud)


@pytest.mark.parametrize(("field", "value"), [("every", "5000"), ("starts_on", "0001-01-01")])
def test_numbers_that_are_surely_slips_are_refused(browser: Client, field: str, value: str) -> None:
    rotation = make_rotation(make_team(), make_user("alice"))
    values = form_of(browser.get(page("rotation_change", rotation.pk)))

    response = browser.post(page("rotation_change", rotation.pk), {**values, field: value})

    assert response.status_code == 200
    assert Rotation.objects.get() == rotation
    assert RotationMember.objects.count() == 1
