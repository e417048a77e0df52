"""People in the admin, used as an admin would."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from pagerpal.testing import make_user
from schedules.models import Team, User
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
