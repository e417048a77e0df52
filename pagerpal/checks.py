"""Django system checks: whatever would stop a page from going out, or is set to no effect."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

LEAST_TOKEN = 16


@register()
def receipt_token_can_be_guessed(**kwargs: Any) -> list[CheckMessage]:
    """Who guesses it can say of any message that it has failed."""
    if not 0 < len(settings.INFOBIP_RECEIPT_TOKEN) < LEAST_TOKEN:
        return []
    text = f"INFOBIP_RECEIPT_TOKEN can be guessed: it has less than {LEAST_TOKEN} characters."
    return [Warning(text, hint="Make it long and random.", id="pagerpal.W002")]


@register()
def whatsapp_without_a_template(**kwargs: Any) -> list[CheckMessage]:
    """WhatsApp takes free text only for a day after its reader wrote; who sleeps did not."""
    templates = {
        "twilio": ("TWILIO_WHATSAPP_TEMPLATE", settings.TWILIO_WHATSAPP_TEMPLATE),
        "infobip": ("INFOBIP_WHATSAPP_TEMPLATE", settings.INFOBIP_WHATSAPP_TEMPLATE),
    }
    missing = [
        name
        for provider in settings.WHATSAPP_PROVIDERS
        for name, value in [templates[provider]]
        if not value
    ]
    if not missing:
        return []
    return [
        Warning(
            f"WhatsApp will not bring a page to whoever has not written for a day: "
            f"{' and '.join(missing)} not set.",
            hint="Have a template approved and name it there.",
            id="pagerpal.W001",
        )
    ]
