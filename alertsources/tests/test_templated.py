"""Healthchecks and Checkly, whose users write the messages, and generic JSON."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils.datastructures import CaseInsensitiveMapping

from alertsources.models import AlertSource
from alertsources.sources.base import FIRING, RESOLVED, ParsedAlert, registry
from alertsources.sources.checkly import STATES, Checkly
from alertsources.tests.bodies import recorded

CHECK = {"code": "c1", "name": "Backup", "status": "down"}
FAILURE = {"alert_type": "ALERT_FAILURE", "check_id": "c1", "event": "API has failed"}


def parse(kind: str, payload: Any) -> list[Any]:
    return list(registry[kind].parse(payload))


def read(body: bytes, **headers: str) -> ParsedAlert:
    """By Checkly."""
    [alert] = Checkly().parse_body(body, CaseInsensitiveMapping(headers), AlertSource())
    assert isinstance(alert, ParsedAlert)
    return alert


# --- Healthchecks --------------------------------------------------------------------------------
def test_the_whole_check_is_understood() -> None:
    [alert] = parse(
        "healthchecks",
        {
            **{"name": "Backup", "slug": "backup", "tags": "prod severity:warning", "desc": "All"},
            **{"status": "down", "unique_key": "u1", "last_ping": "2026-11-21T22:00:00+00:00"},
        },
    )

    assert (alert.key, alert.severity) == ("check:u1", "warning")
    assert alert.detail == "All\nLast ping: 2026-11-21T22:00:00+00:00"


def test_the_test_button_has_a_name_of_its_own() -> None:
    assert parse("healthchecks", CHECK | {"name": "TEST"})[0].is_test
    assert not parse("healthchecks", CHECK)[0].is_test


@pytest.mark.parametrize("status", ["new", "paused", "grace", "started"])
def test_some_states_of_a_check_say_nothing(status: str) -> None:
    assert parse("healthchecks", CHECK | {"status": status}) == []


@pytest.mark.parametrize(
    ("status", "expected"), [("UP", RESOLVED), ("up", RESOLVED), ("broken", FIRING)]
)
def test_any_other_state_fires(status: str, expected: str) -> None:
    assert parse("healthchecks", CHECK | {"status": status})[0].status == expected


@pytest.mark.parametrize("kind", ["healthchecks", "checkly"])
def test_a_body_of_its_users_own_is_read_as_generic(kind: str) -> None:
    [alert] = parse(kind, {"title": "Mine", "status": "ok"})

    assert (alert.title, alert.status) == ("Mine", RESOLVED)


# --- Checkly -------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", STATES)
def test_every_type_of_alert_is_known(kind: str) -> None:
    alert = parse("checkly", FAILURE | {"alert_type": kind.lower()})[0]

    assert alert.status == (RESOLVED if "RECOVERY" in kind or kind == "NO_ALERT" else FIRING)
    assert alert.key == ("ssl:c1" if kind == "ALERT_SSL" else "check:c1")


def test_a_type_that_nobody_knows_fires_by_the_sources_default() -> None:
    alert = parse("checkly", FAILURE | {"alert_type": "ALERT_NEW"})[0]

    assert (alert.status, alert.severity) == (FIRING, "")


def test_texts_are_unescaped_once() -> None:
    event = "Check &quot;Caf&#xE9; &amp;lt;&quot; has failed"

    assert parse("checkly", FAILURE | {"event": event})[0].title == 'Check "Café &lt;" has failed'


def test_the_time_of_the_message_orders_it() -> None:
    body = json.dumps(FAILURE | {"started_at": "2026-08-22T14:19:40Z"}).encode()

    assert read(body, **{"X-Checkly-Timestamp": "1787408380544"}).occurred_at == datetime(
        2026, 8, 22, 14, 19, 40, 544000, tzinfo=UTC
    )
    for unusable in ("", "x", "9" * 400, "-" + "9" * 20):
        timed = read(body, **{"X-Checkly-Timestamp": unusable})
        assert timed.occurred_at == datetime(2026, 8, 22, 14, 19, 40, tzinfo=UTC)


def test_what_a_quotation_mark_broke_is_saved() -> None:
    alert = read(recorded("checkly", "unescaped_quote_breaks_json").body)

    assert alert.title == 'Check "My API" has failed'
    assert alert.key == "check:927a2982-1007-4b81-b383-eae8bf717e61"


def test_what_cannot_be_saved_is_refused_and_takes_no_time() -> None:
    begun = time.process_time()

    for body in (b'{"event": "x', b'"alert_type":"' * 70_000, b'{"check_id": "c1", '):
        with pytest.raises(ValueError, match="not JSON"):
            read(body)

    assert time.process_time() - begun < 1


# --- Generic JSON --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "key", ["external_id", "dedup_key", "alert_uid", "alias", "incident_key", "fingerprint", "id"]
)
def test_the_key_goes_by_many_names(key: str) -> None:
    assert parse("generic", {"title": "x", key: 5})[0].key == "5"


@pytest.mark.parametrize("name", ["status", "state", "event_action", "action"])
@pytest.mark.parametrize("word", ["✅ Up", "RESOLVED!", "closed", False])
def test_the_state_goes_by_many_names(name: str, word: Any) -> None:
    assert parse("generic", {"title": "x", name: word})[0].status == RESOLVED


def test_what_else_a_script_may_say_is_read() -> None:
    [alert] = parse(
        "generic",
        {
            **{"subject": "Disk full", "text": "97%", "group": "db", "source_url": "https://a/"},
            **{"runbook_url": "https://b/", "dashboard": "https://c/", "image": "https://d/"},
            **{"occurred_at": "2026-11-21T22:00:00Z", "started_at": "2026-11-21T21:00:00Z"},
        },
    )

    assert (alert.title, alert.detail, alert.group) == ("Disk full", "97%", "db")
    assert [link.url for link in alert.links] == ["https://a/", "https://b/", "https://c/"]
    assert alert.image == "https://d/"
    assert alert.occurred_at == datetime(2026, 11, 21, 22, tzinfo=UTC)
    assert alert.started_at == datetime(2026, 11, 21, 21, tzinfo=UTC)
