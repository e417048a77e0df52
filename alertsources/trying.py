"""Tries a source out: its kind's own example is taken in as if its sender had sent it.

So the whole way is proven, from the parser to the phone. What opens is labelled TEST, counts in no
figure and ends by itself after a quarter of an hour.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from django.urls import reverse
from django.utils.html import format_html

from alertsources import grouping, intake, reading
from alertsources.cleaning import CleanAlert
from alertsources.holding import TEST_FOR
from alertsources.intake import Delivery, Taken
from alertsources.models import AlertSource
from alertsources.sources.base import registry
from schedules.models import User

# Two taps in a hurry are one test.
IN_HASTE = 10


class NotTried(Exception):
    """The test was not made; its text is one sentence that says why."""


def try_out(source: AlertSource, by: User, *, runs_policy: bool, now: datetime) -> Taken:
    """Take a test alert in, which pages only `by`, or runs the policy as a real alert would.

    With the policy, rules, silences and waiting hold as for a real alert too; what is taken says
    so. Raises NotTried.
    """
    if not source.is_active:
        raise NotTried(f"{source.name} is switched off: what it sends is refused.")
    if source.kind not in registry:
        raise NotTried(f"The kind of {source.name}, {source.kind}, is not installed.")
    body = example_of(source.kind).encode()
    read = reading.read(body, source, kind=source.kind, otherwise="generic", now=now)
    firing = [alert for alert in read.alerts if alert.is_firing]
    if not firing:
        raise NotTried(
            f"As {source.name} reads the example of its kind, nothing in it fires: "
            "look at how its messages are read."
        )
    delivery = Delivery(
        source,
        body,
        as_tests(firing, by, runs_policy=runs_policy, now=now),
        source.policy_in_force(),
        "application/json",
        troubles=read.troubles,
        notes=read.remarks,
        is_test=True,
    )
    return intake.take(delivery, now=now)


def in_words(taken: Taken, *, runs_policy: bool) -> str:
    """What became of a test, for whoever made it, with the way to its incident."""
    if not taken.incidents:
        return f"The test opened no incident: {taken.note}"
    number = taken.incidents[0]
    return format_html(
        '<a href="{}">TEST #{}</a> is open and {}. It ends by itself in {} minutes.',
        *(reverse("incidents:detail", args=[number]), number),
        *("runs the policy" if runs_policy else "pages you only", TEST_FOR.seconds // 60),
    )


def example_of(kind: str) -> str:
    """A message of this kind, as JSON."""
    return json.dumps(registry[kind].example, ensure_ascii=False, indent=2)


def as_tests(
    alerts: list[CleanAlert], by: User, *, runs_policy: bool = False, now: datetime
) -> list[CleanAlert]:
    """The firing alerts of one message as one test, with a group of its own."""
    return [_as_test(alert, alerts[0], by, runs_policy, now) for alert in alerts]


def _as_test(
    alert: CleanAlert, first: CleanAlert, by: User, runs_policy: bool, now: datetime
) -> CleanAlert:
    """With a key and group of its own, so that it meets neither real alerts nor older tests."""
    source_key, when = first.live_key, int(now.timestamp()) // IN_HASTE
    group = grouping.digest(source_key, "trial", by.pk, runs_policy, when)
    live_key = grouping.digest(group, alert.live_key)
    return replace(
        alert,
        key=f"trial {live_key[:16]}",
        live_key=live_key,
        group="",
        group_digest=group,
        sender_group="",
        started_at=None,
        occurred_at=None,
        note=f"{by} tries the source out. {alert.note}".strip(),
        is_test=True,
        is_record_only=False,
        is_always_news=False,
        pages_only=None if runs_policy else by,
        runs_policy=runs_policy,
    )
