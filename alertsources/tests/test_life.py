"""Random lives of alerts: posts of two groups, humans, silences and the clock in any order.

`lives` says how to make it longer.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from alertsources import looking
from alertsources.intake import Delivery, take
from alertsources.models import Alert, OpenGroup, Silence
from alertsources.reading import read
from incidents import lifecycle
from incidents.health import health
from incidents.lifecycle import Actor, Refused
from incidents.models import Incident
from incidents.tests.lives import run_lives
from pagerpal.testing import NOON, make_source, make_team, make_user, minutes

KEYS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True)
GROUPS = st.sampled_from(["db", "web"])
PLACE = st.integers(0, 3)

Firing = Alert.objects.firing


class Life(RuleBasedStateMachine):
    """One source, six alerts in two groups, one responder, and a clock that only the rules move."""

    def __init__(self) -> None:
        super().__init__()
        self.world = transaction.atomic()
        # Like a test's own: what is durable may begin in it.
        self.world._from_testcase = True  # type: ignore[attr-defined]
        self.world.__enter__()
        self.now = NOON
        # When each fired last, by its sender's clock; incidents that a human brought back.
        self.started: dict[str, str] = {}
        self.kept_open: set[int] = set()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.world.__exit__(None, None, None)

    @initialize(waits=st.sampled_from([None, 2]), ends=st.sampled_from([None, 30]))
    def begin(self, waits: int | None, ends: int | None) -> None:
        alice = make_user("alice")
        self.team = make_team("Platform", alice)
        self.by = Actor.person(alice, "page")
        self.source = make_source(
            self.team,
            name="prod",
            wait_for=waits and minutes(waits),
            auto_resolve_after=ends and minutes(ends),
        )

    # What the monitor sends

    @rule(group=GROUPS, keys=KEYS, anew=st.booleans(), word=st.sampled_from(["critical", "info"]))
    def alerts_fire(self, group: str, keys: str, anew: bool, word: str) -> None:
        for key in keys:
            if anew or group + key not in self.started:
                self.started[group + key] = self.now.isoformat()
        self.post(group, keys, "firing", word)

    @rule(group=GROUPS, keys=KEYS)
    def alerts_end(self, group: str, keys: str) -> None:
        self.post(group, keys, "resolved", "critical")

    # What people do

    @rule(place=PLACE, word=st.sampled_from(["acknowledge", "resolve", "reopen", "unacknowledge"]))
    def somebody_acts(self, place: int, word: str) -> None:
        for incident in self.pick(place):
            if self.tried(getattr(lifecycle, word), incident.pk) and word == "reopen":
                self.kept_open.add(incident.pk)

    @rule(place=PLACE, other=PLACE)
    def somebody_merges(self, place: int, other: int) -> None:
        for incident in self.pick(place):
            for into in self.pick(other):
                self.tried(lifecycle.merge, incident.pk, into.pk)

    @rule(place=PLACE)
    def somebody_splits(self, place: int) -> None:
        for incident in self.pick(place, Incident.objects.filter(merged_into__isnull=False)):
            both = {incident.pk, incident.merged_into_id or 0}
            if self.tried(lifecycle.split, incident.pk):
                self.kept_open |= both

    @rule(length=st.sampled_from([1, 45]))
    def somebody_silences(self, length: int) -> None:
        Silence.objects.create(
            team=self.team,
            reason="deploying",
            starts_at=self.now,
            ends_at=self.now + minutes(length),
        )

    # Time

    @rule(length=st.sampled_from([1, 5, 60]))
    def time_passes(self, length: int) -> None:
        self.now += minutes(length)
        for _ in range(50):
            if not looking.look_again(self.now):
                return
        raise AssertionError("alerts that are looked at without end")

    # What always holds

    @invariant()
    def what_fires_is_somebodys_or_says_why_not(self) -> None:
        for alert in Firing():
            is_open = alert.incident is not None and alert.incident.is_open
            if alert.severity != "info":
                assert is_open or alert.answered_at or alert.muted_reason, alert.key

    @invariant()
    def nothing_fires_unanswered_in_what_is_over(self) -> None:
        assert not Firing().filter(incident__state="resolved", answered_at=None).exists()

    @invariant()
    def only_open_incidents_collect(self) -> None:
        assert not OpenGroup.objects.filter(incident__state="resolved").exists()

    @invariant()
    def what_the_monitor_has_ended_is_over(self) -> None:
        burning = Firing().filter(answered_at=None).values("incident")
        left = Incident.objects.open().exclude(pk__in=burning).exclude(pk__in=self.kept_open)
        assert not [one for one in left if not one.open_groups.filter(look_at__gt=self.now)]

    @invariant()
    def health_sees_no_contradiction(self) -> None:
        assert health(self.now - timedelta(days=1)) == []

    # In short

    def post(self, group: str, keys: str, status: str, severity: str) -> None:
        alerts = [
            {
                "status": status,
                "fingerprint": group + key,
                "labels": {"alertname": key, "severity": severity},
                "startsAt": self.started.get(group + key, NOON.isoformat()),
                "endsAt": self.now.isoformat(),
            }
            for key in keys
        ]
        raw = json.dumps({"groupKey": group, "alerts": alerts}).encode()
        found = read(raw, self.source, kind="alertmanager", now=self.now)
        take(Delivery(self.source, raw, found.alerts, troubles=found.troubles), now=self.now)

    def pick(self, place: int, rows: Any = None) -> list[Incident]:
        found = list((Incident.objects.all() if rows is None else rows).order_by("pk"))
        return [found[place % len(found)]] if found else []

    def tried(self, act: Any, *args: Any) -> bool:
        try:
            return bool(act(*args, self.by, now=self.now).changed)
        except Refused:
            return False


@pytest.mark.django_db
def test_no_life_of_an_alert_breaks_the_rules(caplog: pytest.LogCaptureFixture) -> None:
    run_lives(Life, caplog, steps=16)
