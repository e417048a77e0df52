"""An incident of low urgency in the night of whoever is on call."""

from __future__ import annotations

from datetime import time

import pytest

from notifications.channels.base import SendError
from pagerpal.testing import (
    Recorder,
    at,
    make_incident,
    make_policy,
    make_team,
    make_user,
    minutes,
    run_worker,
)

pytestmark = pytest.mark.django_db
NIGHT, MORNING = at("2026-11-24 01:00"), at("2026-11-24 06:00")


def test_the_night_uses_up_no_step_and_nobody_counts_as_not_reached(recorder: Recorder) -> None:
    alice = make_user("alice", quiet_from=time(21), quiet_until=time(6))
    team = make_team("Platform", alice, make_user("bob"))
    policy = make_policy(team, alice, "team")
    incident = make_incident(team, policy=policy, now=NIGHT, severity="warning", urgency="low")

    run_worker(NIGHT)
    incident.refresh_from_db()
    waits = incident.escalate_at, incident.nobody_reached_at
    recorder.expect_none()
    run_worker(MORNING)

    recorder.take("topic-alice")
    assert waits == (MORNING + minutes(5), None)


def test_who_is_put_off_is_not_somebody_who_cannot_be_reached(recorder: Recorder) -> None:
    alice = make_user("alice", quiet_from=time(21), quiet_until=time(6))
    bob = make_user("bob", ntfy=False, email=True)
    team = make_team("Platform", alice, bob, leads=(make_user("lead"),))
    policy = make_policy(team, [alice, bob])
    incident = make_incident(team, policy=policy, now=NIGHT, severity="warning", urgency="low")
    recorder.broken["email"] = SendError("mailbox full", permanent=True)

    run_worker(NIGHT)
    run_worker(NIGHT + minutes(5))

    recorder.expect_none()
    incident.refresh_from_db()
    assert incident.nobody_reached_at is None
    texts = incident.timeline.values_list("text", flat=True)
    assert "alice has quiet hours, and is called when they end." in texts


def test_a_message_names_the_time_of_the_next_call_as_quiet_hours_make_it(
    recorder: Recorder,
) -> None:
    alice = make_user("alice", quiet_from=time(21), quiet_until=time(6))
    team = make_team("Platform", alice, make_user("bob"))
    policy = make_policy(team, alice, "team")
    make_incident(team, policy=policy, now=NIGHT, severity="warning", urgency="low")

    run_worker(NIGHT)
    run_worker(MORNING)

    assert "06:05" in recorder.take("topic-alice").body
