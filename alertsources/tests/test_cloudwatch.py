"""CloudWatch alarms, through envelopes of SNS and without."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alertsources.models import Alert, AlertSource, ReceivedPayload
from alertsources.sources.base import FIRING, RESOLVED, ParsedAlert, Remark, registry
from alertsources.tests import sns
from alertsources.tests.sns import FakeAmazon, headers_of, post_sns
from incidents.models import Incident
from pagerpal.testing import make_source, make_team

ARN = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:web-cpu-high"


def read(case: str, **settings: Any) -> list[Any]:
    source = AlertSource(kind="cloudwatch", settings=settings)
    parser: Any = registry["cloudwatch"]
    return list(parser.parse_body(sns.body(case), headers_of(case), source))


def alert_in(case: str, **settings: Any) -> ParsedAlert:
    (alert,) = read(case, **settings)
    assert isinstance(alert, ParsedAlert)
    return alert


@pytest.mark.parametrize(
    ("case", "key", "status"),
    [
        ("cloudwatch_alarm_v1", ARN, FIRING),
        ("cloudwatch_ok_v2", ARN, RESOLVED),
        ("retry_same_message_id", ARN, FIRING),
        ("raw_delivery_alarm", ARN, FIRING),
        ("cloudwatch_composite_alarm", ARN.replace("web-cpu-high", "shop-degraded"), FIRING),
        (
            "cloudwatch_metric_math_null_description",
            ARN.replace("web-cpu-high", "api-error-rate"),
            FIRING,
        ),
        ("moto_notification_emulator", "::x", FIRING),
        ("plain_text_message", "22b80b92-fdea-4c2c-8f9d-bdfb0c7b0017", FIRING),
        ("eventbridge_event_not_an_alarm", "22b80b92-fdea-4c2c-8f9d-bdfb0c7b0019", FIRING),
    ],
)
def test_each_message_has_the_key_and_state_of_the_fact_sheet(
    case: str, key: str, status: str
) -> None:
    alert = alert_in(case)

    assert (alert.key, alert.status) == (key, status)


def test_an_alarm_is_read_whole() -> None:
    alert = alert_in("cloudwatch_alarm_v1")

    assert alert.title == "web-cpu-high"
    assert "Threshold Crossed" in alert.detail
    assert "AVERAGE CPUUtilization GreaterThanOrEqualToThreshold 80.0" in alert.detail
    assert alert.labels == {
        "alarm": "web-cpu-high",
        "region": "eu-central-1",
        "account": "123456789012",
        "namespace": "AWS/EC2",
        "metric": "CPUUtilization",
        "InstanceId": "i-0abc1234def567890",
    }
    assert [(link.label, link.url) for link in alert.links] == [
        (
            "CloudWatch",
            "https://eu-central-1.console.aws.amazon.com/cloudwatch/home"
            "?region=eu-central-1#alarmsV2:alarm/web-cpu-high",
        ),
        ("runbook", "https://runbooks.example.com/cpu"),
    ]
    assert str(alert.occurred_at) == "2026-08-22 14:10:00.123000+00:00"


def test_a_composite_alarm_names_its_rule_and_what_set_it_off() -> None:
    detail = alert_in("cloudwatch_composite_alarm").detail

    assert "Rule: ALARM(arn:aws:cloudwatch" in detail
    assert "Because of web-cpu-high: ALARM" in detail


def test_an_expression_over_metrics_takes_the_labels_of_its_first_metric() -> None:
    labels = alert_in("cloudwatch_metric_math_null_description").labels

    assert (labels["namespace"], labels["LoadBalancer"]) == ("AWS/ApplicationELB", "shop-alb")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        ({"insufficient_data": "ignore"}, None),
        ({"insufficient_data": "nonsense"}, None),
        ({"insufficient_data": "fire"}, ("web-cpu-high has too few data", FIRING, "warning")),
        ({"insufficient_data": "resolve"}, ("web-cpu-high", RESOLVED, "warning")),
    ],
)
def test_too_few_data_are_what_the_source_is_set_to(
    settings: dict[str, str], expected: tuple[str, str, str] | None
) -> None:
    (item,) = read("cloudwatch_insufficient_data", **settings)

    if expected is None:
        assert item == Remark("web-cpu-high has too few data, which this source ignores.")
    else:
        assert (item.title, item.status, item.severity) == expected


@pytest.mark.parametrize(
    ("description", "severity"),
    [
        ("Severity: Critical. See the wiki", "critical"),
        ("priority=low", "low"),
        ("[P2] the shop is slow", "p2"),
        ("SEV-1: all is lost", "sev1"),
        ("about the top 5 things", ""),
        (None, ""),
    ],
)
def test_a_severity_is_found_in_the_description(description: str | None, severity: str) -> None:
    alarm = {"AlarmName": "x", "NewStateValue": "ALARM", "AlarmDescription": description}

    (alert,) = registry["cloudwatch"].parse(alarm)

    assert isinstance(alert, ParsedAlert)
    assert alert.severity == severity


@pytest.mark.parametrize(
    ("partition", "host"),
    [
        ("aws-cn", "https://cn-north-1.console.amazonaws.cn/"),
        ("aws-us-gov", "https://cn-north-1.console.amazonaws-us-gov.com/"),
    ],
)
def test_links_lead_to_the_console_of_the_partition(partition: str, host: str) -> None:
    arn = f"arn:{partition}:cloudwatch:cn-north-1:123456789012:alarm:a/b c"
    alarm = {"AlarmName": "a/b c", "NewStateValue": "ALARM", "AlarmArn": arn}

    (alert,) = registry["cloudwatch"].parse(alarm)

    assert isinstance(alert, ParsedAlert)
    assert alert.links[0].url.startswith(host)
    assert alert.links[0].url.endswith("#alarmsV2:alarm/a%2Fb%20c")


@pytest.mark.parametrize("state", ["nonsense", "", 5])
def test_a_state_nobody_knows_fires(state: Any) -> None:
    (alert,) = registry["cloudwatch"].parse({"AlarmName": "x", "NewStateValue": state})

    assert isinstance(alert, ParsedAlert)
    assert alert.status == FIRING


@pytest.mark.parametrize("payload", [[], 7, None, {}])
def test_what_is_neither_envelope_nor_alarm_is_unreadable(payload: Any) -> None:
    with pytest.raises(ValueError, match="expected a message of SNS"):
        list(registry["cloudwatch"].parse(payload))


def test_raw_words_are_a_message_too() -> None:
    parser: Any = registry["cloudwatch"]
    headers = {"x-amz-sns-rawdelivery": "true", "x-amz-sns-message-id": "m-1"}

    (alert,) = parser.parse_body(b"Backup failed\non db1", headers, AlertSource())

    assert (alert.key, alert.title) == ("m-1", "Backup failed")


# Through the intake.


@pytest.fixture
def source(amazon: FakeAmazon, db: None) -> AlertSource:
    return make_source(make_team(), kind="cloudwatch", name="aws")


def alarm(state: str, at: str) -> bytes:
    content = {"AlarmName": "cpu", "AlarmArn": ARN, "NewStateValue": state, "StateChangeTime": at}
    return json.dumps(content).encode()


def test_an_alarm_opens_an_incident_and_its_ok_resolves_it(source: AlertSource) -> None:
    fired = post_sns("cloudwatch_alarm_v1")
    post_sns("retry_same_message_id")
    over = post_sns("cloudwatch_ok_v2")

    incident = Incident.objects.get()
    assert (fired.status_code, over.status_code) == (202, 202)
    assert (incident.title, incident.state) == ("web-cpu-high", "resolved")
    assert Alert.objects.get().count == 2


def test_a_state_change_that_comes_late_is_ignored(source: AlertSource) -> None:
    sns.post_raw(alarm("ALARM", "2026-08-22T14:00:00.000+0000"))
    sns.post_raw(alarm("OK", "2026-08-22T14:10:00.000+0000"))
    sns.post_raw(alarm("ALARM", "2026-08-22T14:05:00.000+0000"))

    assert Incident.objects.get().state == "resolved"


def test_an_old_ok_does_not_end_a_newer_alarm(source: AlertSource) -> None:
    sns.post_raw(alarm("ALARM", "2026-08-22T14:10:00.000+0000"))
    sns.post_raw(alarm("OK", "2026-08-22T14:05:00.000+0000"))

    assert Incident.objects.get().state == "triggered"


def test_an_ok_without_an_alarm_opens_nothing(source: AlertSource) -> None:
    assert post_sns("cloudwatch_ok_v2").json()["status"] == "nothing to do"
    assert not Incident.objects.exists()


def test_too_few_data_are_told_beside_the_message(source: AlertSource) -> None:
    answer = post_sns("cloudwatch_insufficient_data")

    assert answer.json()["status"] == "nothing to do"
    assert "too few data" in ReceivedPayload.objects.get().note
