"""Amazon CloudWatch alarms, and whatever else comes through an SNS topic."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from alertsources.decoding import decode, text_of_body
from alertsources.sources import anyjson_guesses as guesses
from alertsources.sources import sns_subscriptions
from alertsources.sources.base import (
    FIRING,
    RESOLVED,
    Link,
    ParsedAlert,
    Remark,
    Unreadable,
    register,
)
from alertsources.sources.sns_envelope import (
    NOTIFICATION,
    SUBSCRIBE,
    UNSUBSCRIBE,
    Envelope,
    envelope_in,
)
from alertsources.sources.values import first_text, text_of, time_of

if TYPE_CHECKING:
    from alertsources.models import AlertSource

Parsed = ParsedAlert | Unreadable | Remark

# What to make of an alarm that has too few data: nothing, a page, or its end.
INSUFFICIENT = "insufficient_data"
IGNORE, FIRE, RESOLVE = "ignore", "fire", "resolve"

ARN = re.compile(r"arn:(aws[a-z-]*):cloudwatch:([a-z0-9-]+):(\d*):alarm:(.+)", re.DOTALL)
CONSOLES = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}
MARKED = re.compile(r"\b(?:severity|priority)\s*[:=]\s*(\w+)|\b(p[1-5])\b|\bsev-?([0-4])\b", re.I)
ADDRESS = re.compile(r"(\w*):?\s*(https?://[^\s<>\"')\]]+)")
MOST_CHILDREN = 20


class CloudWatch:
    slug: ClassVar[str] = "cloudwatch"
    label: ClassVar[str] = "Amazon CloudWatch (SNS)"
    reads_bytes: ClassVar[bool] = True
    setup: ClassVar[str] = """\
Subscribe this address to the topic, with the protocol HTTPS:

    {{ url }}?key={{ key }}

From a shell:

    aws sns subscribe --topic-arn arn:aws:sns:REGION:ACCOUNT:TOPIC \\
      --protocol https --notification-endpoint '{{ url }}?key={{ key }}'

Or with Terraform:

    resource "aws_sns_topic_subscription" "pagerpal" {
      topic_arn              = aws_sns_topic.alarms.arn
      protocol               = "https"
      endpoint               = "{{ url }}?key={{ key }}"
      endpoint_auto_confirms = true
    }

The subscription confirms itself; from then on the source takes messages of this topic only. Put
the topic into the AlarmActions AND the OKActions of each alarm: without OKActions no alarm ever
ends here. To try it, an alarm can be set off by hand; it pages like any other unless you press
"Take what comes next as a test" before:

    aws cloudwatch set-alarm-state --alarm-name NAME --state-value ALARM --state-reason test

