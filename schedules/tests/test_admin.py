"""What holds of every page of the admin of people, teams, rotations and overrides."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from pagerpal.testing import NOON, make_rotation, make_team, make_user
from schedules.models import Override
from schedules.tests.pages import page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("monday_noon")]

DAY = timedelta(days=1)


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
    ("model", "queries"), [("user", 17), ("team", 5), ("rotation", 18), ("override", 6)]
)
@pytest.mark.parametrize("rows", [2, 8])
def test_lists_take_the_same_queries_for_two_rows_and_for_many(
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
def test_a_rotation_page_takes_one_query_more_for_each_member(
    browser: Client, members: int, django_assert_num_queries: Any
) -> None:
    people = [make_user(f"alice{number}") for number in range(members)]
    rotation = make_rotation(make_team("Platform", *people), *people)

    # Each member's choice looks up its own name: that is how the admin's autocomplete works.
    ContentType.objects.clear_cache()
    with django_assert_num_queries(18 + members):
        browser.get(page("rotation_change", rotation.pk))


@pytest.mark.parametrize(("model", "queries"), [("user", 25), ("team", 19), ("override", 8)])
@pytest.mark.parametrize("rotations", [1, 8])
def test_a_page_takes_the_same_queries_for_one_rotation_and_for_many(
    browser: Client, model: str, queries: int, rotations: int, django_assert_num_queries: Any
) -> None:
    alice = make_user("alice")
    team = make_team("Platform", alice)
    for number in range(rotations):
        rotation = make_rotation(team, alice, name=f"rotation {number}")
        override = Override.objects.create(
            rotation=rotation, user=alice, starts_at=NOON, ends_at=NOON + DAY
        )
    made = {"user": alice, "team": team, "override": override}[model]

    ContentType.objects.clear_cache()
    with django_assert_num_queries(queries):
        browser.get(page(f"{model}_change", made.pk))


@pytest.mark.parametrize("model", ["user", "team", "rotation"])
def test_people_teams_and_rotations_cannot_be_deleted(browser: Client, model: str) -> None:
    alice = make_user("alice")
    rotation = make_rotation(make_team("Platform", alice), alice)
    made = {"user": alice, "team": rotation.team, "rotation": rotation}[model]

    response = browser.post(page(f"{model}_delete", made.pk), {"post": "yes"})

    assert response.status_code in {200, 302}  # the page that offers to switch it off
    made.refresh_from_db()


@pytest.mark.parametrize("model", ["user", "team", "rotation", "override"])
@pytest.mark.parametrize(
    "posted",
    [
        {},
        {"_preview": "1"},
        {"team": "x", "rotation": "999", "user": "x", "members-0-user": "x"},
        {"members-TOTAL_FORMS": "99999999", "members-INITIAL_FORMS": "0"},
        {"windows-TOTAL_FORMS": "-1", "windows-INITIAL_FORMS": "x"},
        {"action": "switch_off", "successor_1": "x"},
    ],
)
def test_made_up_forms_and_addresses_are_no_error_page(
    browser: Client, model: str, posted: dict[str, str]
) -> None:
    alice = make_user("alice")
    rotation = make_rotation(make_team("Platform", alice), alice)
    override = Override.objects.create(
        rotation=rotation, user=alice, starts_at=NOON, ends_at=NOON + DAY
    )
    rows = {"user": alice, "team": rotation.team, "rotation": rotation, "override": override}
    pages = [
        page(f"{model}_add"),
        page(f"{model}_change", rows[model].pk),
        page(f"{model}_change", 99999),
        page(f"{model}_changelist"),
    ]

    answers = [browser.post(address, posted).status_code for address in pages]
    filled_in = browser.get(page(f"{model}_add"), {"team": "x", "user": "x", "starts_at": "x"})

    assert set(answers) <= {200, 302}
    assert filled_in.status_code == 200
