"""People in the admin, used as an admin would."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from pagerpal.testing import NOON, make_rotation, make_team, make_user
from schedules.models import Membership, Override, Rotation, Team, User
from schedules.tests.pages import form_of, page, said

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("monday_noon")]


def add_person(browser: Client, **fields: str) -> Any:
    values = {"name": "alice", "email": "Alice@Example.org", "time_zone": "Europe/Berlin", **fields}
    # The floors above add inlines of their own to this page.
    inlines = form_of(browser.get(page("user_add")))
    management = {name: value for name, value in inlines.items() if "_FORMS" in name}
    return browser.post(page("user_add"), {**management, **values})


def test_a_person_is_added_without_a_password(browser: Client) -> None:
    response = add_person(browser, new_password="")

    alice = User.objects.get(email="alice@example.org")
    assert response.status_code == 302
    assert not alice.has_usable_password()
    assert alice.time_zone == "Europe/Berlin"


def test_a_person_is_added_with_a_password_and_can_sign_in(browser: Client) -> None:
    add_person(browser, new_password="horse battery staple")

    assert Client().login(email="alice@example.org", password="horse battery staple")


@pytest.mark.parametrize("password", ["short", "password1234", "alice@example.org"])
def test_a_weak_password_is_refused(browser: Client, password: str) -> None:
    response = add_person(browser, new_password=password)

    assert response.status_code == 200
    assert not User.objects.filter(email="alice@example.org").exists()


def test_the_same_address_in_other_letters_is_refused(browser: Client) -> None:
    make_user("alice")

    response = add_person(browser, email="ALICE@example.ORG")

    assert response.status_code == 200
    assert "already exists" in response.content.decode()


def test_a_password_is_changed_on_a_page_of_its_own(browser: Client) -> None:
    alice = make_user("alice")
    words = "horse battery staple"

    response = browser.post(
        reverse("admin:auth_user_password_change", args=[alice.pk]),
        {"password1": words, "password2": words, "usable_password": "true"},
    )

    assert response.status_code == 302
    assert Client().login(email="alice@example.org", password=words)


def test_switching_a_person_off_in_the_form_tells_the_floors_above(
    browser: Client, left: list[tuple[User, Team | None]]
) -> None:
    alice = make_user("alice", password="horse battery staple")
    values = form_of(browser.get(page("user_change", alice.pk)))
    del values["is_active"]

    response = browser.post(
        page("user_change", alice.pk), {**values, "name": "Alice A.", "email": "a@example.org"}
    )

    alice.refresh_from_db()
    assert response.status_code == 302
    assert (alice.is_active, alice.name, alice.email) == (False, "Alice A.", "a@example.org")
    assert left == [(alice, None)]


def test_saving_a_person_who_stays_tells_nobody(
    browser: Client, left: list[tuple[User, Team | None]]
) -> None:
    alice = make_user("alice")
    values = form_of(browser.get(page("user_change", alice.pk)))

    browser.post(page("user_change", alice.pk), {**values, "name": "Alice A."})

    assert User.objects.get(pk=alice.pk).name == "Alice A."
    assert left == []


def test_people_are_switched_off_together_but_never_oneself(
    browser: Client, root: User, left: list[tuple[User, Team | None]]
) -> None:
    alice, bob = make_user("alice"), make_user("bob", is_active=False)

    response = browser.post(
        page("user_changelist"),
        {"action": "switch_off", "_selected_action": [alice.pk, bob.pk, root.pk]},
    )

    assert set(User.objects.filter(is_active=True)) == {root}
    assert left == [(alice, None)]
    assert "1 switched off, 1 had already been." in said(response)
    assert "another admin has to switch you off" in said(response)


def test_an_admin_cannot_switch_themselves_off_in_the_form(browser: Client, root: User) -> None:
    values = form_of(browser.get(page("user_change", root.pk)))

    browser.post(page("user_change", root.pk), values)

    root.refresh_from_db()
    assert (root.is_active, root.is_superuser) == (True, True)


def test_only_active_people_are_offered_where_one_is_chosen(browser: Client) -> None:
    make_user("alice")
    make_user("alina", is_active=False)

    response = browser.get(
        reverse("admin:autocomplete"),
        {"term": "al", "app_label": "schedules", "model_name": "membership", "field_name": "user"},
    )

    assert [found["text"] for found in response.json()["results"]] == ["alice"]


# --- Leaving while scheduled ----------------------------------------------------------------------


@pytest.fixture
def platform() -> Rotation:
    """alice, bob and carol in turn; alice is on and covers bob later; dan is in the team too."""
    alice, bob, carol, dan = (make_user(name) for name in ("alice", "bob", "carol", "dan"))
    rotation = make_rotation(make_team("Platform", alice, bob, carol, dan), alice, bob, carol)
    begins = NOON + timedelta(days=9)
    Override.objects.create(
        rotation=rotation, user=alice, starts_at=begins, ends_at=begins + timedelta(hours=8)
    )
    return rotation


def named(name: str) -> User:
    return User.objects.get(name=name)


def order(rotation: Rotation) -> list[str]:
    return [member.user.name for member in rotation.members.all()]


def switch_off_in_form(browser: Client, user: User, **fields: Any) -> Any:
    values = form_of(browser.get(page("user_change", user.pk)))
    del values["is_active"]
    return browser.post(page("user_change", user.pk), values | fields)


def test_a_person_shows_where_they_are_scheduled(browser: Client, platform: Rotation) -> None:
    text = browser.get(page("user_change", named("alice").pk)).content.decode()
    other = browser.get(page("user_change", named("dan").pk)).content.decode()

    assert (
        "Platform: primary</a>: on call now, until Mon 30 Nov 2026 09:00, "
        "covers Wed 02 Dec 2026 12:00 to Wed 02 Dec 2026 20:00" in text
    )
    assert "In no rotation." in other


def test_switching_off_somebody_who_is_scheduled_asks_who_takes_over(
    browser: Client, platform: Rotation, left: list[tuple[User, Team | None]]
) -> None:
    alice = named("alice")

    response = switch_off_in_form(browser, alice, name="Alice A.")

    text = response.content.decode()
    alice.refresh_from_db()
    assert response.status_code == 200
    assert "alice is scheduled" not in text  # by the name that is about to be saved
    assert "Who takes over from Alice A.?" in text
    assert "Platform: primary</a>: on call now, until Mon 30 Nov 2026 09:00" in text
    assert (alice.is_active, alice.name) == (True, "alice")
    assert order(platform) == ["alice", "bob", "carol"]
    assert left == []


def test_only_people_of_the_team_who_stay_are_offered(browser: Client, platform: Rotation) -> None:
    make_user("stranger")
    observer = make_user("observer")
    Membership.objects.create(team=platform.team, user=observer, role=Membership.Role.OBSERVER)

    response = switch_off_in_form(browser, named("alice"))

    [leaver] = response.context["leavers"]
    assert [user.name for user in leaver.candidates] == ["bob", "carol", "dan"]


@pytest.mark.parametrize(
    ("answer", "members", "covers"),
    [("dan", ["dan", "bob", "carol"], ["dan"]), ("nobody", ["bob", "carol"], [])],
)
def test_the_answer_is_done_together_with_the_rest_of_the_form(
    browser: Client,
    platform: Rotation,
    left: list[tuple[User, Team | None]],
    answer: str,
    members: list[str],
    covers: list[str],
) -> None:
    alice = named("alice")
    chosen = answer if answer == "nobody" else str(named(answer).pk)
    asked = switch_off_in_form(browser, alice, name="Alice A.")
    again: dict[str, Any] = {}
    for name, value in asked.context["again"]:
        again.setdefault(name, []).append(value)

    response = browser.post(
        page("user_change", alice.pk), {**again, f"successor_{alice.pk}": chosen}
    )

    alice.refresh_from_db()
    assert response.status_code == 302
    assert (alice.is_active, alice.name) == (False, "Alice A.")
    assert order(platform) == members
    assert [cover.user.name for cover in Override.objects.all() if cover.user] == covers
    assert left == [(alice, None)]


@pytest.mark.parametrize("answer", ["", "999999", "alice", "nobody at all"])
def test_an_answer_that_is_none_asks_again(
    browser: Client, platform: Rotation, answer: str
) -> None:
    alice = named("alice")

    response = switch_off_in_form(browser, alice, **{f"successor_{alice.pk}": answer})

    assert "Choose who takes over, or nobody." in response.content.decode()
    assert named("alice").is_active


def test_a_rotation_that_would_be_left_empty_is_pointed_out(browser: Client) -> None:
    alice = make_user("alice")
    make_rotation(make_team("Platform", alice), alice)

    text = switch_off_in_form(browser, alice).content.decode()

    assert "without a successor it pages nobody" in text


def test_of_many_switched_off_together_each_is_asked_about(
    browser: Client, platform: Rotation, left: list[tuple[User, Team | None]]
) -> None:
    alice, bob, carol, dan = (named(name) for name in ("alice", "bob", "carol", "dan"))
    gone = make_user("gone")
    chosen: dict[str, Any] = {
        "action": "switch_off",
        "_selected_action": [alice.pk, bob.pk, gone.pk],
    }

    asked = browser.post(page("user_changelist"), chosen)
    everybody_is_on = not User.objects.filter(is_active=False).exists()
    done = browser.post(
        page("user_changelist"),
        {**chosen, f"successor_{alice.pk}": dan.pk, f"successor_{bob.pk}": "nobody"},
    )

    assert [leaver.user for leaver in asked.context["leavers"]] == [alice, bob]
    assert list(asked.context["leavers"][0].candidates) == [carol, dan]
    assert ("_selected_action", str(gone.pk)) in asked.context["again"]
    assert everybody_is_on
    assert "3 switched off." in said(done)
    assert order(platform) == ["dan", "carol"]
    assert {user for user, _ in left} == {alice, bob, gone}


def test_reminders_and_hand_over_notes_are_set_on_the_person(browser: Client) -> None:
    alice = make_user("alice")
    values = form_of(browser.get(page("user_change", alice.pk)))
    del values["wants_handover_note"]

    wrong = browser.post(page("user_change", alice.pk), {**values, "remind_hours": "200"})
    right = browser.post(page("user_change", alice.pk), {**values, "remind_hours": "48"})

    alice.refresh_from_db()
    assert "less than or equal to 168" in wrong.content.decode()
    assert right.status_code == 302
    assert (alice.remind_hours, alice.wants_handover_note) == (48, False)
