"""Django system checks: whatever would stop a page from going out, or is set to no effect."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

from notifications.channels.base import registry


@register()
def providers_without_a_channel(**kwargs: Any) -> list[CheckMessage]:
    """A provider that is set up is counted on; say so where no channel uses it."""
    wanted = {"sms": settings.SMS_PROVIDERS, "whatsapp": settings.WHATSAPP_PROVIDERS}
    return [
        Warning(
            f"{', '.join(names)} is set up for {kind}, but this version cannot send {kind}.",
            hint="Give everybody ntfy or e-mail.",
            id=f"pagerpal.W00{number}",
        )
        for number, (kind, names) in enumerate(wanted.items(), start=1)
        if names and kind not in registry
    ]
