"""Alert sources by the API: keys, messages, mapping, rules, and silencing an incident."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from alertsources.models import AlertSource, ReceivedPayload, Silence
from incidents.models import Incident
from pagerpal.testing import call_api, make_policy, make_source, make_team, make_user
from schedules.models import Team, User

pytestmark = pytest.mark.django_db
KEY = "k" * 32


@pytest.fixture
def lead() -> User:
    return make_user("lead")


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def team(alice: User, lead: User) -> Team:
    team = make_team("Platform", alice, leads=(lead,))
    make_policy(team, alice)
    return team


def post(key: str, body: Any) -> Any:
    text = json.dumps(body)
    return Client().post("/api/v1/alerts", text, "application/json", headers={"X-API-Key": key})


def test_a_source_is_made_sends_and_gets_another_key(lead: User, team: Team) -> None:
    made = call_api(lead, "POST", "alert-sources", {"team": team.pk, "name": "prod"})
    path = f"alert-sources/{made.json()['id']}"
    key = made.json()["key"]
    taken = post(key, {"title": "Disk full"})
    new = call_api(lead, "POST", f"{path}/key", {"at_once": True}).json()["key"]
    messages = call_api(lead, "GET", f"{path}/messages").json()["items"]

    assert (made.status_code, taken.status_code // 100) == (201, 2)
    answers = [post(one, {"title": "x"}).status_code for one in (key, new)]
    assert (answers[0], answers[1] // 100) == (403, 2)
    assert messages[0]["incident"] == Incident.objects.order_by("pk").first().pk  # type: ignore[union-attr]
    told = call_api(lead, "GET", path)
    assert new not in told.content.decode()
    assert told.json()["masked_key"].endswith(new[-4:])


def test_a_new_key_for_one_that_was_changed_meanwhile_is_refused(lead: User, team: Team) -> None:
    source = make_source(team)

    said = call_api(lead, "POST", f"alert-sources/{source.pk}/key", {"seen": "zzzz"})

    assert said.status_code == 409


def test_what_is_sent_is_changed_and_nothing_else(lead: User, team: Team) -> None:
    source = make_source(team, signing_secret="", group_labels=["a"], flapping_times=7)
    body = {"wait_minutes": 2, "group_by": "labels", "group_labels": ["alertname", "cluster"]}

    said = call_api(lead, "PATCH", f"alert-sources/{source.pk}", body).json()

    assert (said["wait_minutes"], said["group_labels"]) == (2.0, ["alertname", "cluster"])
    assert (said["flapping_times"], said["name"], said["is_active"]) == (7, source.name, True)
    assert AlertSource.objects.get().key_hash == source.key_hash


@pytest.mark.parametrize(
    "body",
    [
        {"policy": 99_999},
        {"kind": "pigeon"},
        {"wait_minutes": 400_000},
        {"keep_days": -1},
        {"name": ""},
        {"group_by": "labels", "group_labels": []},
    ],
)
def test_what_the_form_refuses_is_422(lead: User, team: Team, body: dict[str, Any]) -> None:
    source = make_source(team)

    assert call_api(lead, "PATCH", f"alert-sources/{source.pk}", body).status_code == 422


def test_a_name_that_is_taken_is_told(lead: User, team: Team) -> None:
    make_source(team, name="prod")

    said = call_api(lead, "POST", "alert-sources", {"team": team.pk, "name": "prod"})

    assert said.status_code == 422
    assert "already exists" in said.json()["detail"]


def test_a_test_alert_pages_only_whoever_asks(lead: User, team: Team) -> None:
    source = make_source(team)

    said = call_api(lead, "POST", f"alert-sources/{source.pk}/test", {}).json()

    incident = Incident.objects.get(pk=said["incidents"][0])
    assert (incident.is_test, "pages you only" in said["text"]) == (True, True)


def test_one_that_is_off_is_not_tried(lead: User, team: Team) -> None:
    source = make_source(team)

    off = call_api(lead, "POST", f"alert-sources/{source.pk}/switch", {"is_on": False}).json()
    said = call_api(lead, "POST", f"alert-sources/{source.pk}/test", {})

    assert (off["changed"], said.status_code) == (True, 409)


def test_a_message_is_shown_and_taken_in_again(lead: User, team: Team) -> None:
    source = make_source(team, key=KEY)
    post(KEY, {"title": "Disk full"})
    payload = ReceivedPayload.objects.get()
    path = f"alert-sources/{source.pk}/messages/{payload.pk}"

    shown = call_api(lead, "GET", path).json()
    again = call_api(lead, "POST", f"{path}/reprocess").json()

    assert "Disk full" in shown["body"]
    assert again["changed"] is True
    assert ReceivedPayload.objects.filter(reprocessed_from=payload).exists()


def test_a_mapping_is_tried_and_stored(lead: User, team: Team) -> None:
    source = make_source(team, kind="any-json", key=KEY)
    Client().post(
        "/api/v1/alerts/any-json", '{"m": {"n": "Disk full"}}', "application/json",
        headers={"X-API-Key": KEY},
    )  # fmt: skip
    path = f"alert-sources/{source.pk}/mapping"

    seen = call_api(lead, "POST", f"{path}/preview", {"mapping": {"title": "m.n"}}).json()
    kept = call_api(lead, "PUT", path, {"title": "m.n", "resolved_words": ["ok"]})
    wrong = call_api(lead, "PUT", path, {"title": "m.["})

    assert any(row["text"] == "Disk full" for row in seen["alerts"][0])
    assert kept.json()["resolved_words"] == ["ok"]
    assert call_api(lead, "GET", path).json() == kept.json()
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "title")


def test_rules_are_set_in_their_order(lead: User, team: Team) -> None:
    source = make_source(team)
    path = f"alert-sources/{source.pk}/rules"
    first = {"labels": ["job=backup"], "severity": "warning", "days": ["sat", "sun"]}

    made = call_api(lead, "PUT", path, {"items": [first, {"title": "disk"}]})
    one, two = made.json()["items"]
    turned = call_api(lead, "PUT", path, {"items": [{"id": two["id"]}, {"id": one["id"]}]}).json()
    bare = call_api(lead, "PUT", path, {"items": [{"id": one["id"], "labels": ["nonsense"]}]})

    assert (one["labels"], one["days"]) == (["job=backup"], ["sat", "sun"]), made.content
    assert [rule["id"] for rule in turned["items"]] == [two["id"], one["id"]]
    assert bare.status_code == 422


def test_a_responder_looks_and_does_not_set_up(alice: User, team: Team) -> None:
    source = make_source(team)

    looked = call_api(alice, "GET", f"alert-sources/{source.pk}/set-up")
    changed = call_api(alice, "PATCH", f"alert-sources/{source.pk}", {"name": "x"})

    assert (looked.status_code, changed.status_code) == (200, 403)
    assert "curl" in looked.json()["shell_line"]


def test_what_is_like_an_incident_is_muted_for_hours(alice: User, team: Team) -> None:
    make_source(team, key=KEY)
    post(KEY, {"title": "Disk full"})
    pk = Incident.objects.get().pk

    alerts = call_api(alice, "GET", f"incidents/{pk}/alerts").json()["items"]
    said = call_api(alice, "POST", f"incidents/{pk}/silence", {"hours": 2})
    odd = call_api(alice, "POST", f"incidents/{pk}/silence", {"hours": 3})

    assert [one["title"] for one in alerts] == ["Disk full"]
    assert (said.status_code, said.json()["created_by"], odd.status_code) == (201, "alice", 422)


def test_a_lead_changes_a_silence_and_a_token_makes_one(lead: User, team: Team) -> None:
    body = {"reason": "deploy", "team": "Platform", "minutes": 30, "title": "disk"}

    made = call_api(lead, "POST", "silences", body).json()
    said = call_api(lead, "PATCH", f"silences/{made['id']}", {"reason": "longer"}).json()
    wrong = call_api(lead, "POST", "silences", {**body, "minutes": 0})

    assert (said["reason"], said["title"]) == ("longer", "disk")
    assert Silence.objects.get().created_by == lead
    assert wrong.headers["Content-Type"] == "application/problem+json"
    assert wrong.json()["error"] == wrong.json()["detail"]
