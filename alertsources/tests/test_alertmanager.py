"""Alertmanager's messages, as recorded."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from alertsources.sources.base import FIRING, RESOLVED, ParsedAlert, Unreadable, registry
from alertsources.tests import bodies


def parse(case: str) -> list[ParsedAlert]:
    return parsed(json.loads(bodies.alertmanager(case)))


def parsed(payload: Any) -> list[ParsedAlert]:
    found = list(registry["alertmanager"].parse(payload))
    assert all(isinstance(one, ParsedAlert) for one in found)
    return found  # type: ignore[return-value]


def test_an_alert_keeps_fingerprint_group_and_words() -> None:
    first = parse("firing_three")[0]

    assert first.key == "12966943221bd6bb"
    assert first.group == '{}:{alertname="HighCPU", cluster="eu-prod-1"}'
    assert first.title == "CPU above 90% on node1"
    assert first.detail == "node1.example.com:9100 has been above 90% for 10 minutes."
    assert (first.status, first.severity) == (FIRING, "warning")
    assert first.started_at == datetime(2026, 11, 21, 23, 40, 13, 212297, tzinfo=UTC)


def test_links_come_in_the_order_of_their_use() -> None:
    first = parse("firing_three")[0]

    assert [link.label for link in first.links if link.url] == [
        "source",
        "runbook",
        "dashboard",
        "silence",
        "Alertmanager",
    ]
    assert first.links[-1].url == "http://alertmanager.example.com:9093/#/alerts?receiver=wh-plain"


def test_each_alert_has_its_own_state_whatever_the_group_says() -> None:
    states = [alert.status for alert in parse("mixed_two_firing_one_resolved")]

    assert states == [FIRING, RESOLVED, FIRING]


def test_without_a_fingerprint_the_labels_name_the_alert() -> None:
    payload = json.loads(bodies.alertmanager("constructed_old_no_fingerprint"))
    labels = payload["alerts"][0]["labels"]
    shuffled = dict(reversed(labels.items()))

    key = parsed(payload)[0].key

    assert parsed({"alerts": [{"labels": shuffled}]})[0].key == key
    assert parsed({"alerts": [{"labels": labels | {"severity": "x"}}]})[0].key != key


def test_nanoseconds_and_offsets_are_understood_and_null_maps_are_empty() -> None:
    alert = parse("constructed_null_maps")[0]

    assert alert.started_at == datetime(2026, 11, 21, 21, 0, 0, 123456, tzinfo=UTC)
    assert alert.title == "NullMaps"


@pytest.mark.parametrize("digits", range(10))
def test_start_times_may_have_any_number_of_fraction_digits(digits: int) -> None:
    fraction = f".{'123456789'[:digits]}" if digits else ""
    payload = {"alerts": [{"startsAt": f"2026-11-21T22:00:00{fraction}Z", "labels": {"a": "b"}}]}

    started_at = parsed(payload)[0].started_at

    assert started_at is not None
    assert started_at.microsecond == int("123456"[:digits].ljust(6, "0"))


@pytest.mark.parametrize(
    ("labels", "title"),
    [
        ({"alertname": "Down", "instance": "db1"}, "Down on db1"),
        ({"alertname": "Down"}, "Down"),
        ({"job": "node"}, "job=node"),
        ({}, "Alertmanager alert"),
    ],
)
def test_a_title_is_found_without_annotations(labels: dict[str, str], title: str) -> None:
    assert parsed({"alerts": [{"labels": labels}]})[0].title == title


def test_an_empty_list_says_nothing() -> None:
    assert parse("constructed_empty_alerts") == []
    assert parsed({"alerts": None}) == []


def test_how_many_alerts_were_cut_is_said_once() -> None:
    first, second = parse("truncated_max_alerts_2_of_5")

    assert first.detail.endswith("3 more alerts were not transmitted.")
    assert "not transmitted" not in second.detail
    assert not first.closes_group


def test_the_end_of_a_cut_group_stands_for_all_of_it() -> None:
    payload = json.loads(bodies.alertmanager("resolved_remaining_two"))

    assert not any(alert.closes_group for alert in parsed(payload))
    assert all(alert.closes_group for alert in parsed(payload | {"truncatedAlerts": 3}))


def test_one_bad_alert_costs_only_itself() -> None:
    payload = json.loads(bodies.alertmanager("firing_three"))
    payload["alerts"][1] = "?"

    first, second, third = registry["alertmanager"].parse(payload)

    assert second == Unreadable("alert 2: it is no object")
    assert isinstance(first, ParsedAlert)
    assert isinstance(third, ParsedAlert)


@pytest.mark.parametrize("payload", [None, [], 5, "x", {}, {"title": "x"}])
def test_another_shape_is_refused(payload: Any) -> None:
    with pytest.raises(ValueError, match="alerts"):
        list(registry["alertmanager"].parse(payload))


def test_alerts_that_are_no_list_are_alertmanagers_all_the_same() -> None:
    alerts = registry["alertmanager"].parse({"alerts": "x"})

    assert list(alerts) == [Unreadable("its alerts are no list")]
