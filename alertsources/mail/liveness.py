"""Whether mail is to be received here, and whether anything does; light enough for /health."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from alertsources.models import MailReceiver

BEAT_EVERY = 10.0
# Four beats.
FRESH_FOR = timedelta(seconds=40)


def is_wanted() -> bool:
    """Whether the settings name any way for mail to come in."""
    return bool(settings.INBOUND_SMTP_PORT or settings.IMAP_HOST)


def troubles(now: datetime) -> list[str]:
    """What keeps mail from coming in, where it is set up to."""
    if not is_wanted():
        return []
    alive = list(MailReceiver.objects.filter(beat_at__gte=now - FRESH_FOR))
    if not alive:
        return ["Mail is set up to be received, but nothing receives it: start manage.py mail."]
    found = [trouble for one in alive for trouble in (one.smtp_trouble, one.imap_trouble)]
    return list(dict.fromkeys(trouble for trouble in found if trouble))
