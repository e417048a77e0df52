"""A wrong value stops the start, with its name and what was expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from pagerpal import checks, env
from pagerpal.env import providers


def test_a_value_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    monkeypatch.setenv("NTFY_TOKEN_FILE", str(tmp_path / "token"))

    assert env.text("NTFY_TOKEN") == "s3cret"


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("SMTP_PORT", "many", lambda: env.integer("SMTP_PORT", 587, most=65535)),
        ("SMTP_PORT", "70000", lambda: env.integer("SMTP_PORT", 587, most=65535)),
        ("SENDING", "maybe", lambda: env.flag("SENDING", False)),
        ("NTFY_BASE_URL", "ntfy.sh", lambda: env.url("NTFY_BASE_URL", "https://ntfy.sh")),
        ("INFOBIP_BASE_URL", "x.infobip.com", lambda: env.optional_url("INFOBIP_BASE_URL")),
        ("DATABASE_URL", "mysql://x/y", lambda: env.database("DATABASE_URL", "")),
        ("PHONE_REGION", "Switzerland", lambda: env.country("PHONE_REGION")),
        ("NTFY_ACK_TOPIC", "a topic", lambda: env.topic("NTFY_ACK_TOPIC")),
        ("BUTTONS", "ack,snooze", lambda: env.words_of("BUTTONS", ("ack", "resolve"))),
        ("ADDRESS_LIMITS", "sms=5", lambda: env.rates("ADDRESS_LIMITS")),
        ("ADDRESS_LIMITS", "sms=0/30", lambda: env.rates("ADDRESS_LIMITS")),
        ("PAUSE", "-1", lambda: env.seconds("PAUSE", 1)),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(
    name: str, value: str, read: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ImproperlyConfigured, match=name):
        read()  # type: ignore[operator]


def test_limits_are_read_by_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADDRESS_LIMITS", "sms=5/30, ntfy=10/60")

    assert env.rates("ADDRESS_LIMITS") == {"sms": (5, 30), "ntfy": (10, 60)}


def test_providers_are_tried_as_configured_unless_an_order_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unnamed = providers("SMS_PROVIDERS", twilio=True, infobip=True)
    only_one = providers("SMS_PROVIDERS", twilio=False, infobip=True)
    monkeypatch.setenv("SMS_PROVIDERS", "infobip, twilio")
    named = providers("SMS_PROVIDERS", twilio=True, infobip=True)

    assert (unnamed, only_one, named) == (["twilio", "infobip"], ["infobip"], ["infobip", "twilio"])


def test_a_provider_that_is_named_must_be_known_and_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SMS_PROVIDERS", "vonage")
    with pytest.raises(ImproperlyConfigured, match="expected one of twilio"):
        providers("SMS_PROVIDERS", twilio=True)

    monkeypatch.setenv("SMS_PROVIDERS", "twilio")
    with pytest.raises(ImproperlyConfigured, match="its settings are not set"):
        providers("SMS_PROVIDERS", twilio=False)


def test_whatsapp_without_a_template_is_warned_of(settings: Any) -> None:
    settings.WHATSAPP_PROVIDERS = ["infobip", "twilio"]
    settings.INFOBIP_WHATSAPP_TEMPLATE = "pagerpal_alert"

    (warning,) = checks.whatsapp_without_a_template()
    settings.WHATSAPP_PROVIDERS = ["infobip"]

    assert "TWILIO_WHATSAPP_TEMPLATE not set" in warning.msg
    assert checks.whatsapp_without_a_template() == []


def test_a_short_token_of_receipts_is_warned_of(settings: Any) -> None:
    warned = []
    for token in ("", "guessme", "0123456789abcdef"):
        settings.INFOBIP_RECEIPT_TOKEN = token
        warned.append([one.id for one in checks.receipt_token_can_be_guessed()])

    assert warned == [[], ["pagerpal.W002"], []]


def test_the_example_file_names_every_setting_once() -> None:
    root = Path(env.__file__).resolve().parent.parent
    lines = (root / ".env.example").read_text().splitlines()
    names = [line.partition("=")[0] for line in lines if line and not line.startswith("#")]

    assert len(names) == len(set(names))
    assert {"DATABASE_URL", "SMS_PROVIDERS", "INFOBIP_RECEIPT_TOKEN"} <= set(names)
