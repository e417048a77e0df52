"""Puts codes and tests of one address into words; pure, from a notification's facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notifications.duty_words import Words
from notifications.models import Notification
from notifications.verification import VALID_FOR, code_for

Purpose = Notification.Purpose
MINUTES = int(VALID_FOR.total_seconds() // 60)


def words(notification: Notification, facts: Mapping[str, Any]) -> Words | None:
    """What this notification tries; None where it tries nothing, or a whole run of rules."""
    if notification.purpose == Purpose.VERIFY and facts.get("seed"):
        return Words(
            f"{code_for(str(facts['seed']))} is your PagerPal code",
            [
                f"Enter it on your page within {MINUTES} minutes: then this address is verified.",
                "You did not ask for it? Somebody may have mistyped their own address. Do nothing.",
            ],
        )
    if notification.purpose == Purpose.TEST and facts.get("trial"):
        return Words(
            "TEST from PagerPal",
            ["This is a test: nothing is wrong.", "What is sent to this address arrives."],
        )
    return None
