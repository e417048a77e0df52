"""Puts answers to what somebody wrote into words; pure, from a notification's facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notifications import wording
from notifications.channels import gsm
from notifications.channels.texts import clip, one_line
from notifications.models import Notification
from notifications.wording import MOST_PARTS, Words

MOST_ANSWER = 600
MOST_NAME = 80


def words(notification: Notification, facts: Mapping[str, Any]) -> Words | None:
    """None where it is about something else."""
    if facts.get("answer"):
        text = clip(one_line(str(facts["answer"])), MOST_ANSWER)
        return wording.say(notification.channel, "answer", {"answer": text})
    stopped = facts.get("stopped")
    if isinstance(stopped, Mapping):
        texts = {name: clip(one_line(str(stopped.get(name) or "")), MOST_NAME) for name in stopped}
        own = {"is_own": bool(stopped.get("is_own"))}
        return wording.say(notification.channel, "stopped", texts | own)
    return None


def short(words: Words) -> str:
    """All of it as text messages, without a link."""
    return gsm.fit(gsm.plain(one_line(" ".join([words.title, *words.lines]))), MOST_PARTS)
