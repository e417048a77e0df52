"""Random lives of incidents: acts, alerts, steps of the clock, edits and leavers in any order.

`lives` says how to make it longer.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from django.db import transaction
from django.db.models import F, Q
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from incidents import calling, lifecycle
from incidents.forecast import forecast
from incidents.health import health
from incidents.lifecycle import Actor, Moved, Opening, Refused, look_again, urgency_of
from incidents.models import EscalationPolicy, Incident, Severity
from incidents.tests.lives import run_lives
from notifications.channels.base import Message, SendError
from notifications.models import UNFINISHED, ContactMethod, Notification, NotificationRule
from pagerpal.testing import (
    NOON,
    Recorder,
    make_admin,
    make_policy,
    make_rotation,
    make_team,
    make_user,
    minutes,
    run_worker,
)
from schedules.models import Override, User
from schedules.people import switch_off

NAMES = st.sampled_from(["alice", "bob", "carol"])
SEVERITIES = st.sampled_from(Severity.values)
PLACE = st.integers(0, 3)
MOST_OPEN = 4

Kept = Notification.objects.filter
PAGING = Q(purpose="page", state__in=UNFINISHED, cancelled_at__isnull=True)


class Life(RuleBasedStateMachine):
    """One team, its policy and its incidents, with a clock that only the rules move."""

    recorder: ClassVar[Recorder]

    def __init__(self) -> None:
        super().__init__()
        self.world = transaction.atomic()
        self.world.__enter__()
        self.recorder.broken.clear()
        self.recorder.on_send = self.look_at_what_is_sent
        self.now = NOON

    def teardown(self) -> None:
        self.recorder.take_all()
        transaction.set_rollback(True)
        self.world.__exit__(None, None, None)

    @initialize(quiet=st.booleans(), repeats=st.integers(0, 2), condition=st.booleans())
    def begin(self, quiet: bool, repeats: int, condition: bool) -> None:
        hours: dict[str, Any] = {"quiet_from": "13:00", "quiet_until": "15:00"} if quiet else {}
        alice, bob = (
            make_user("alice", email=True, **hours),
            make_user("bob", ntfy=False, email=True),
        )
        carol = make_user("carol", ntfy=False, email=True)
        alice.refresh_from_db()
        ContactMethod.objects.filter(channel="ntfy").update(is_on=False)
        self.root = make_admin()
        self.people = {"alice": alice, "bob": bob, "carol": carol}
        self.team = make_team("Platform", alice, bob, leads=(carol,))
        self.rotation = make_rotation(self.team, alice, bob, unit="hours", every=1)
        self.policy = make_policy(self.team, self.rotation, bob, "team", repeats=repeats)
        if condition:
            self.policy.steps.filter(position=1).update(only_hours="in", only_urgency="low")

    # What monitors and people do

    @rule(severity=SEVERITIES)
    def a_problem_begins(self, severity: str) -> None:
        if Incident.objects.open().count() < MOST_OPEN:
            policy = EscalationPolicy.objects.filter(team=self.team).first()
            opening = Opening(
                self.team,
                "Disk full",
                severity=severity,
                urgency=urgency_of(severity),
                policy=policy,
            )
            lifecycle.open_incident(opening, now=self.now)

    @rule(place=PLACE, severity=SEVERITIES)
    def an_alert_joins(self, place: int, severity: str) -> None:
        for incident in self.pick(place, Incident.objects.open()):
            locked = Incident.objects.select_for_update(no_key=True).get(pk=incident.pk)
            lifecycle.join(
                locked,
                title="More",
                severity=severity,
                urgency=urgency_of(severity),
                is_new=True,
                now=self.now,
            )

    @rule(
        place=PLACE,
        name=NAMES,
        word=st.sampled_from(
            ["acknowledge", "resolve", "reopen", "escalate_now", "unacknowledge", "take_over"]
        ),
    )
    def somebody_acts(self, place: int, name: str, word: str) -> None:
        for incident in self.pick(place):
            self.tried(getattr(lifecycle, word), incident.pk, self.actor(name))

    @rule(place=PLACE, name=NAMES, length=st.sampled_from([1, 30]), snoozes=st.booleans())
    def somebody_promises(self, place: int, name: str, length: int, snoozes: bool) -> None:
        for incident in self.pick(place):
            if snoozes:
                until = self.now + minutes(length)
                self.tried(lifecycle.snooze, incident.pk, self.actor(name), until)
            else:
                promise = look_again(minutes(length), self.now)
                self.tried(lifecycle.acknowledge, incident.pk, self.actor(name), promise=promise)

    @rule(place=PLACE, name=NAMES, severity=SEVERITIES)
    def somebody_judges(self, place: int, name: str, severity: str) -> None:
        for incident in self.pick(place):
            self.tried(lifecycle.change_severity, incident.pk, self.actor(name), severity)

    @rule(place=PLACE, other=PLACE, name=NAMES)
    def somebody_merges(self, place: int, other: int, name: str) -> None:
        for incident in self.pick(place):
            for into in self.pick(other):
                self.tried(lifecycle.merge, incident.pk, into.pk, self.actor(name))

    @rule(place=PLACE, name=NAMES, to=NAMES, gives=st.booleans())
    def somebody_calls_or_gives(self, place: int, name: str, to: str, gives: bool) -> None:
        for incident in self.pick(place):
            if gives:
                self.tried(calling.reassign, incident.pk, self.actor(name), self.person(to))
            else:
                self.tried(calling.page_people, incident.pk, self.actor(name), [self.person(to)])

    @rule(place=PLACE, name=NAMES)
    def somebody_splits(self, place: int, name: str) -> None:
        for incident in self.pick(place, Incident.objects.filter(merged_into__isnull=False)):
            self.tried(lifecycle.split, incident.pk, self.actor(name))

    # What is edited meanwhile

    @rule(
        place=PLACE, delay=st.sampled_from([0, 1, 60]), hours=st.sampled_from(["", "in", "outside"])
    )
    def a_step_is_edited(self, place: int, delay: int, hours: str) -> None:
        for step in self.pick(place, self.steps()):
            self.steps().filter(pk=step.pk).update(
                delay=minutes(delay), only_hours=hours, position=F("position") + place
            )

    @rule(place=PLACE)
    def a_step_is_deleted(self, place: int) -> None:
        for step in self.pick(place, self.steps()):
            step.delete()

    @rule()
    def the_policy_is_deleted(self) -> None:
        EscalationPolicy.objects.filter(team=self.team).delete()

    @rule(name=st.one_of(st.none(), NAMES), length=st.sampled_from([5, 90]))
    def somebody_covers(self, name: str | None, length: int) -> None:
        Override.objects.create(
            rotation=self.rotation,
            user=self.people[name] if name else None,
            starts_at=self.now,
            ends_at=self.now + minutes(length),
        )

    @rule(name=NAMES)
    def somebody_leaves(self, name: str) -> None:
        switch_off(self.person(name), by=self.root, now=self.now)

    @rule(name=NAMES, is_on=st.booleans(), delay=st.sampled_from([0, 2, 20]))
    def somebody_changes_how_to_be_reached(self, name: str, is_on: bool, delay: int) -> None:
        methods = ContactMethod.objects.filter(user=self.people[name])
        methods.update(is_on=is_on)
        for method in methods:
            NotificationRule.objects.get_or_create(
                user=method.user, contact_method=method, urgency="high", delay=minutes(delay)
            )

    @rule(broken=st.booleans(), is_permanent=st.booleans())
    def a_provider_breaks_or_is_mended(self, broken: bool, is_permanent: bool) -> None:
        self.recorder.broken.clear()
        if broken:
            self.recorder.broken["email"] = SendError("mailbox full", permanent=is_permanent)

    # Time

    @rule(length=st.sampled_from([0, 1, 5, 15, 60, 600]))
    def time_passes(self, length: int) -> None:
        self.now += minutes(length)
        run_worker(self.now)
        assert not Incident.objects.due(self.now).exists(), "a due incident was left alone"

    # What always holds

    @invariant()
    def nothing_unfinished_pages_for_what_is_answered_or_over(self) -> None:
        answered = Incident.objects.exclude(state="triggered")
        threads = [incident.thread for incident in answered]
        assert not Kept(PAGING, thread__in=threads).exists()

    @invariant()
    def nothing_of_an_older_episode_is_still_to_be_sent(self) -> None:
        for incident in Incident.objects.unanswered():
            older = incident.pages.filter(episode__lt=incident.episode)
            refs = [page.ref for page in older]
            assert not Kept(PAGING, ref__in=refs).exists()

    @invariant()
    def what_nobody_has_goes_on_or_says_why_not(self) -> None:
        for incident in Incident.objects.unanswered().exclude(urgency="none"):
            assert incident.escalate_at is not None
            assert incident.planning_failed_at is None
            if not forecast(incident, self.now) and incident.escalate_at > self.now:
                assert incident.timeline.filter(kind__in=["not_paged", "trouble"]).exists()

    @invariant()
    def health_sees_no_contradiction(self) -> None:
        assert health(self.now) == []

    def look_at_what_is_sent(self, message: Message) -> None:
        pages = Kept(purpose="page", state="sending", thread=message.thread)
        if pages.filter(key=message.key).exists():
            incident = Incident.objects.get(pk=int(message.thread.partition(":")[2]))
            assert incident.state == "triggered", "a page for what is answered"

    # In short

    def pick(self, place: int, rows: Any = None) -> list[Any]:
        """One of them, or none where there is none."""
        found = list((Incident.objects.all() if rows is None else rows).order_by("pk"))
        return [found[place % len(found)]] if found else []

    def steps(self) -> Any:
        return self.policy.steps.all()

    def person(self, name: str) -> User:
        return User.objects.get(pk=self.people[name].pk)

    def actor(self, name: str) -> Actor:
        return Actor.person(self.person(name), "page")

    def tried(self, act: Any, *args: Any, **fields: Any) -> Moved | None:
        try:
            moved: Moved = act(*args, now=self.now, **fields)
        except Refused:
            return None
        return moved


@pytest.mark.django_db
def test_no_life_of_an_incident_breaks_the_rules(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    Life.recorder = recorder

    run_lives(Life, caplog, steps=14)
