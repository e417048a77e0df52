"""Uptime Kuma's messages, where they differ from what is recorded."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from alertsources.sources.base import FIRING, RESOLVED, ParsedAlert, registry
from alertsources.tests.bodies import recorded


def parse(payload: Any) -> list[ParsedAlert]:
    found = list(registry["uptime-kuma"].parse(payload))
    assert all(isinstance(one, ParsedAlert) for one in found)
    return found  # type: ignore[return-value]


def message(case: str = "down", **beat: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(recorded("uptime-kuma", case).body)
    if beat:
        found["heartbeat"] |= beat
    return found


def notice(text: str) -> ParsedAlert:
    [alert] = parse({"heartbeat": None, "monitor": None, "msg": text})
    return alert


def test_a_new_name_is_the_same_monitor() -> None:
    renamed = message("up")
    renamed["monitor"]["name"] = "Shop"

    assert parse(message())[0].key == parse(renamed)[0].key == "monitor:7"


def test_a_reminder_is_no_new_start() -> None:
    assert parse(message())[0].started_at
    assert parse(message(important=False))[0].started_at is None


def test_a_state_that_nobody_knows_fires() -> None:
    assert parse(message(status=4))[0].status == FIRING
    assert parse(message(status="1"))[0].status == RESOLVED


def test_a_tag_gives_the_severity() -> None:
    payload = message()
    payload["monitor"]["tags"] = [{"name": "Severity", "value": "warning"}, 5, {"name": None}]

    assert parse(payload)[0].severity == "warning"


def test_a_port_shows_its_address() -> None:
    payload = message()
    payload["monitor"] |= {"url": "https://", "hostname": "db1", "port": 5432}

    [alert] = parse(payload)

    assert "Address: db1:5432" in alert.detail
    assert alert.labels["host"] == "db1:5432"


def test_a_monitor_is_known_by_the_message_when_it_comes_without_itself() -> None:
    [alert] = parse(message() | {"monitor": None})

    assert (alert.key, alert.title) == ("monitor:7", "Shop front page is down")


@pytest.mark.parametrize(
    ("text", "key", "title"),
    [
        (
            "[a] b][https://x.example/] server certificate x.example will expire in 14 days",
            "cert:a] b:x.example",
            "Server certificate x.example of a] b expires in 14 days",
        ),
        (
            "[Shop][https://x.example/] intermediate certificate R 3 will expire in 1 days",
            "cert:Shop:R 3",
            "Intermediate certificate R 3 of Shop expires in 1 days",
        ),
        (
            "Domain name example.com will expire in 21 days",
            "domain:example.com",
            "Domain name example.com expires in 21 days",
        ),
    ],
)
def test_what_will_expire_is_one_warning_however_often_it_is_told(
    text: str, key: str, title: str
) -> None:
    alert = notice(text)

    assert (alert.key, alert.title, alert.severity) == (key, title, "warning")
    assert notice(text.replace(" days", "1 days")).key == key


def test_a_notice_of_another_kind_is_only_recorded() -> None:
    assert notice("Something else").is_record_only


def test_the_test_of_a_get_has_a_message_only() -> None:
    assert parse({"msg": "PagerPal Testing"})[0].is_test


@pytest.mark.parametrize(
    "payload",
    [
        {"heartbeat": "{", "monitor": "{}", "msg": "x"},
        {"heartbeat": "[" * 100_000, "monitor": "{}", "msg": "x"},
        {"heartbeat": [1], "monitor": None, "msg": "x"},
        {"heartbeat": {"status": 0}, "monitor": None, "msg": "x"},
        {"heartbeat": None, "monitor": None},
    ],
)
def test_a_broken_message_is_refused(payload: Any) -> None:
    with pytest.raises(ValueError, match=r"its heartbeat|names no monitor|no heartbeat"):
        parse(payload)


def test_no_message_takes_long() -> None:
    begun = time.process_time()

    notice("[" + "][] certificate " * 60_000 + " will expire in 7 days")
    notice("[" * 1_000_000)

    assert time.process_time() - begun < 1
