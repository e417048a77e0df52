"""Configured senders, what is said of their alerts beforehand, the alerts, and what came raw."""

from alertsources.models.alerts import Alert, OpenGroup
from alertsources.models.received import (
    MailReceiver,
    ReceivedMail,
    ReceivedPayload,
    Refusal,
    SourceMinute,
)
from alertsources.models.rules import RoutingRule, Silence
from alertsources.models.source import AlertSource

__all__ = [
    "Alert",
    "AlertSource",
    "MailReceiver",
    "OpenGroup",
    "ReceivedMail",
    "ReceivedPayload",
    "Refusal",
    "RoutingRule",
    "Silence",
    "SourceMinute",
]
