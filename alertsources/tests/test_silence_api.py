"""Silences by address: for programs, and from the page of an incident."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alertsources import silences
from alertsources.models import AlertSource, Silence
from alertsources.tests.test_silences import fire, send
from incidents.models import Incident
from pagerpal.testing import make_admin, make_incident, make_source, make_team, make_user
from schedules.models import Membership, User

pytestmark = pytest.mark.django_db

URL = "/api/v1/silences"
KEY = "k" * 32


@pytest.fixture
def alice() -> User:
    return make_user("alice", ntfy=False)


@pytest.fixture
def source(alice: User) -> AlertSource:
    return make_source(make_team("Platform", alice), name="prod", key=KEY)


@pytest.fixture
def signed_in(client: Client, alice: User, source: AlertSource) -> Client:
    client.force_login(alice)
    return client


def call(client: Client, method: str, url: str = URL, body: Any = None, **headers: str) -> Any:
    data = body if isinstance(body, str) else json.dumps(body)
    return client.generic(method, url, data, content_type="application/json", headers=headers)


def ask(**fields: Any) -> dict[str, Any]:
    return {"reason": "deploying", "minutes": 60, **fields}


def test_a_source_silences_its_own_team_by_its_key(client: Client, source: AlertSource) -> None:
    body = ask(labels={"job": "backup"}, severity="warning", title="disk")
    made = call(client, "POST", body=body, X_API_Key=KEY)

    assert made.status_code == 201, made.content
    one = Silence.objects.get()
    assert (one.team, one.created_label, one.severities) == (
        *(source.team, "source prod"),
        ["warning"],
    )
    assert one.ends_at == one.starts_at + timedelta(hours=1)
    assert made.json()["state"] == "now"
    listed = call(client, "GET", X_API_Key=KEY).json()["silences"]
    assert [(row["id"], row["title"]) for row in listed] == [(one.pk, "disk")]


@pytest.mark.parametrize(("method", "way"), [("DELETE", ""), ("POST", "/end"), ("POST", "/end/")])
def test_a_silence_is_ended_early(
    client: Client, source: AlertSource, method: str, way: str
) -> None:
    pk = call(client, "POST", body=ask(), X_API_Key=KEY).json()["id"]

    ended = call(client, method, f"{URL}/{pk}{way}", X_API_Key=KEY)

    assert (ended.status_code, ended.json()["state"]) == (200, "over")
    assert call(client, "GET", X_API_Key=KEY).json() == {"silences": []}
    past = call(client, "GET", f"{URL}?state=over", X_API_Key=KEY).json()["silences"]
    assert [row["ended_by"] for row in past] == ["source prod"]


def test_a_source_reaches_no_other_team(client: Client, source: AlertSource) -> None:
    other = make_team("Other")
    now = timezone.now()
    ends_at = now + timedelta(hours=1)
    foreign = silences.create(
        reason="theirs", team=other, starts_at=now, ends_at=ends_at, now=now, label="bob"
    )

    assert call(client, "POST", body=ask(team="Other"), X_API_Key=KEY).status_code == 403
    assert call(client, "DELETE", f"{URL}/{foreign.pk}", X_API_Key=KEY).status_code == 404
    assert call(client, "GET", X_API_Key=KEY).json() == {"silences": []}
    everybody = silences.create(reason="all", starts_at=now, ends_at=ends_at, now=now, label="root")
    assert call(client, "DELETE", f"{URL}/{everybody.pk}", X_API_Key=KEY).status_code == 403


def test_a_responder_silences_their_team(signed_in: Client, source: AlertSource) -> None:
    weekly = {"days": ["Sun", "sat"], "opens": "22:00", "closes": "06:00", "zone": "Europe/Berlin"}
    body = {"reason": "backups", "team": "platform", "source": "prod", "weekly": weekly}

    made = call(signed_in, "POST", body=body)

    assert made.status_code == 201, made.content
    assert made.json()["weekly"]["days"] == ["sat", "sun"]
    assert made.json()["created_by"] == "alice"


def test_an_observer_only_looks(signed_in: Client, source: AlertSource) -> None:
    Membership.objects.update(role=Membership.Role.OBSERVER)

    assert call(signed_in, "POST", body=ask(team="Platform")).status_code == 403
    assert call(signed_in, "GET").status_code == 200


def test_only_admins_silence_all_teams(signed_in: Client, client: Client) -> None:
    assert call(signed_in, "POST", body=ask()).status_code == 403
    client.force_login(make_admin())
    assert call(client, "POST", body=ask()).status_code == 201


def test_a_session_needs_its_csrf_token(source: AlertSource, alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)

    assert call(client, "POST", body=ask(team="Platform")).status_code == 403
    assert call(client, "GET").status_code == 200
    token = "t" * 32
    client.cookies["csrftoken"] = token
    body = ask(team="Platform")
    assert call(client, "POST", body=body, X_CSRFToken=token).status_code == 201


def test_without_anybody_it_asks_who(client: Client) -> None:
    answer = call(client, "POST", body=ask())

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Basic realm="PagerPal"')
    assert call(client, "POST", body=ask(), X_API_Key="wrong").status_code == 403
    assert call(client, "PUT").status_code == 405


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        {},
        {"reason": "x"},
        ask(reason=""),
        ask(reason=7),
        ask(minutes=0),
        ask(minutes=True),
        ask(minutes=10**30),
        ask(starts_at="soon"),
        ask(team=10**30),
        ask(team=["x"]),
        ask(team="a\0"),
        ask(source="none"),
        ask(labels=7),
        ask(labels={"a": 7}),
        ask(labels=[{"label": "a", "is": "=~", "value": "("}]),
        ask(labels=[7]),
        ask(severities=["awful"]),
        ask(severities=[[]]),
        ask(weekly=[]),
        ask(weekly={"days": []}),
        ask(weekly={"days": ["someday"], "opens": "1:00", "closes": "2:00"}),
        ask(weekly={"days": ["sun"], "opens": "25:00", "closes": "2:00"}),
        ask(weekly={"days": ["sun"], "opens": "1:00", "closes": "2:00", "zone": "Mars"}),
        ask(duration=7),
    ],
)
def test_what_cannot_be_is_answered_with_a_reason(
    client: Client, source: AlertSource, body: Any
) -> None:
    answer = call(client, "POST", body=body, X_API_Key=KEY)

    assert 400 <= answer.status_code < 500
    assert answer.json()["error"].endswith(".")
    assert not Silence.objects.exists()


def test_the_incidents_page_silences_what_is_like_it(
    signed_in: Client, source: AlertSource
) -> None:
    send(source, fire("disk full on web-1", labels={"job": "disk", "host": "web-1"}))
    incident = Incident.objects.get()
    fragment = f"/incidents/{incident.pk}/alerts"
    assert b"Silence this for 2 h" in signed_in.get(fragment).content

    answer = signed_in.post(f"/incidents/{incident.pk}/silence", {"hours": "2"})

    assert answer["Location"] == incident.get_absolute_url()
    one = Silence.objects.get()
    assert (one.source, one.title, one.created_label) == (source, "", "alice")
    assert {m["label"]: m["value"] for m in one.labels} == {"job": "disk", "host": "web-1"}
    assert Incident.objects.get().state == "triggered"
    page = signed_in.get(fragment).content.decode()
    assert "End this silence" in page
    signed_in.post(f"/silences/{one.pk}/end", {"next": "//evil.example"})
    one.refresh_from_db()
    assert one.ended_label == "alice"


def test_an_incident_without_alerts_is_silenced_by_its_title(
    signed_in: Client, source: AlertSource
) -> None:
    incident = make_incident(source.team, title="By hand")

    signed_in.post(f"/incidents/{incident.pk}/silence", {"hours": "2"})

    assert Silence.objects.get().title == "By hand"


@pytest.mark.parametrize("hours", ["", "x", "3", "-2"])
def test_odd_hours_silence_nothing(signed_in: Client, source: AlertSource, hours: str) -> None:
    incident = make_incident(source.team)

    assert signed_in.post(f"/incidents/{incident.pk}/silence", {"hours": hours}).status_code == 302
    assert not Silence.objects.exists()


def test_others_silence_nothing_here(client: Client, source: AlertSource) -> None:
    incident = make_incident(source.team)
    client.force_login(make_user("mallory", ntfy=False))

    assert client.post(f"/incidents/{incident.pk}/silence", {"hours": "2"}).status_code == 404
    Membership.objects.create(
        team=source.team, user=User.objects.get(name="mallory"), role=Membership.Role.OBSERVER
    )
    assert client.post(f"/incidents/{incident.pk}/silence", {"hours": "2"}).status_code == 403
