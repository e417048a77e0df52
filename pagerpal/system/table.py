"""The settings that hold here, as the environment gave them; no secret is told."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings

# In the order of .env.example.
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Where and how",
        (
            "PAGERPAL_PORT",
            "PAGERPAL_BIND",
            "PAGERPAL_BASE_URL",
            "ENVIRONMENT",
            "PAGERPAL_DATA_DIR",
        ),
    ),
    (
        "Secrets, hosts, cookies",
        (
            "SECRET_KEY",
            "SECRET_KEY_FALLBACKS",
            "ALLOWED_HOSTS",
            "ALLOWED_ORIGINS",
            "API_CALLS_PER_MINUTE",
            "SESSION_COOKIE_SECURE",
            "ADMINS_NEED_SECOND_STEP",
            "TRUSTED_PROXIES",
        ),
    ),
    (
        "Database",
        ("DATABASE_URL",),
    ),
    (
        "Worker",
        (
            "PAGERPAL_WORKERS",
            "NOTIFICATION_RETRY_WORKER_ENABLED",
            "ESCALATION_WORKER_ENABLED",
        ),
    ),
    (
        "Sending",
        (
            "NOTIFICATION_SENDING_ENABLED",
            "OUTBOUND_ALLOWED_NETWORKS",
            "NTFY_BASE_URL",
            "NTFY_TOKEN",
            "NTFY_USER",
            "NTFY_PASSWORD",
            "NTFY_ACK_TOPIC",
            "SMTP_HOST",
            "SMTP_PORT",
            "SMTP_USER",
            "SMTP_PASSWORD",
            "SMTP_FROM",
            "SMTP_SECURITY",
            "PHONE_REGION",
            "TWILIO_BASE_URL",
            "TWILIO_ACCOUNT_SID",
            "TWILIO_AUTH_TOKEN",
            "TWILIO_SMS_FROM",
            "TWILIO_WHATSAPP_FROM",
            "TWILIO_WHATSAPP_TEMPLATE",
            "INFOBIP_BASE_URL",
            "INFOBIP_API_KEY",
            "INFOBIP_SMS_SENDER",
            "INFOBIP_WHATSAPP_SENDER",
            "INFOBIP_WHATSAPP_TEMPLATE",
            "INFOBIP_WHATSAPP_LANGUAGE",
            "INFOBIP_WHATSAPP_BUTTONS",
            "INFOBIP_RECEIPT_TOKEN",
            "SMS_PROVIDERS",
            "WHATSAPP_PROVIDERS",
            "ADDRESS_LIMITS",
        ),
    ),
    (
        "Mail in",
        (
            "INBOUND_SMTP_PORT",
            "INBOUND_SMTP_HOST",
            "INBOUND_MAIL_DOMAIN",
            "IMAP_HOST",
            "IMAP_PORT",
            "IMAP_USER",
            "IMAP_PASSWORD",
            "IMAP_FOLDER",
            "IMAP_SECURITY",
            "IMAP_POLL_SECONDS",
        ),
    ),
    (
        "Watching from outside",
        (
            "HEARTBEAT_URL",
            "HEARTBEAT_FAIL_URL",
            "HEARTBEAT_SECONDS",
            "METRICS_TOKEN",
            "METRICS_ALLOWED_NETWORKS",
        ),
    ),
    (
        "What is kept, and for how long",
        (
            "KEEP_TIMELINE_DAYS",
            "KEEP_MESSAGES_DAYS",
        ),
    ),
    (
        "Logs",
        (
            "LOG_LEVEL",
            "LOG_FORMAT",
        ),
    ),
)
SECRETS = frozenset(
    {
        *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASE_URL", "NTFY_TOKEN", "NTFY_PASSWORD"),
        *("NTFY_ACK_TOPIC", "SMTP_PASSWORD", "TWILIO_AUTH_TOKEN", "INFOBIP_API_KEY"),
        *("INFOBIP_RECEIPT_TOKEN", "IMAP_PASSWORD", "HEARTBEAT_URL", "HEARTBEAT_FAIL_URL"),
        "METRICS_TOKEN",
    }
)
# Where the setting has another name than the variable.
CALLED = {
    "PAGERPAL_DATA_DIR": "DATA_DIR",
    "PAGERPAL_WORKERS": "WORKERS",
    "IMAP_POLL_SECONDS": "IMAP_POLL_EVERY",
    "HEARTBEAT_SECONDS": "HEARTBEAT_EVERY",
}


@dataclass(frozen=True)
class Row:
    name: str
    shown: str
    is_given: bool  # by the environment, a file or .env; else it is the default


def groups() -> list[tuple[str, list[Row]]]:
    return [(title, [row(name) for name in names]) for title, names in GROUPS]


def row(name: str) -> Row:
    given = bool(os.environ.get(name, "").strip() or os.environ.get(f"{name}_FILE", "").strip())
    if name in SECRETS:
        return Row(name, "set" if given else "not set", given)
    return Row(name, _shown(getattr(settings, CALLED.get(name, name), None)), given)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}"
    if isinstance(value, dict):
        return ", ".join(f"{name}={'/'.join(map(str, one))}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(one) for one in value)
    return "" if value is None else str(value)
