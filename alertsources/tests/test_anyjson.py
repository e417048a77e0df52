"""Any JSON: senders that are known by their messages, guesses for all others, and mappings."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertsources import mapping
from alertsources.decoding import decode
from alertsources.models import ReceivedPayload
from alertsources.sources import anyjson
from alertsources.sources.base import FIRING, RESOLVED, ParsedAlert, Unreadable
from alertsources.tests.bodies import PAYLOADS, post
from incidents.models import Incident
from pagerpal.testing import make_source, make_team

SAMPLES = PAYLOADS / "any-json"
FILES = sorted(str(path.relative_to(SAMPLES)) for path in SAMPLES.glob("*/*"))

# File: title, key, firing or resolved; R is only recorded, T is the sender's test button.
OUTCOMES = {
    "datadog/default_payload_triggered.json": ("High CPU on web1", "title High CPU on web1", "F"),
    "datadog/recommended_triggered.json": (
        "High CPU on web1",
        "Datadog 9bd4ac313a4d1e8fae2482df7b77628",
        "F",
    ),
    "datadog/recommended_recovered.json": (
        "High CPU on web1",
        "Datadog 9bd4ac313a4d1e8fae2482df7b77628",
        "resolved",
    ),
    "pagerduty/pdpyras_trigger.json": ("Disk full on db1", "PagerDuty events db1/disk", "F"),
    "pagerduty/pdpyras_acknowledge.json": (None, "PagerDuty events db1/disk", "R"),
    "pagerduty/pdpyras_resolve.json": (None, "PagerDuty events db1/disk", "resolved"),
    "pagerduty/pdpyras_change_event.json": ("Deploy shop v1.2.3", None, "R"),
    "pagerduty/alertmanager_partial_resolve_is_trigger.json": (
        "ApiLatencyHigh eu-prod-1 (pg-v2 api critical)",
        "PagerDuty events 089bf06f4f3d9b33d6b284640491baaf58ead08f6930d941b5980d3308182766",
        "F",
    ),
    "pagerduty/alertmanager_resolve.json": (
        "ApiLatencyHigh eu-prod-1 (pg-v2 api critical)",
        "PagerDuty events 089bf06f4f3d9b33d6b284640491baaf58ead08f6930d941b5980d3308182766",
        "resolved",
    ),
    "pagerduty/netdata_agent_trigger_form_content_type.json": (
        "system load average (15 minutes)",
        "PagerDuty events 1594309",
        "F",
    ),
    "pagerduty/v1_trigger.json": (
        "HTTP check on srv01 fails",
        "PagerDuty events, version 1 srv01/HTTP",
        "F",
    ),
    "pagerduty/v1_acknowledge.json": (None, "PagerDuty events, version 1 srv01/HTTP", "R"),
    "pagerduty/v1_resolve.json": (None, "PagerDuty events, version 1 srv01/HTTP", "resolved"),
    "opsgenie/sdk_create_full.json": ("Disk full on db1", "Opsgenie db1/disk", "F"),
    "opsgenie/uptimekuma_create.json": (
        "Uptime Kuma Alert: Shop front page",
        "Opsgenie Shop front page",
        "F",
    ),
    "zabbix/problem.json": (
        "/: Disk space is critically low (used > 95%) on db1.example.com",
        "Zabbix 10847",
        "F",
    ),
    "zabbix/update_acknowledged.json": (None, "Zabbix 10847", "R"),
    "zabbix/recovery.json": (None, "Zabbix 10847", "resolved"),
    "statuscake/down_form.txt": ("Shop is Down", "StatusCake 1234567", "F"),
    "statuscake/up_form.txt": ("Shop is Up", "StatusCake 1234567", "resolved"),
    "betterstack/incident_started.json": (
        "shop.example.com: Status 503",
        "Better Stack 25",
        "F",
    ),
    "betterstack/incident_resolved.json": (None, "Better Stack 25", "resolved"),
    "pingdom/http_down.json": ("Shop is DOWN", "Pingdom 803318", "F"),
    "pingdom/http_up.json": ("Shop is UP", "Pingdom 803318", "resolved"),
    "pingdom/test_button.json": ("Shop is DOWN", "Pingdom 803318", "T"),
    "gcp/open.json": (
        "CPU too high on web1",
        "Google Cloud Monitoring 0.opqiw61fsv7p",
        "F",
    ),
    "gcp/closed.json": (None, "Google Cloud Monitoring 0.opqiw61fsv7p", "resolved"),
    "gcp/test_button.json": (None, "Google Cloud Monitoring 12345", "T"),
    "azure/metric_fired.json": ("web-cpu on web1", None, "F"),
    "azure/metric_resolved.json": ("web-cpu on web1", None, "resolved"),
    "sentry/event_alert_triggered.json": (
        "ReferenceError: heck is not defined",
        "Sentry 1170820242",
        "F",
    ),
    "sentry/issue_resolved.json": (None, "Sentry 1170820242", "resolved"),
    "sentry/metric_alert_critical.json": (
        "Too many errors",
        "Sentry metric alerts metric 123",
        "F",
    ),
    "icinga/host_down.json": ("web1 is DOWN", "Icinga or Nagios web1", "F"),
    "icinga/service_critical.json": (
        "web1 http is CRITICAL",
        "Icinga or Nagios web1!http",
        "F",
    ),
    "icinga/service_recovery.json": (None, "Icinga or Nagios web1!http", "resolved"),
    "netdata/cloud_alert_critical.json": (
        "system_load_average is critical on web1",
        "Netdata load_average_15 system.load web1",
        "F",
    ),
    "netdata/cloud_alert_clear.json": (
        None,
        "Netdata load_average_15 system.load web1",
        "resolved",
    ),
    "checkmk/service_problem.json": (
        "server1 Filesystem / is CRITICAL",
        "Checkmk server1!Filesystem /",
        "F",
    ),
    "checkmk/host_recovery.json": ("server1 is UP", "Checkmk server1", "resolved"),
    "github/workflow_run_failure.json": (
        "acme/shop CI on main ended with failure",
        "GitHub acme/shop 159038 main",
        "F",
    ),
    "github/workflow_run_success.json": (None, "GitHub acme/shop 159038 main", "resolved"),
    "github/ping.json": ("Ping from GitHub: Keep it logically awesome.", None, "T"),
}


def alert_in(message: Any, **expressions: Any) -> ParsedAlert:
    (alert,) = anyjson.read(message, mapping.load(expressions))
    assert isinstance(alert, ParsedAlert)
    return alert


@pytest.mark.parametrize("name", OUTCOMES)
def test_messages_of_known_senders_mean_what_their_senders_mean(name: str) -> None:
    title, key, outcome = OUTCOMES[name]

    alert = alert_in(decode((SAMPLES / name).read_bytes()))

    assert title is None or alert.title == title
    assert key is None or alert.key == key
    assert (alert.status == RESOLVED) == (outcome == "resolved")
    assert alert.is_record_only == (outcome == "R")
    assert alert.is_test == (outcome == "T")


@pytest.mark.parametrize("name", FILES)
def test_every_sample_has_a_title_without_secrets(name: str) -> None:
    alert = alert_in(decode((SAMPLES / name).read_bytes()))

    assert alert.title
    assert alert.key
    assert "0123456789abcde" not in alert.title + alert.detail


def test_that_sentry_was_installed_is_only_recorded() -> None:
    inside = {"uuid": "24b183a1", "status": "pending"}
    message = {"action": "deleted", "installation": inside, "data": {"installation": inside}}

    alert = alert_in(message)

    assert (alert.title, alert.is_record_only) == ("Sentry: installation deleted", True)


def test_a_number_names_sentrys_metric_alert_as_well() -> None:
    message = {"action": "critical", "data": {"metric_alert": {"id": 7, "title": "Errors"}}}

    assert alert_in(message).key == "Sentry metric alerts metric 7"


def test_the_test_of_uptime_kumas_pagerduty_is_known() -> None:
    message = {"event_action": "trigger", "dedup_key": "Uptime Kuma/test", "payload": {}}

    assert alert_in(message).is_test
    assert not alert_in(message | {"dedup_key": "Uptime Kuma/7"}).is_test


def test_azure_keeps_one_key_from_start_to_end() -> None:
    fired, over = (
        alert_in(decode((SAMPLES / "azure" / name).read_bytes()))
        for name in ("metric_fired.json", "metric_resolved.json")
    )

    assert fired.key == over.key
    assert fired.key.startswith("Azure Monitor /subscriptions/")


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("zabbix/problem.json", "high"),
        ("pingdom/http_down.json", "critical"),
        ("icinga/host_down.json", "critical"),
        ("azure/metric_fired.json", "Sev1"),
        ("datadog/recommended_triggered.json", "P2"),
    ],
)
def test_severities_of_known_senders_are_translated(name: str, severity: str) -> None:
    assert alert_in(decode((SAMPLES / name).read_bytes())).severity == severity


@pytest.mark.parametrize(
    ("message", "title", "key", "status"),
    [
        ({"title": "Disk full"}, "Disk full", "title Disk full", FIRING),
        ({"data": {"alert": {"summary": "x", "id": 7}}}, "x", "id 7", FIRING),
        ({"id": "m1", "data": {"summary": "x"}}, "x", "title x", FIRING),
        ({"text": "[RESOLVED] disk on db1\nmore"}, "disk on db1", "title disk on db1", RESOLVED),
        ({"text": "[FIRING:2] disk on db1"}, "disk on db1", "title disk on db1", FIRING),
        ({"message": "OK: disk"}, "disk", "title disk", RESOLVED),
        ({"message": "Backup: done"}, "Backup: done", "title Backup: done", FIRING),
        ({"title": "Shop is UP", "status": "up"}, "Shop is UP", "title Shop", RESOLVED),
        ({"title": "Shop is DOWN", "status": "down"}, "Shop is DOWN", "title Shop", FIRING),
        ({"name": "shop", "reason": "timeout"}, "shop: timeout", "title shop: timeout", FIRING),
        ({"host": "db1", "isDown": False}, "db1", "title db1", RESOLVED),
        ({"subject": "x", "resolved_at": "2026-08-22"}, "x", "title x", RESOLVED),
        ({"subject": "x", "resolved_at": None}, "x", "title x", FIRING),
        ({"alertName": "x", "fingerprint": "f1"}, "x", "fingerprint f1", FIRING),
        ({"title": "{EVENT.NAME}", "subject": "x"}, "x", "title x", FIRING),
        ({"sender": {"name": "Ana"}, "event": "disk.full"}, "disk.full", "title disk.full", FIRING),
        ({"colour": "red"}, "colour: red", "title colour: red", FIRING),
        ("just text", "just text", "title just text", FIRING),
        (7, "7", "title 7", FIRING),
    ],
)
def test_unknown_messages_are_guessed_by_the_usual_names(
    message: Any, title: str, key: str, status: str
) -> None:
    alert = alert_in(message)

    assert (alert.title, alert.key, alert.status) == (title, key, status)


def test_a_message_in_the_format_of_another_kind_is_read_as_that() -> None:
    body = (PAYLOADS / "alertmanager" / "firing_three.json").read_bytes()

    alerts = list(anyjson.read(decode(body), anyjson.NO_MAP))

    assert len(alerts) == 3


def test_each_object_of_a_list_is_an_alert() -> None:
    first, second, third = anyjson.read([{"title": "a"}, {"title": "b"}, 7], anyjson.NO_MAP)

    assert [getattr(alert, "title", "") for alert in (first, second, third)] == ["a", "b", "7"]


@pytest.mark.parametrize("message", [None, "", [], {}])
def test_a_message_with_nothing_in_it_cannot_be_read(message: Any) -> None:
    with pytest.raises(ValueError, match="nothing in it"):
        list(anyjson.read(message, anyjson.NO_MAP))


SHOP = {
    "shop": {"no": 12, "name": "Berlin"},
    "condition": "FINE",
    "how_bad": "P1",
    "words": ["till 3", "till 4"],
    "page": "https://shop.example.com/12",
}


def test_a_mapping_says_what_the_parts_of_a_message_mean() -> None:
    alert = alert_in(
        SHOP,
        title="join(' ', ['Till trouble in', shop.name])",
        key="shop.no",
        group="shop.name",
        state="condition",
        resolved_words=["fine"],
        severity="how_bad",
        detail="join(', ', words)",
        links="{shop: page}",
        labels="{shop: shop.name, number: shop.no}",
    )

    assert alert == ParsedAlert(
        key="12",
        status=RESOLVED,
        title="Till trouble in Berlin",
        group="Berlin",
        detail="till 3, till 4",
        severity="P1",
        labels={"shop": "Berlin", "number": "12"},
        links=alert.links,
    )
    assert [(link.label, link.url) for link in alert.links] == [("shop", SHOP["page"])]


@pytest.mark.parametrize(
    ("word", "status", "is_note"),
    [("fine", RESOLVED, False), ("ok", FIRING, False), ("hm", FIRING, True), ("?", FIRING, False)],
)
def test_the_words_of_a_mapping_are_the_only_ones_that_count(
    word: str, status: str, is_note: bool
) -> None:
    words = {"resolved_words": ["fine"], "ignored_words": ["hm"]}

    alert = alert_in({"title": "x", "condition": word}, state="condition", **words)

    assert (alert.status, alert.is_record_only) == (status, is_note)


def test_what_a_mapping_does_not_find_is_guessed_and_a_failure_is_told() -> None:
    message = {"title": "Disk full", "number": 5, "status": "ok"}

    alert = alert_in(message, title="nothing.here", key="length(number)", state="nor.here")

    assert (alert.title, alert.status, alert.key) == ("Disk full", RESOLVED, "title Disk full")
    assert "expression for key found nothing here: length() cannot take number" in alert.detail


def test_a_stored_mapping_that_is_broken_is_left_out() -> None:
    assert alert_in({"title": "x"}, title="a b", key=7, resolved_words="ok").title == "x"
    assert not mapping.load("nonsense").expressions


def test_a_filled_in_form_becomes_a_mapping_or_one_sentence_for_each_field() -> None:
    stored, wrong = mapping.checked(
        {"title": " a.b ", "key": "", "state": "a b", "resolved_words": "Fine, over\n good"}
    )

    assert stored == {"title": "a.b", "resolved_words": ["fine", "over", "good"]}
    assert wrong == {"state": "It goes wrong at character 3: 'b'."}


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["title", "status", "id", "labels", "links", "alerts", "data", "incident"]
            )
            | st.text(max_size=5),
            inside,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(anything)
def test_no_message_breaks_the_guess(message: Any) -> None:
    with contextlib.suppress(ValueError):
        for alert in anyjson.read(message, anyjson.NO_MAP):
            assert isinstance(alert, ParsedAlert | Unreadable)


@pytest.mark.django_db
def test_any_post_opens_an_incident_with_a_title_and_the_raw_message() -> None:
    make_source(make_team(), kind="any-json")

    answer = post({"event": "tank.low", "litres": 12, "site": "Berlin"}, f"/in/{'k' * 32}", key="")

    incident = Incident.objects.get()
    assert answer.status_code == 202
    assert (incident.title, incident.detail) == (
        "tank.low",
        "event: tank.low\nlitres: 12\nsite: Berlin",
    )
    assert b"tank.low" in bytes(ReceivedPayload.objects.get().body)


@pytest.mark.django_db
def test_the_mapping_of_the_source_is_used() -> None:
    fields = {"title": "join(' in ', [event, site])", "key": "site", "state": "to_string(litres)"}
    settings = {"mapping": {**fields, "resolved_words": ["80"]}}
    make_source(make_team(), kind="any-json", settings=settings)

    post({"event": "tank.low", "litres": 12, "site": "Berlin"}, f"/in/{'k' * 32}", key="")
    assert Incident.objects.get().title == "tank.low in Berlin"

    post({"event": "tank.ok", "litres": 80, "site": "Berlin"}, f"/in/{'k' * 32}", key="")
    assert Incident.objects.get().state == "resolved"


@pytest.mark.django_db
def test_an_acknowledgement_over_there_opens_nothing_and_disturbs_nothing() -> None:
    make_source(make_team(), kind="any-json")
    note = (SAMPLES / "zabbix" / "update_acknowledged.json").read_bytes()
    post(note, f"/in/{'k' * 32}", key="")
    assert not Incident.objects.exists()

    for name in ("problem.json", "update_acknowledged.json"):
        post((SAMPLES / "zabbix" / name).read_bytes(), f"/in/{'k' * 32}", key="")
    assert Incident.objects.get().state == "triggered"

    post((SAMPLES / "zabbix" / "recovery.json").read_bytes(), f"/in/{'k' * 32}", key="")
    assert Incident.objects.get().state == "resolved"


@pytest.mark.django_db
def test_an_acknowledgement_over_there_makes_nothing_worse() -> None:
    make_source(make_team())
    post({"title": "x", "severity": "high"})
    post({"title": "x", "severity": "critical", "status": "acknowledged"})

    assert Incident.objects.get().severity == "high"


@pytest.mark.django_db
def test_a_form_is_any_json_too() -> None:
    make_source(make_team(), kind="any-json")
    for name in ("down_form.txt", "up_form.txt"):
        post((SAMPLES / "statuscake" / name).read_bytes(), f"/in/{'k' * 32}", key="")

    incident = Incident.objects.get()
    assert (incident.title, incident.state) == ("Shop is Down", "resolved")
