"""The planner's rules, as plain values in and out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.planner import (
    INSIDE,
    OUTSIDE,
    WAITS,
    FirstDue,
    Phase,
    Planned,
    Policy,
    State,
    Step,
    plan,
)
from pagerpal.testing import NOON, at, minutes

ALICE, BOB, CAROL, LEAD, ADMIN = 1, 2, 3, 4, 5
NAMES = {ALICE: "alice", BOB: "bob", CAROL: "carol", LEAD: "lead", ADMIN: "admin"}
EVERYBODY = frozenset(NAMES)
PRIMARY = 70


def step(number: int, *people: int, **fields: Any) -> Step:
    return Step(id=number, delay=fields.pop("delay", minutes(5)), people=people, **fields)


def policy(*steps: Step, **fields: Any) -> Policy:
    values: dict[str, Any] = {"team": (ALICE, BOB, CAROL), "repeats": 1, "names": NAMES, **fields}
    return Policy(steps=steps, rotation_names={PRIMARY: "Platform: primary"}, **values)


def run(
    rules: Policy,
    state: State | None = None,
    now: datetime = NOON,
    *,
    on_call: int | None = ALICE,
    reachable: Collection[int] = EVERYBODY,
    limit: int = 1,
    first_due: FirstDue | None = None,
) -> list[Planned]:
    return plan(
        rules,
        state or State(),
        now,
        on_call=lambda rotation, moment: on_call,
        reachable=reachable,
        limit=limit,
        first_due=first_due,
    )


def calls(planned: list[Planned]) -> list[tuple[float, tuple[int, ...]]]:
    """(minutes after noon, people) of each."""
    return [((one.at - NOON) / minutes(1), one.people) for one in planned]


def test_steps_follow_each_other_after_their_delays() -> None:
    rules = policy(step(11, ALICE), step(12, BOB, delay=minutes(10)), step(13, CAROL))

    planned = run(rules, limit=3)

    assert calls(planned) == [(0, (ALICE,)), (5, (BOB,)), (15, (CAROL,))]


def test_a_step_pages_whoever_is_on_call_when_it_fires() -> None:
    rules = policy(Step(id=11, delay=minutes(5), rotations=(PRIMARY,)))

    assert run(rules, on_call=BOB)[0].people == (BOB,)
    assert run(rules, on_call=CAROL)[0].people == (CAROL,)


def test_an_empty_step_costs_no_time_and_says_why() -> None:
    rules = policy(Step(id=11, delay=minutes(5), rotations=(PRIMARY,)), step(12, BOB))

    planned = run(rules, on_call=None)[0]

    assert (planned.people, planned.at) == ((BOB,), NOON)
    assert planned.reasons == ("Step 1: nobody is on call in Platform: primary.",)


def test_a_person_without_a_working_contact_method_is_named_and_skipped() -> None:
    rules = policy(step(11, ALICE, BOB))

    planned = run(rules, reachable={BOB})[0]

    assert planned.people == (BOB,)
    assert planned.reasons == ("Step 1: alice has no working contact method.",)


def test_the_policy_repeats_no_sooner_than_its_pause_and_then_calls_the_whole_team() -> None:
    rules = policy(step(11, ALICE), repeats=1, repeat_after=minutes(15))

    planned = run(rules, limit=4)

    assert calls(planned) == [
        (0, (ALICE,)),
        (15, (ALICE,)),
        (30, (ALICE, BOB, CAROL)),
        (45, (ALICE, BOB, CAROL)),
    ]
    assert [one.round for one in planned] == [0, 1, 2, 3]


def test_a_long_policy_starts_its_next_round_when_its_last_step_is_over() -> None:
    rules = policy(step(11, ALICE, delay=minutes(20)), repeats=1, repeat_after=minutes(15))

    assert calls(run(rules, limit=2)) == [(0, (ALICE,)), (20, (ALICE,))]


def test_a_pass_that_reached_nobody_goes_to_fallback_people_then_leads_then_admins() -> None:
    rules = policy(step(11, ALICE), fallback=(CAROL,), leads=(LEAD,), admins=(ADMIN,))
    state = State(round_started_at=NOON, phase=Phase.AFTER, reached=False)

    first = run(rules, state, NOON + minutes(5))[0]
    second = run(rules, first.after, first.next_at)[0]
    third = run(rules, second.after, second.next_at)[0]

    assert [one.people for one in (first, second, third)] == [(CAROL,), (LEAD,), (ADMIN,)]
    assert first.nobody_reached


def test_fallback_people_leads_and_admins_follow_once_in_each_round() -> None:
    rules = policy(step(11, ALICE), fallback=(CAROL,), leads=(LEAD,), admins=(ADMIN,))
    state, now, called = State(), NOON, []
    while now < NOON + minutes(60):
        one = run(rules, state, now)[0]
        called.append((one.round, *one.people)) if one.people else None
        state, now = replace(one.after, reached=False), max(one.next_at, now + minutes(1))

    for number in (0, 1, 2):
        people = [person for round_, *people in called if round_ == number for person in people]
        assert people[-3:] == [CAROL, LEAD, ADMIN]
        assert people.count(LEAD) == people.count(ADMIN) == 1


def test_leads_are_not_called_once_a_fallback_person_was_reached() -> None:
    rules = policy(step(11, ALICE), fallback=(CAROL,), leads=(LEAD,))
    state = State(round_started_at=NOON, phase=Phase.LEADS, reached=True)

    planned = run(rules, state, NOON + minutes(10))[0]

    assert planned.people == ()
    assert planned.next_at == NOON + minutes(15)


def test_a_pass_that_reached_somebody_calls_no_fallback() -> None:
    rules = policy(step(11, ALICE), fallback=(CAROL,))
    state = State(round_started_at=NOON, phase=Phase.AFTER, reached=True)

    planned = run(rules, state, NOON + minutes(5))[0]

    assert planned.people == ()
    assert planned.next_at == NOON + minutes(15)
    assert not planned.nobody_reached


def test_an_empty_policy_pages_the_fallback_people_at_once_then_the_whole_team() -> None:
    rules = policy(fallback=(CAROL,))

    planned = run(rules, limit=2)

    assert calls(planned) == [(0, (CAROL,)), (15, (ALICE, BOB, CAROL))]


def test_with_nobody_at_all_it_waits_a_full_pause_and_tries_again() -> None:
    rules = policy(step(11, ALICE), fallback=(CAROL,))

    planned = run(rules, reachable=frozenset())[0]

    assert planned.people == ()
    assert planned.next_at == NOON + minutes(15)
    assert planned.nobody_reached
    assert "The leads: there are none." in planned.reasons


def test_a_step_that_is_gone_is_replaced_by_the_one_in_its_place() -> None:
    rules = policy(step(11, ALICE), step(13, CAROL))
    state = State(round_started_at=NOON, step_id=12, position=1)

    assert run(rules, state, NOON + minutes(5))[0].people == (CAROL,)


def test_a_moved_step_is_found_by_its_id() -> None:
    rules = policy(step(12, BOB), step(11, ALICE))
    state = State(round_started_at=NOON, step_id=12, position=1)

    planned = run(rules, state, NOON + minutes(5))[0]

    assert planned.people == (BOB,)
    assert planned.after.step_id == 11


def test_low_urgency_repeats_four_times_slower_and_in_team_hours_only() -> None:
    rules = policy(step(11, ALICE), repeat_after=minutes(15))
    friday_evening = at("2026-11-27 17:30")

    planned = run(rules, State(urgency="low"), friday_evening, limit=2)

    assert planned[0].at == friday_evening
    assert planned[1].at == at("2026-11-30 09:00")


def test_a_round_asked_for_by_hand_starts_at_once() -> None:
    rules = policy(step(11, ALICE), step(12, BOB))
    state = State(phase=Phase.ROUND, round=0, round_started_at=None, reached=True)

    planned = run(rules, state, NOON + minutes(6))[0]

    assert (planned.people, planned.round) == ((ALICE,), 1)


@pytest.mark.parametrize(
    ("urgency", "when", "called"),
    [
        ("high", "2026-11-23 12:00", (ALICE,)),  # Monday noon
        ("high", "2026-11-23 03:10", (BOB,)),
        ("low", "2026-11-23 12:00", (CAROL,)),
        ("high", "2026-11-28 12:00", (BOB,)),  # Saturday
    ],
)
def test_a_step_applies_to_its_urgency_and_hours_only(
    urgency: str, when: str, called: tuple[int, ...]
) -> None:
    rules = policy(
        step(11, ALICE, only_urgency="high", only_hours=INSIDE),
        step(12, BOB, only_urgency="high", only_hours=OUTSIDE),
        step(13, CAROL, only_urgency="low"),
    )

    assert run(rules, State(urgency=urgency), at(when))[0].people == called


def test_a_step_that_does_not_apply_costs_no_time_and_says_why() -> None:
    rules = policy(step(11, ALICE, only_urgency="low"), step(12, BOB))

    planned = run(rules)[0]

    assert (planned.people, planned.at) == ((BOB,), NOON)
    assert planned.reasons == ("Step 1: it is only for low urgency.",)


def test_hours_are_looked_up_when_a_step_fires() -> None:
    rules = policy(step(11, ALICE), step(12, BOB, only_hours=INSIDE), step(13, CAROL))

    planned = run(rules, now=at("2026-11-23 17:57"), limit=2)

    assert [one.people for one in planned] == [(ALICE,), (CAROL,)]


def test_high_urgency_waits_for_no_hours_and_calls_the_fallback_people() -> None:
    rules = policy(step(11, ALICE, only_hours=INSIDE), fallback=(CAROL,))

    planned = run(rules, now=at("2026-11-23 03:10"))[0]

    assert planned.people == (CAROL,)
    assert planned.reasons == ("Step 1: it is only in team hours.",)


def test_low_urgency_waits_until_a_step_applies_instead_of_waking_fallback_people() -> None:
    rules = policy(step(11, ALICE, only_hours=INSIDE), fallback=(CAROL,))
    night = at("2026-11-28 03:10")

    waiting, called = run(rules, State(urgency="low"), night, limit=2)

    assert (waiting.people, waiting.reasons) == ((), (WAITS,))
    assert (called.at, called.people) == (at("2026-11-30 09:00"), (ALICE,))


def test_whoever_asks_for_the_next_step_while_it_waits_for_hours_gets_somebody() -> None:
    rules = policy(step(11, ALICE, only_hours=INSIDE), fallback=(CAROL,))
    night = at("2026-11-28 03:10")
    waiting = run(rules, State(urgency="low"), night)[0]

    assert run(rules, waiting.after, night + minutes(1))[0].people == (CAROL,)


def test_low_urgency_waits_for_no_hours_that_would_not_help() -> None:
    rules = policy(step(11, ALICE, only_urgency="high", only_hours=INSIDE), fallback=(CAROL,))

    planned = run(rules, State(urgency="low"), at("2026-11-28 03:10"))[0]

    assert planned.people == (CAROL,)


def test_a_pass_is_over_before_whoever_is_called_late_was_reached() -> None:
    rules = policy(step(11, ALICE), fallback=(CAROL,))

    planned = run(rules, limit=2, first_due=lambda person, moment: moment + minutes(6))

    assert calls(planned) == [(0, (ALICE,)), (5, (CAROL,))]


def test_the_time_of_a_step_of_low_urgency_counts_from_its_first_message() -> None:
    rules = policy(step(11, ALICE), step(12, BOB))
    due = {ALICE: NOON + minutes(45), BOB: NOON}

    planned = run(
        rules, State(urgency="low"), limit=2, first_due=lambda person, moment: due[person]
    )

    assert calls(planned) == [(0, (ALICE,)), (50, (BOB,))]


@given(
    steps=st.lists(st.lists(st.integers(1, 3), max_size=3), max_size=4),
    reachable=st.sets(st.integers(1, 5)),
    reached=st.booleans(),
    phase=st.sampled_from(list(Phase)),
    hours=st.sampled_from(["", INSIDE, OUTSIDE]),
    position=st.integers(0, 6),
    repeats=st.integers(0, 3),
    urgency=st.sampled_from(["high", "low"]),
)
def test_the_clock_always_goes_on_and_only_reachable_people_are_called(
    steps: list[list[int]],
    reachable: set[int],
    reached: bool,
    phase: Phase,
    hours: str,
    position: int,
    repeats: int,
    urgency: str,
) -> None:
    rows = tuple(step(10 + place, *people, only_hours=hours) for place, people in enumerate(steps))
    rules = policy(*rows, repeats=repeats, leads=(LEAD,), admins=(ADMIN,), fallback=(CAROL,))
    state = State(urgency, 1, NOON - minutes(3), phase, None, position, reached)

    for one in run(rules, state, reachable=reachable, limit=6):
        assert one.next_at > one.at
        assert set(one.people) <= reachable


def test_no_delay_at_all_still_ends_a_pass() -> None:
    rules = policy(*(replace(step(number, ALICE), delay=timedelta(0)) for number in (11, 12)))

    assert calls(run(rules, limit=3)) == [(0, (ALICE,)), (0, (ALICE,)), (15, (ALICE,))]