Raw message delivery works too, but SNS does not sign raw messages: then only the key in the address
proves the sender. User and password in the address work as well: https://pagerpal:KEY@HOST/...
"""
    example: ClassVar[dict[str, Any]] = {
        "AlarmName": "web-cpu-high",
        "AlarmDescription": "CPU of the web tier. Runbook: https://runbooks.example.com/cpu",
        "AWSAccountId": "123456789012",
        "NewStateValue": "ALARM",
        "OldStateValue": "OK",
        "NewStateReason": "Threshold Crossed: 91.2 was greater than the threshold (80.0).",
        "StateChangeTime": "2026-08-22T14:10:00.123+0000",
        "Region": "EU (Frankfurt)",
        "AlarmArn": "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:web-cpu-high",
        "Trigger": {
            "MetricName": "CPUUtilization",
            "Namespace": "AWS/EC2",
            "Dimensions": [{"name": "InstanceId", "value": "i-0abc1234def567890"}],
        },
    }

    def parse(self, payload: Any) -> Iterator[ParsedAlert | Unreadable]:
        return (item for item in _alerts(payload, {}, "") if not isinstance(item, Remark))

    def parse_body(
        self, body: bytes, headers: Mapping[str, str], source: AlertSource
    ) -> Iterator[Parsed]:
        message_id = headers.get("x-amz-sns-message-id", "")
        if headers.get("x-amz-sns-rawdelivery", "").lower() == "true":
            return iter([_said(text_of_body(body), "", message_id, source.settings)])
        return _alerts(decode(body), source.settings, message_id)

    def check(self, body: bytes, headers: Mapping[str, str], source: AlertSource) -> None:
        envelope = _envelope(body)
        if envelope:
            sns_subscriptions.check_envelope(envelope, headers, source)
        elif topic := headers.get("x-amz-sns-topic-arn", ""):
            sns_subscriptions.check_topic(topic, source)

    def respond(self, body: bytes, headers: Mapping[str, str], source: AlertSource) -> None:
        envelope = _envelope(body)
        if envelope and envelope.type == SUBSCRIBE and not _confirms_by_hand(source):
            sns_subscriptions.confirm(envelope, source)


def _envelope(body: bytes) -> Envelope | None:
    try:
        return envelope_in(decode(body))
    except ValueError:
        return None


def _confirms_by_hand(source: AlertSource) -> bool:
    return bool(source.settings.get(sns_subscriptions.SETTING) == sns_subscriptions.OFF)


def _alerts(payload: Any, settings: Mapping[str, Any], message_id: str) -> Iterator[Parsed]:
    if envelope := envelope_in(payload):
        if envelope.type == NOTIFICATION:
            yield _said(envelope.message, envelope.subject, envelope.message_id, settings)
        else:
            yield from _about_subscription(envelope, settings)
    elif isinstance(payload, dict) and payload:
        yield _message(payload, "", message_id, settings)
    else:
        raise ValueError("expected a message of SNS or a CloudWatch alarm")


def _about_subscription(envelope: Envelope, settings: Mapping[str, Any]) -> Iterator[Parsed]:
    """Nothing fires when a topic asks to be confirmed; a topic that leaves takes its alarms along.

    Its SubscribeURL is not visited: that would subscribe again.
    """
    by_hand = settings.get(sns_subscriptions.SETTING) == sns_subscriptions.OFF
    if envelope.type == SUBSCRIBE and by_hand:
        url = envelope.fields.get("SubscribeURL", "")
        yield Remark(f"{envelope.topic} waits until somebody visits {url}")
    elif envelope.type == SUBSCRIBE:
        yield Remark(f"{envelope.topic} asks to be confirmed, which PagerPal does by itself.")
    has_left = envelope.type == UNSUBSCRIBE
    if has_left:
        yield Remark(f"{envelope.topic} no longer sends here.")
    yield ParsedAlert(
        key=f"sns subscription {envelope.topic}",
        status=FIRING if has_left else RESOLVED,
        title=f"SNS topic {envelope.topic.rpartition(':')[2]} no longer sends its alarms here",
        detail=f"Its subscription was deleted: {envelope.message}",
        severity="warning",
        labels={"topic": envelope.topic},
        occurred_at=time_of(envelope.fields.get("Timestamp")),
    )


def _said(text: str, subject: str, message_id: str, settings: Mapping[str, Any]) -> Parsed:
    """The content of a message: JSON in a string, or just words."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        return _message(content, subject, message_id, settings)
    title = subject or next(iter(text.strip().splitlines()), "")
    if not title:
        return Unreadable("the message is empty")
    # Nothing will say that it is over, so each stands for itself.
    return ParsedAlert(
        key=message_id or f"title {title}", status=FIRING, title=title, detail=text.strip()
    )


def _message(
    content: dict[str, Any], subject: str, message_id: str, settings: Mapping[str, Any]
) -> Parsed:
    if "AlarmName" in content and "NewStateValue" in content:
        return _alarm(content, settings)
    guess = guesses.guess(content)
    kind = text_of(content.get("detail-type"))  # an event of EventBridge
    inside = content.get("detail")
    state = text_of(inside.get("state")) if kind and isinstance(inside, dict) else ""
    labels = {name: text_of(content.get(name)) for name in ("source", "account", "region")}
    return ParsedAlert(
        key=message_id or text_of(content.get("id")) or f"title {subject or guess.title}",
        status=FIRING,
        title=subject or (f"{kind}: {state}" if state else kind) or guess.title,
        detail=json.dumps(content, indent=2, ensure_ascii=False),
        severity=guess.severity,
        labels={name: value for name, value in labels.items() if value},
        links=guess.links,
    )


