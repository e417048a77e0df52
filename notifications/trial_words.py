"""Puts codes and tests of one address into words; pure, from a notification's facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notifications import wording
from notifications.models import Notification
from notifications.verification import VALID_FOR, code_for
from notifications.wording import Words

Purpose = Notification.Purpose
MINUTES = int(VALID_FOR.total_seconds() // 60)


def words(notification: Notification, facts: Mapping[str, Any]) -> Words | None:
    """What this notification tries; None where it tries nothing, or a whole run of rules."""
    if notification.purpose == Purpose.VERIFY and facts.get("seed"):
        values = {"code": code_for(str(facts["seed"])), "minutes": MINUTES}
        return wording.say(notification.channel, "verify", values)
    if notification.purpose == Purpose.TEST and facts.get("trial"):
        return wording.say(notification.channel, "test", {})
    return None
