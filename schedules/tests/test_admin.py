"""The admin of people, teams, rotations and overrides, used as an admin would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from pagerpal.testing import NOON, at, make_admin, make_rotation, make_team, make_user
from schedules.models import Membership, Override, Rotation, RotationMember, Team, User
from schedules.signals import person_left, team_closing

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _monday_noon() -> Iterator[None]:
    # The admin reads the clock itself.
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def root() -> User:
    return make_admin()


@pytest.fixture
def browser(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture
def left() -> Iterator[list[tuple[User, Team | None]]]:
    """Who left what, as person_left told it."""
    found: list[tuple[User, Team | None]] = []

    def keep(*, user: User, team: Team | None, **_: Any) -> None:
        found.append((user, team))

    person_left.connect(keep)
    yield found
    person_left.disconnect(keep)


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:schedules_{name}", args=args)


def form_of(response: Any) -> dict[str, Any]:
    """What a browser would post back from an admin form that nobody changed."""
    adminform = response.context["adminform"].form
    formsets = [inline.formset for inline in response.context["inline_admin_formsets"]]
    forms = [adminform, *(f for s in formsets for f in (s.management_form, *s.forms))]
    values: dict[str, Any] = {}
    for form in forms:
        for bound in form:
            value = bound.value()
            if value is not None and value is not False and not bound.field.disabled:
                values[bound.html_name] = "on" if value is True else value
    return values


def said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


# --- Every page opens -----------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["user", "team", "rotation", "override"])
def test_list_add_and_change_pages_open(browser: Client, model: str) -> None:
    alice = make_user("alice")
    team = make_team("Platform", alice)
    rotation = make_rotation(team, alice)
    override = Override.objects.create(
        rotation=rotation, user=alice, starts_at=NOON, ends_at=NOON + DAY
    )
    made = {"user": alice, "team": team, "rotation": rotation, "override": override}[model]

    pages = [
        page(f"{model}_changelist"),
        page(f"{model}_changelist") + "?q=alice",
        page(f"{model}_add"),
        page(f"{model}_change", made.pk),
    ]

    assert [browser.get(address).status_code for address in pages] == [200] * 4


@pytest.mark.parametrize(
    ("model", "queries"), [("user", 6), ("team", 5), ("rotation", 11), ("override", 6)]
)
@pytest.mark.parametrize("rows", [1, 8])
def test_lists_take_the_same_queries_for_one_row_and_for_many(
    browser: Client, model: str, queries: int, rows: int, django_assert_num_queries: Any
) -> None:
    for number in range(rows):
        user = make_user(f"alice{number}")
        rotation = make_rotation(make_team(f"Team {number}", user), user)
        Override.objects.create(rotation=rotation, user=user, starts_at=NOON, ends_at=NOON + DAY)

    with django_assert_num_queries(queries):
        response = browser.get(page(f"{model}_changelist"))

    assert response.status_code == 200


@pytest.mark.parametrize("members", [1, 8])
def test_a_rotation_page_takes_the_same_queries_for_one_member_and_for_many(
    browser: Client, members: int, django_assert_max_num_queries: Any
) -> None:
    people = [make_user(f"alice{number}") for number in range(members)]
    rotation = make_rotation(make_team("Platform"), *people)

    with django_assert_max_num_queries(18 + members):
        browser.get(page("rotation_change", rotation.pk))


@pytest.mark.parametrize("model", ["user", "team", "rotation"])
def test_people_teams_and_rotations_cannot_be_deleted(browser: Client, model: str) -> None:
    alice = make_user("alice")
    rotation = make_rotation(make_team("Platform", alice), alice)
    made = {"user": alice, "team": rotation.team, "rotation": rotation}[model]

    response = browser.post(page(f"{model}_delete", made.pk), {"post": "yes"})

    assert response.status_code == 403
    made.refresh_from_db()


# --- People ---------------------------------------------------------------------------------------


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


# --- Teams ----------------------------------------------------------------------------------------


def test_a_team_shows_who_is_on_call_in_each_rotation(browser: Client) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    team = make_team("Platform", alice, bob)
    make_rotation(team, alice, name="first")
    make_rotation(team, name="second")

    text = browser.get(page("team_change", team.pk)).content.decode()

    assert re.search(r"first: <a [^>]*>alice</a>", text)
    assert re.search(r'second: <a [^>]*><strong class="gap">nobody</strong></a>', text)


def test_taking_somebody_out_of_a_team_tells_the_floors_above(
    browser: Client, left: list[tuple[User, Team | None]]
) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    team = make_team("Platform", alice, bob)
    values = form_of(browser.get(page("team_change", team.pk)))

    response = browser.post(
        page("team_change", team.pk),
        {**values, "memberships-0-DELETE": "on", "memberships-1-role": "lead"},
    )

    assert response.status_code == 302
    assert left == [(alice, team)]
    assert [(m.user, m.role) for m in Membership.objects.all()] == [(bob, "lead")]


def test_a_membership_keeps_its_person(browser: Client) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    team = make_team("Platform", alice)
    values = form_of(browser.get(page("team_change", team.pk)))

    browser.post(page("team_change", team.pk), {**values, "memberships-0-user": bob.pk})

    assert Membership.objects.get().user == alice


def test_a_team_that_is_still_needed_stays_on(browser: Client) -> None:
    team = make_team("Platform")
    values = form_of(browser.get(page("team_change", team.pk)))
    del values["is_active"]

    def object_(**_: Any) -> str:
        return "It has 2 open incidents."

    team_closing.connect(object_)
    try:
        response = browser.post(page("team_change", team.pk), values)
    finally:
        team_closing.disconnect(object_)

    assert "It has 2 open incidents." in response.content.decode()
    assert Team.objects.get().is_active


def test_team_hours_must_end_after_they_start(browser: Client) -> None:
    team = make_team("Platform")
    values = form_of(browser.get(page("team_change", team.pk)))

    response = browser.post(page("team_change", team.pk), {**values, "hours_end": "08:00"})

    assert "must end after they start" in response.content.decode()


# --- Rotations ------------------------------------------------------------------------------------


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


# --- Overrides ------------------------------------------------------------------------------------


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
