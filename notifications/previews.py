"""How each message reads on each kind of channel, from made-up facts, for whoever sets it up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from notifications import bundles, digests, messages
from notifications.channels import gsm
from notifications.channels.base import Message, channel_choices, person_channel_choices
from notifications.channels.inbound import texts_are_read
from notifications.models import Notification, TeamChannel
from schedules.models import Team, User

Purpose = Notification.Purpose
NUMBER = 412
BUNDLES = {
    "Page: five at once": Purpose.PAGE,
    "News for the owner: of five at once": Purpose.GROWTH,
    "Question to the owner: about five at once": Purpose.ASK_OWNER,
}


@dataclass(frozen=True)
class Preview:
    """A message as some kinds of channels show it."""

    kinds: str
    message: Message
    parts: int = 0  # as SMS
    event: str = ""


@dataclass(frozen=True)
class Sample:
    """One thing that PagerPal says."""

    name: str
    previews: list[Preview]


def samples(reader: User, now: datetime) -> list[Sample]:
    """Every text, with the times of this reader. Asks the database nothing and sends nothing."""
    told = [
        Sample(name, _previews(purpose, context, reader, now))
        for name, (purpose, context) in facts(now).items()
    ]
    return [*told, _storm(now), *(_bundle(name, reader, now) for name in BUNDLES)]


def facts(now: datetime) -> dict[str, tuple[str, dict[str, Any]]]:
    """What is made up, by the name of its sample: its purpose, and the facts of the message."""
    shift, times = _shift(now), _times(now)
    incident = _incident(now)
    updates: dict[str, dict[str, Any]] = {
        "Update: opened": {"event": "opened"},
        "Update: somebody has it": {"event": "acknowledged", "who": "alice"},
        "Update: nobody has answered": {"event": "escalated", "who": "bob", "step": "step 2"},
        "Update: nobody has it any more": {"event": "released", "news": "bob has left"},
        "Update: resolved": {"event": "resolved", "who": "alice", "lasted": 740},
        "Update: open again": {"event": "reopened"},
    }
    return {
        "Page": (Purpose.PAGE, incident),
        "Page, again": (Purpose.PAGE, incident | {"repeat": 1}),
        "Page, low urgency": (Purpose.PAGE, incident | {"urgency": "low", "severity": "warning"}),
        "Page, discreet team": (Purpose.PAGE, incident | {"discreet": True}),
        "Page, test": (Purpose.PAGE, incident | {"is_test": True}),
        "News for the owner": (Purpose.GROWTH, incident | {"news": "New alert: db-7 is full too"}),
        "Question to the owner": (Purpose.ASK_OWNER, incident),
        **{name: (Purpose.UPDATE, incident | facts) for name, facts in updates.items()},
        "Reminder of a shift": (Purpose.REMINDER, shift),
        "Hand-over": (Purpose.HANDOVER, shift | {"incidents": [f"#{NUMBER} Disk full"]}),
        "Hand-over, for a room": (Purpose.HANDOVER, shift | {"who": "alice"}),
        "Gaps": (Purpose.NOTICE, {"team": "Platform", "gaps": [times | {"why": "Nobody."}]}),
        "Silent source": (Purpose.NOTICE, {"team": "Platform", "silent": _silence(now)}),
        "Code": (Purpose.VERIFY, {"seed": "preview"}),
        "Test of an address": (Purpose.TEST, {"trial": "address"}),
        "Answer to a reply": (Purpose.NOTICE, {"answer": f"#{NUMBER} is yours."}),
        "STOP": (Purpose.NOTICE, {"stopped": {"who": "bob", "kind": "SMS", "address": "...4567"}}),
    }


def _incident(now: datetime) -> dict[str, Any]:
    return {
        "number": NUMBER,
        "title": "Disk 96% full on db-6",
        "detail": "/var/lib/postgresql is 96% full and grows by 2% an hour.",
        "severity": "critical",
        "urgency": "high",
        "team": "Platform",
        "source": "Alertmanager",
        "opened_at": (now - timedelta(minutes=4)).isoformat(),
        "alerts": 3,
        "next": {"at": (now + timedelta(minutes=5)).isoformat(), "who": "bob"},
        "links": [{"label": "Runbook", "url": "https://wiki.example.org/disk"}],
        "open_path": f"/incidents/{NUMBER}",
        # As long as a real one, which decides whether a text message is one or two.
        "answer_path": f"/a/{NUMBER}-7.{'x' * 43}",
        "reply": f"{NUMBER}a" if texts_are_read() else "",
    }


def _times(now: datetime) -> dict[str, Any]:
    ends_at = now + timedelta(days=8)
    return {
        "starts_at": (now + timedelta(days=1)).isoformat(),
        "ends_at": ends_at.isoformat(),
    }


def _silence(now: datetime) -> dict[str, Any]:
    since = (now - timedelta(hours=26)).isoformat()
    return {"source": "Backup", "since": since, "allowed": "24 h", "has_spoken": True}


def _shift(now: datetime) -> dict[str, Any]:
    named = {"team": "Platform", "rotation": "primary", "hands_over": "bob"}
    return {**named, **_times(now), "open_path": "/calendar"}


def _previews(purpose: str, facts: dict[str, Any], reader: User, now: datetime) -> list[Preview]:
    """Kinds that show the same share one preview."""
    of_people = dict(person_channel_choices())
    found: dict[tuple[str, ...], tuple[list[str], Message]] = {}
    for kind, label in channel_choices():
        is_for_people = kind in of_people
        if not is_for_people and purpose in {Purpose.VERIFY, Purpose.GROWTH, Purpose.ASK_OWNER}:
            continue
        message = messages.render(
            _row(kind, purpose, facts, reader if is_for_people else None, now)
        )
        shown = (message.title, message.body, message.sms, message.html, _json(message))
        found.setdefault(shown, ([], message))[0].append(label)
    return [_preview(labels, message) for labels, message in found.values()]


def _preview(labels: list[str], message: Message) -> Preview:
    parts = gsm.parts(message.sms) if message.sms else 0
    return Preview(", ".join(labels), message, parts, _json(message))


def _json(message: Message) -> str:
    return json.dumps(message.event, indent=2, ensure_ascii=False) if message.event else ""


def _row(
    kind: str, purpose: str, facts: dict[str, Any], reader: User | None, now: datetime
) -> Notification:
    """Never stored. A room has no link that answers, as in earnest."""
    team = Team(name="Platform")
    room = None if reader else TeamChannel(team=team, name="#ops", channel=kind)
    context = facts if reader else {**facts, "answer_path": ""}
    return Notification(
        purpose=purpose,
        thread=f"incident:{NUMBER}",
        key="preview",
        context=context,
        user=reader,
        team_channel=room,
        channel=kind,
        due_at=now,
        created_at=now,
    )


def _bundle(name: str, reader: User, now: datetime) -> Sample:
    """Five messages in one; in earnest their answer is for exactly these."""
    previews = []
    purpose = BUNDLES[name]
    url = f"{settings.PAGERPAL_BASE_URL}/a/all-1.{'x' * 43}"
    for kind, label in person_channel_choices():
        rows = [_row(kind, purpose, one, reader, now) for one in _many(now)]
        message = bundles.say(rows, "preview", "" if purpose == Purpose.GROWTH else url)
        previews.append(_preview([label], message))
    return Sample(name, previews)


def _many(now: datetime) -> list[dict[str, Any]]:
    facts = _incident(now)
    return [facts | {"number": NUMBER + n, "title": f"Disk 96% full on db-{n}"} for n in range(5)]


def _storm(now: datetime) -> Sample:
    """What stands for many; counted in earnest from what was stored."""
    facts = _incident(now)
    told = [facts | {"event": "opened", "number": NUMBER + n} for n in range(37)]
    words = digests.say("ntfy", "Platform", told)
    message = Message("preview", "", words.title, "\n".join(words.lines))
    return Sample("Update: a storm", [Preview("all kinds", message)])
