"""What a monitor may send to harm whoever reads it: on every page it is only text."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alertsources.models import ReceivedPayload, Silence
from incidents.answers import token_for
from incidents.models import Incident, TimelineEntry
from pagerpal.testing import Recorder, make_source, run_worker
from pagerpal.tests.test_routes import GET, PAGES, RESPONDER, World, address_of, world

__all__ = ["world"]  # the fixture
pytestmark = pytest.mark.django_db

SCRIPT = "</title></textarea><script>alert(1)</script>"
# An attribute's end, a template, a formula, marks of direction, a byte of zero, half a pair.
ODD = "=cmd|'/c'!A1 \"'><img src=x onerror=alert(2)> {{ 7|add:7 }} \u202e\u2066\u200f\0 \ud800"
READ_BY_PEOPLE = sorted(
    name
    for name, (who, method) in PAGES.items()
    if method == GET and RESPONDER in who and name != "health"
)
# Where what the alert said is to be seen, so that the test sees it too.
SHOWN_ON = {
    "answer", "dashboard", "home", "incidents:detail", "incidents:list",
    "incidents:log", "incidents:log-csv", "incidents:report", "incidents:status",
    "alertsources:incident-alerts", "alertsources:source_message",
}  # fmt: skip


@pytest.fixture
def attacked(world: World, recorder: Recorder) -> World:
    """The team's incident, opened by one alert that is hostile in each of its parts."""
    key, tomorrow = "h" * 32, timezone.now() + timedelta(days=1)
    Silence.objects.update(starts_at=tomorrow, ends_at=tomorrow + timedelta(days=1))
    source = make_source(world["schedules_team"], key=key, name=f"{SCRIPT}{ODD[:40]}"[:80])
    body = {
        "title": f"{SCRIPT} {ODD} {'W' * 300}",
        "description": f"{ODD} {SCRIPT} " + "long" * 240_000,
        "severity": "critical",
        "external_id": SCRIPT,
        "labels": {f"<b>{ODD}": f"{SCRIPT}{ODD}", "items": "{% debug %}"},
        "links": [{"label": SCRIPT, "url": "javascript:alert(3)"}],
        "url": "javascript:alert(4)",
    }
    answer = Client().post(
        "/api/v1/alerts", json.dumps(body), "application/json", headers={"X-API-Key": key}
    )
    assert answer.json()["incidents"], answer.json()
    incident = Incident.objects.get(pk=answer.json()["incidents"][0])
    run_worker(timezone.now())
    recorder.take_all()
    by = world["people"][RESPONDER]
    incident.timeline.create(kind=TimelineEntry.Kind.NOTE, text=SCRIPT, actor=by, at=timezone.now())
    payload = ReceivedPayload.objects.get(source=source)
    return world | {
        "incidents_incident": incident,
        "alertsources_alertsource": source,
        "alertsources_receivedpayload": payload,
    }


def opened(name: str, attacked: World, **query: Any) -> Any:
    incident, person = attacked["incidents_incident"], attacked["people"][RESPONDER]
    client = Client(headers={"Accept": "text/html"})
    client.force_login(person)
    path = address_of(name, attacked)
    if name == "answer":
        path = f"/a/{token_for(incident.pk, person.pk)}"
    return client.get(path, query)


@pytest.mark.parametrize("name", READ_BY_PEOPLE)
def test_hostile_texts_are_only_texts(attacked: World, name: str) -> None:
    response = opened(name, attacked)
    text = response.getvalue().decode()

    assert response.status_code < 500
    assert "\0" not in text
    assert ("alert(1)" in text) or name not in SHOWN_ON
    if response["Content-Type"].startswith("text/html"):
        assert not re.search(r"<script>alert|<img src=x|=[\"']?javascript:", text)
        assert len(text) < 200_000


def test_a_hostile_search_is_only_text_too(attacked: World) -> None:
    text = opened("incidents:list", attacked, q=SCRIPT, source=SCRIPT, team=SCRIPT).content.decode()

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
