"""Leads in the admin: theirs is what belongs to their teams, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from alertsources.models import Silence
from incidents.models import EscalationPolicy
from pagerpal.testing import make_policy, make_rotation, make_source, make_team, make_user
from schedules.models import Membership, Rotation, User

pytestmark = pytest.mark.django_db

ROTATION = {
    "name": "secondary", "position": 0, "is_active": "on", "turns": "weekly", "every": 1,
    "unit": "weeks", "starts_on": "2026-11-02", "handover_time": "09:00", "time_zone": "UTC",
    "members-TOTAL_FORMS": 1, "members-INITIAL_FORMS": 0,
    "windows-TOTAL_FORMS": 0, "windows-INITIAL_FORMS": 0,
}  # fmt: skip


@pytest.fixture
def lena(client: Client) -> User:
    """Leads Platform, is signed in, and has no flag of a staff member."""
    lena = make_user("lena")
    make_team("Platform", leads=(lena,))
    client.force_login(lena)
    return lena


def errors_of(response: Any) -> dict[str, Any]:
    found: dict[str, Any] = response.context["adminform"].form.errors
    return found


def test_a_lead_makes_a_rotation_for_a_team_of_their_own_only(client: Client, lena: User) -> None:
    own, strange = lena.teams.get(), make_team("Web")
    add = reverse("admin:schedules_rotation_add")

    filled = {**ROTATION, "members-0-user": lena.pk, "members-0-position": 0}
    refused = client.post(add, {**filled, "team": strange.pk})
    taken = client.post(add, {**filled, "team": own.pk})

    assert "team" in errors_of(refused)
    assert taken.status_code == 302, errors_of(taken)
    assert [rotation.team for rotation in Rotation.objects.all()] == [own]


def test_a_lead_hands_nothing_of_theirs_to_another_team(client: Client, lena: User) -> None:
    source, strange = make_source(lena.teams.get(), name="Grafana"), make_team("Web")
    change = reverse("admin:alertsources_alertsource_change", args=[source.pk])

    response = client.post(change, {"name": "Grafana", "team": strange.pk})

    assert "team" in errors_of(response)


def test_a_silence_of_all_teams_is_an_admins_to_make(client: Client, lena: User) -> None:
    form = {"reason": "hush", "starts_at_0": "2026-11-22", "title": "x"}

    response = client.post(reverse("admin:alertsources_silence_add"), form)

    assert errors_of(response)["team"] == ["This field is required."]
    assert not Silence.objects.exists()


def test_what_an_admin_chose_of_another_team_a_lead_may_keep(client: Client, lena: User) -> None:
    strange = make_rotation(make_team("Web"), make_user("bob"))
    policy = make_policy(lena.teams.get(), strange)
    step = policy.steps.get()
    form = {
        "team": policy.team_id, "name": "Renamed", "is_default": "on", "repeats": 1,
        "repeat_after": "00:05:00", "steps-TOTAL_FORMS": 1, "steps-INITIAL_FORMS": 1,
        "steps-0-id": step.pk, "steps-0-policy": policy.pk, "steps-0-position": 0,
        "steps-0-delay": "00:05:00", "steps-0-rotations": strange.pk, "steps-0-urgency": "any",
        "steps-0-hours": "any",
    }  # fmt: skip

    change = reverse("admin:incidents_escalationpolicy_change", args=[policy.pk])
    client.post(change, form)

    assert EscalationPolicy.objects.get().name == "Renamed"


def test_a_lead_is_offered_only_people_of_their_teams(client: Client, lena: User) -> None:
    ann = make_user("ann")
    Membership.objects.create(team=lena.teams.get(), user=ann)
    make_team("Web", make_user("wim"))
    query = {"app_label": "schedules", "model_name": "membership", "field_name": "user"}

    found = client.get(reverse("admin:autocomplete"), query).json()["results"]

    assert [one["text"] for one in found] == ["ann", "lena"]


def test_the_page_of_a_person_tells_a_lead_no_address_and_no_password(
    client: Client, lena: User
) -> None:
    ann = make_user("ann", password="horse battery staple")
    Membership.objects.create(team=lena.teams.get(), user=ann)

    page = client.get(reverse("admin:schedules_user_change", args=[ann.pk])).content.decode()

    assert "ann@example.org" in page
    assert "topic-ann" not in page
    assert "algorithm" not in page


def test_a_lead_of_a_team_that_is_off_opens_no_admin(client: Client, lena: User) -> None:
    lena.teams.update(is_active=False)

    response = client.get(reverse("admin:index"), follow=True)

    assert response.status_code == 403
    assert "Admin</a>" not in client.get("/dashboard").content.decode()


def test_the_link_to_the_admin_costs_a_lead_no_query(
    client: Client, lena: User, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):  # the session, the person
        client.get("/login")
    assert "Admin</a>" in client.get("/dashboard").content.decode()
