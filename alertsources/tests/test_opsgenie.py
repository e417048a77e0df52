"""What clients of Opsgenie send: created, closed, and everything else answered."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.test import Client

from alertsources.models import Alert, AlertSource, ReceivedPayload
from alertsources.tests.bodies import KEY, PAYLOADS
from incidents.models import Incident
from pagerpal.testing import make_source, make_team

pytestmark = pytest.mark.django_db
URL = "/opsgenie/v2/alerts"
SAMPLES = PAYLOADS / "any-json" / "opsgenie"


@pytest.fixture(autouse=True)
def source() -> AlertSource:
    return make_source(make_team(), kind="any-json", name="prod")


def send(url: str, body: bytes = b"", *, method: str = "POST", key: str = KEY) -> Any:
    headers = {"Authorization": f"GenieKey {key}"}
    return Client().generic(method, url, body, content_type="application/json", headers=headers)


def create(sample: str = "sdk_create_full") -> str:
    """Its alias, as it stands in an address."""
    body = (SAMPLES / f"{sample}.json").read_bytes()
    assert send(URL, body).status_code == 202
    return str(json.loads(body)["alias"]).replace("/", "%2F").replace(" ", "%20")


def states() -> list[tuple[str, str]]:
    return list(Incident.objects.order_by("pk").values_list("title", "state"))


@pytest.mark.parametrize(
    ("sample", "title"),
    [
        ("alertmanager_create", "[FIRING:2] ApiLatencyHigh eu-prod-1 (og api critical)"),
        ("grafana_create", "High CPU Prod (node1 critical)"),
        ("sdk_create_full", "Disk full on db1"),
        ("uptimekuma_create", "Uptime Kuma Alert: Shop front page"),
    ],
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_what_is_created_is_closed_by_its_alias(sample: str, title: str, slash: str) -> None:
    alias = create(sample)
    assert [state for _, state in states()] == ["triggered"]

    answer = send(f"{URL}/{alias}/close{slash}?identifierType=alias", b'{"source": "x"}')

    assert answer.status_code == 202
    assert title.removeprefix("[FIRING:2] ") in states()[0][0]
    assert [state for _, state in states()] == ["resolved"]


def test_a_close_needs_no_body_and_keeps_what_it_said() -> None:
    alias = create()

    assert send(f"{URL}/{alias}/close").status_code == 202

    assert states() == [("Disk full on db1", "resolved")]
    kept = json.loads(bytes(ReceivedPayload.objects.latest("pk").body))
    assert kept == {"alias": "db1/disk", "opsgenie_act": "close", "said": None}


def test_an_alias_that_nobody_knows_is_closed_already() -> None:
    assert send(f"{URL}/unknown/close", b"no json").status_code == 202
    assert not Incident.objects.exists()


def test_the_answer_looks_like_opsgenies() -> None:
    said = send(URL, b'{"message": "x", "alias": "a"}').json()

    assert said["result"] == "Request will be processed"
    assert uuid.UUID(said["requestId"])
    assert said["took"] >= 0


@pytest.mark.parametrize(
    ("method", "action"),
    [("POST", "acknowledge"), ("POST", "notes"), ("PUT", "message"), ("DELETE", "tags")],
)
def test_whatever_else_is_done_to_an_alert_changes_nothing(method: str, action: str) -> None:
    alias = create()

    answer = send(f"{URL}/{alias}/{action}?identifierType=alias", b'{"note": "x"}', method=method)

    assert answer.status_code == 202
    assert (Alert.objects.get().count, states()[0][1]) == (1, "triggered")
    assert ReceivedPayload.objects.count() == 1


@pytest.mark.parametrize("url", [URL, f"{URL}/a/close", f"{URL}/a/notes"])
def test_without_a_key_that_opens_a_source_nothing_is_taken(url: str, source: AlertSource) -> None:
    body = b'{"message": "x", "alias": "a"}'

    wrong = send(url, body, key="x" * 32)
    none = Client().post(url, body, content_type="application/json")
    AlertSource.objects.update(is_active=False)
    off = send(url, body)

    assert (wrong.status_code, none.status_code, off.status_code) == (403, 401, 403)
    assert "belongs to no alert source" in wrong.json()["message"]
    assert none["WWW-Authenticate"] == 'Basic realm="PagerPal"'
    assert off.json()["message"] == "This alert source is switched off."


def test_the_priority_is_the_severity() -> None:
    create("sdk_create_full")

    assert Incident.objects.get().severity == "critical"


def test_addresses_that_are_none_of_these_are_not_there() -> None:
    assert send(f"{URL}/a", method="DELETE").status_code == 404
    assert send(f"{URL}/a/close", method="GET").status_code == 405
    assert send(URL, method="GET").status_code == 405
