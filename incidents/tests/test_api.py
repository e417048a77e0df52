"""Incidents, policies and figures by the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from incidents.models import EscalationPolicy, Incident
from pagerpal.testing import call_api, make_incident, make_policy, make_team, make_user
from schedules.models import Membership, Team, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def lead() -> User:
    return make_user("lead")


@pytest.fixture
def team(alice: User, lead: User) -> Team:
    return make_team("Platform", alice, leads=(lead,))


def numbers(said: Any) -> list[int]:
    return [one["id"] for one in said.json()["items"]]


def test_the_list_has_the_filters_of_the_page(alice: User, team: Team) -> None:
    high = make_incident(team, severity="high", title="disk full")
    make_incident(team, severity="warning", urgency="low")
    done = make_incident(team, state="resolved", resolved_at=timezone.now())

    assert numbers(call_api(alice, "GET", "incidents?severity=high")) == [high.pk]
    assert numbers(call_api(alice, "GET", "incidents?show=resolved")) == [done.pk]
    assert len(numbers(call_api(alice, "GET", f"incidents?show=all&team={team.pk}"))) == 3
    assert call_api(alice, "GET", "incidents?starts_on=yesterday").status_code == 422


def test_a_list_goes_on_where_it_ended(alice: User, team: Team) -> None:
    made = [make_incident(team).pk for _ in range(3)]
    made += [make_incident(team, state="resolved", resolved_at=timezone.now()).pk for _ in range(3)]

    found: list[int] = []
    after = ""
    for _ in range(4):
        said = call_api(alice, "GET", f"incidents?show=all&limit=2&after={after}")
        found += numbers(said)
        after = said.json()["next"]
        if after is None:
            break

    assert sorted(found) == sorted(made)
    assert after is None


def test_the_list_costs_the_same_for_few_and_for_many(alice: User, team: Team) -> None:
    token = call_api(alice, "POST", "account/tokens", {"name": "x", "days": 1}).json()["token"]

    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            call_api(token, "GET", "incidents?limit=50")
        return len(seen)

    make_incident(team)
    call_api(token, "GET", "incidents")
    one = cost()
    for _ in range(9):
        make_incident(team)

    assert cost() == one


def test_another_teams_incident_is_404(team: Team) -> None:
    incident = make_incident(team)

    for path in ("", "/timeline", "/deliveries", "/alerts"):
        said = call_api(make_user(f"s{len(path)}"), "GET", f"incidents/{incident.pk}{path}")
        assert said.status_code == 404


def test_an_observer_is_told_why_they_may_not_act(team: Team) -> None:
    eve = make_user("eve")
    Membership.objects.create(team=team, user=eve, role="observer")
    incident = make_incident(team)

    said = call_api(eve, "POST", f"incidents/{incident.pk}/acknowledge", {})

    assert said.status_code == 403
    assert "observers look" in said.json()["detail"]


@pytest.mark.parametrize(
    ("word", "body", "kind"),
    [
        ("acknowledge", {"again": "60"}, "acknowledged"),
        ("snooze", {"minutes": 60}, "snoozed"),
        ("snooze", {"until": "morning"}, "snoozed"),
        ("severity", {"severity": "critical"}, "severity"),
        ("noise", {}, "noise"),
        ("resolve", {"text": "freed"}, "resolved"),
        ("notes", {"text": "looking"}, "note"),
    ],
)
def test_an_act_is_on_the_timeline_as_done_by_the_api(
    alice: User, team: Team, word: str, body: dict[str, Any], kind: str
) -> None:
    incident = make_incident(team)

    said = call_api(alice, "POST", f"incidents/{incident.pk}/{word}", body)

    assert said.json()["changed"] is True, said.content
    entry = incident.timeline.get(kind=kind)
    assert (entry.actor, entry.via) == (alice, "api")


def test_the_second_of_two_is_told_who_was_first(alice: User, lead: User, team: Team) -> None:
    path = f"incidents/{make_incident(team).pk}/acknowledge"

    first, second = (call_api(who, "POST", path, {}).json() for who in (alice, lead))

    assert (first["changed"], second["changed"]) == (True, False)
    assert "alice" in second["text"]
    assert second["incident"]["owner"]["name"] == "alice"


@pytest.mark.parametrize(
    ("word", "body", "status"),
    [
        ("merge", {"into": 99_999}, 409),
        ("snooze", {}, 422),
        ("snooze", {"until": "never"}, 409),
        ("reassign", {"to": 99_999}, 409),
        ("page", {}, 422),
        ("notes", {"text": "  "}, 422),
        ("notes", {"text": "x" * 19_000}, 409),
        ("severity", {"severity": "pink"}, 422),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    alice: User, team: Team, word: str, body: dict[str, Any], status: int
) -> None:
    incident = make_incident(team)

    said = call_api(alice, "POST", f"incidents/{incident.pk}/{word}", body)

    assert said.status_code == status, said.content
    assert not incident.timeline.exists()


def test_several_are_acknowledged_and_strangers_left(alice: User, team: Team) -> None:
    mine = [make_incident(team).pk for _ in range(2)]
    theirs = make_incident(make_team("Web")).pk
    body = {"act": "acknowledge", "incidents": [*mine, theirs]}

    said = call_api(alice, "POST", "incidents/acts", body).json()

    assert said == {"text": "2 acknowledged.", "refused": [], "not_yours": [theirs]}
    assert Incident.objects.get(pk=theirs).state == "triggered"


def test_an_incident_is_raised_by_the_rules_of_its_form(alice: User, team: Team) -> None:
    web = make_team("Web")
    policy = make_policy(web)

    foreign = call_api(alice, "POST", "incidents", {"team": web.pk, "title": "x"})
    crossed = call_api(
        alice, "POST", "incidents", {"team": team.pk, "title": "x", "policy": policy.pk}
    )
    blank = call_api(alice, "POST", "incidents", {"team": team.pk, "title": "\n"})

    assert {one.status_code for one in (foreign, crossed, blank)} == {422}
    assert not Incident.objects.exists()


# --- Policies ------------------------------------------------------------------------------------


def test_a_policy_keeps_the_steps_that_are_named_and_loses_the_others(
    lead: User, alice: User, team: Team
) -> None:
    steps = [
        {"people": [alice.pk], "wait_minutes": 5},
        {"whole_team": True, "wait_minutes": 10, "only_urgency": "high"},
    ]
    body = {"team": team.pk, "name": "night", "is_default": True, "steps": steps}
    made = call_api(lead, "POST", "escalation-policies", body)
    policy = made.json()
    kept = policy["steps"][1]["id"]
    steps = [{"id": kept, "wait_minutes": 7}, {"people": [lead.pk], "wait_minutes": 1.5}]
    said = call_api(lead, "PATCH", f"escalation-policies/{policy['id']}", {"steps": steps}).json()

    assert made.status_code == 201, made.content
    assert [(one["id"] == kept, one["wait_minutes"]) for one in said["steps"]] == [
        (True, 7.0),
        (False, 1.5),
    ]
    assert (said["steps"][0]["whole_team"], said["steps"][0]["only_urgency"]) == (True, "high")


def test_a_policy_says_whom_it_would_page(lead: User, alice: User, team: Team) -> None:
    policy = make_policy(team, alice)

    said = call_api(lead, "GET", f"escalation-policies/{policy.pk}/prediction").json()

    assert [one["urgency"] for one in said["items"]] == ["high", "low"]
    assert said["items"][0]["calls"][0]["who"] == ["alice"]


def test_a_policy_is_deleted_by_a_lead(lead: User, alice: User, team: Team) -> None:
    policy = make_policy(team, alice)

    refused = call_api(alice, "DELETE", f"escalation-policies/{policy.pk}")
    done = call_api(lead, "DELETE", f"escalation-policies/{policy.pk}")

    assert (refused.status_code, done.status_code) == (403, 204)
    assert not EscalationPolicy.objects.exists()


# --- Figures -------------------------------------------------------------------------------------


def test_the_log_its_figures_and_the_csv_are_of_the_same_incidents(alice: User, team: Team) -> None:
    now = timezone.now()
    made = make_incident(team, opened_at=now, state="resolved", resolved_at=now + timedelta(1))
    make_incident(team, opened_at=now - timedelta(days=60))

    rows = call_api(alice, "GET", "log")
    figures = call_api(alice, "GET", "log/figures").json()
    csv = b"".join(call_api(alice, "GET", "log/csv").streaming_content).decode()

    assert numbers(rows) == [made.pk]
    assert rows.json()["items"][0]["seconds_to_resolve"] == 86_400
    assert (figures["total"], figures["median_seconds_to_resolve"]) == (1, 86_400)
    assert len(csv.splitlines()) == 2
