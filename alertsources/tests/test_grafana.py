"""Grafana's two formats, where they differ from what is recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alertsources.sources.base import FIRING, RESOLVED, ParsedAlert, registry
from alertsources.tests.bodies import recorded


def parse(payload: Any, kind: str = "grafana") -> list[ParsedAlert]:
    found = list(registry[kind].parse(payload))
    assert all(isinstance(one, ParsedAlert) for one in found)
    return found  # type: ignore[return-value]


def message(case: str, kind: str = "grafana") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(recorded(kind, case).body)
    return found


@pytest.mark.parametrize(
    ("notes", "group", "is_test"),
    [
        ({"summary": "Notification test"}, "webhook-57c6d9296de2ad39-1785867494", True),
        ({"summary": "my words"}, "webhook-0123456789abcdef-1785867494", True),
        ({"summary": "Notification test"}, "", True),
        ({"summary": "my words"}, '{}:{alertname="TestAlert"}', False),
    ],
)
def test_the_test_button_is_told_from_an_alert_of_that_name(
    notes: dict[str, str], group: str, is_test: bool
) -> None:
    payload = message("test_button") | {"groupKey": group}
    payload["alerts"][0]["annotations"] = notes

    [alert] = parse(payload)

    assert alert.is_test == is_test


def test_each_press_of_the_test_button_is_an_alert_of_its_own() -> None:
    first, second = message("test_button"), message("test_button")
    second["groupKey"] = "webhook-57c6d9296de2ad39-1785867999"

    assert parse(first)[0].key != parse(second)[0].key


def test_the_end_of_a_cut_group_stands_for_all_of_it() -> None:
    payload = message("resolved_two") | {"truncatedAlerts": 3}

    assert [alert.closes_group for alert in parse(payload)] == [True, True]
    firing = parse(message("mixed_two") | {"truncatedAlerts": 3})
    assert firing[0].detail.endswith("3 more alerts were not transmitted.")
    assert not firing[1].closes_group


def test_a_kind_understands_what_the_other_version_sends() -> None:
    [old] = parse(message("alerting", "grafana-legacy"), "grafana")
    [new] = parse(message("firing_one"), "grafana-legacy")

    assert (old.key, new.key) == ("1:17", "07a08467da3daa95")


@pytest.mark.parametrize(
    ("payload", "title"),
    [
        ({"title": "Of my own", "state": "ok"}, "Of my own"),
        ({"alerts": [{"name": "High CPU", "status": "resolved"}]}, "High CPU"),
    ],
)
def test_a_template_of_its_users_own_is_read_as_generic(payload: Any, title: str) -> None:
    [alert] = parse(payload)

    assert (alert.title, alert.status) == (title, RESOLVED)


@pytest.mark.parametrize("state", ["paused", "pending", "unknown"])
def test_some_states_of_a_dashboard_alert_say_nothing(state: str) -> None:
    assert parse(message("alerting", "grafana-legacy") | {"state": state}, "grafana-legacy") == []


def test_a_dashboard_alert_in_a_new_state_fires() -> None:
    payload = message("ok", "grafana-legacy") | {"state": "on fire"}

    assert parse(payload, "grafana-legacy")[0].status == FIRING


def test_a_dashboard_alert_of_version_4_is_read() -> None:
    [alert] = parse(
        {
            "ruleId": 5,
            "state": "alerting",
            "title": "[Alerting] CPU",
            "rule_url": "https://grafana.example.com/d/1",
            "image_url": "https://img.example.com/1.png",
        },
        "grafana-legacy",
    )

    assert (alert.key, alert.title, alert.image) == (
        ":5",
        "[Alerting] CPU",
        "https://img.example.com/1.png",
    )
    assert alert.links[0].url == "https://grafana.example.com/d/1"


def test_the_test_button_of_dashboard_alerts_is_known_by_its_words_too() -> None:
    payload = message("test_button", "grafana-legacy")

    assert parse(payload | {"ruleId": 4711}, "grafana-legacy")[0].is_test
    assert not parse(payload | {"ruleName": "CPU"}, "grafana-legacy")[0].is_test