def _alarm(alarm: dict[str, Any], settings: Mapping[str, Any]) -> Parsed:
    name, arn = text_of(alarm["AlarmName"]), text_of(alarm.get("AlarmArn"))
    state = text_of(alarm["NewStateValue"]).upper()
    without_data = settings.get(INSUFFICIENT, IGNORE) if state == "INSUFFICIENT_DATA" else ""
    if without_data and without_data not in {FIRE, RESOLVE}:
        return Remark(f"{name} has too few data, which this source ignores.")
    is_over = state == "OK" or without_data == RESOLVE
    changed_at = time_of(alarm.get("StateChangeTime"))
    description = text_of(alarm.get("AlarmDescription"))
    found = ARN.fullmatch(arn)
    region = found[2] if found else ""
    account = text_of(alarm.get("AWSAccountId"))
    return ParsedAlert(
        key=arn or ":".join([account, text_of(alarm.get("Region")), name]),
        status=RESOLVED if is_over else FIRING,
        title=f"{name} has too few data" if without_data and not is_over else name,
        detail=_detail(alarm, description),
        severity="warning" if without_data else _severity(description),
        labels={
            "alarm": name,
            **({"region": region} if region else {}),
            **({"account": account} if account else {}),
            **_metric(alarm.get("Trigger")),
        },
        links=tuple(_links(found, description)),
        started_at=None if is_over else changed_at,
        occurred_at=changed_at,
    )


def _severity(description: str) -> str:
    """CloudWatch has none, so people write it into the description: "severity: high", "P1"."""
    found = MARKED.search(description)
    if not found:
        return ""
    return (found[1] or found[2] or f"sev{found[3]}").lower()


def _metric(trigger: Any) -> dict[str, str]:
    """Namespace, metric and dimensions; of an expression over metrics those of the first one."""
    if not isinstance(trigger, dict):
        return {}
    metric = trigger
    if isinstance(metrics := trigger.get("Metrics"), list):
        stats = [entry["MetricStat"] for entry in metrics if _has(entry, "MetricStat")]
        metric = next((stat["Metric"] for stat in stats if _has(stat, "Metric")), {})
    told = {
        "namespace": text_of(metric.get("Namespace")),
        "metric": first_text(metric, "MetricName"),
    }
    dimensions = metric.get("Dimensions")
    for dimension in dimensions if isinstance(dimensions, list) else ():
        if isinstance(dimension, dict):
            told[first_text(dimension, "name", "Name")] = first_text(dimension, "value", "Value")
    return {name: value for name, value in told.items() if name and value}


def _has(value: Any, name: str) -> bool:
    return isinstance(value, dict) and isinstance(value.get(name), dict)


def _detail(alarm: dict[str, Any], description: str) -> str:
    parts = [description, text_of(alarm.get("NewStateReason")), _condition(alarm.get("Trigger"))]
    if rule := text_of(alarm.get("AlarmRule")):
        parts.append(f"Rule: {rule}")
    children = alarm.get("TriggeringChildren")
    for child in children[:MOST_CHILDREN] if isinstance(children, list) else ():
        if isinstance(child, dict):
            state = child.get("State")
            value = text_of(state.get("Value")) if isinstance(state, dict) else ""
            parts.append(
                f"Because of {text_of(child.get('Arn')).rpartition(':alarm:')[2]}: {value}"
            )
    return "\n".join(part for part in parts if part)


def _condition(trigger: Any) -> str:
    if not isinstance(trigger, dict):
        return ""
    words = [
        *(first_text(trigger, "Statistic", "ExtendedStatistic"), first_text(trigger, "MetricName")),
        *(text_of(trigger.get("ComparisonOperator")), text_of(trigger.get("Threshold"))),
    ]
    said = " ".join(word for word in words if word)
    needed, of = (
        text_of(trigger.get("DatapointsToAlarm")),
        text_of(trigger.get("EvaluationPeriods")),
    )
    period = text_of(trigger.get("Period"))
    return (
        f"{said}, {needed or of} of {of} periods of {period} s" if said and of and period else said
    )


def _links(found: re.Match[str] | None, description: str) -> Iterator[Link]:
    if found:
        partition, region, _, name = found.groups()
        console = CONSOLES.get(partition, "console.aws.amazon.com")
        place = f"#alarmsV2:alarm/{quote(name, safe='')}"
        yield Link(
            "CloudWatch", f"https://{region}.{console}/cloudwatch/home?region={region}{place}"
        )
    for label, url in ADDRESS.findall(description):
        yield Link(label.lower() or "link", url.rstrip(".,;"))


register(CloudWatch())
