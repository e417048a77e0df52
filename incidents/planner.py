"""Whom to page next and when: pure functions of a policy, where an incident stands, and the time.

The engine pages by it and the pages predict by it, so what is predicted is what happens.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from enum import StrEnum

from schedules.shifts import Window, opening

# How long fallback people, leads and admins each have before the next of them are called.
FALLBACK_WAIT = timedelta(minutes=5)
# The wait after the whole team was called, before PagerPal looks whether that reached anybody.
TEAM_WAIT = timedelta(minutes=5)
LOW_URGENCY_SLOWER = 4
INSIDE, OUTSIDE = "in", "outside"
TEAM = "team"
WAITS = "No step applies at this hour: low urgency waits until one does."

OnCall = Callable[[int, datetime], int | None]
# When the first message of a page to this person, written at this moment, would go out.
FirstDue = Callable[[int, datetime], datetime]


class Phase(StrEnum):
    """Where in a round an incident is: what its clock stands for."""

    HOURS = "hours"  # no rung applies yet: wait until team hours begin or end
    STEP = "step"  # a rung of the policy, or the whole team once the policy is used up
    AFTER = "after"  # all rungs were called; did that reach anybody?
    FALLBACK = "fallback"
    LEADS = "leads"
    ADMINS = "admins"
    ROUND = "round"  # wait for the next round


@dataclass(frozen=True)
class Step:
    """One rung: rotations, people and team channels by id, and how long it has.

    It applies to one urgency only, and in or outside team hours only, where it says so.
    """

    id: int
    delay: timedelta
    rotations: tuple[int, ...] = ()
    people: tuple[int, ...] = ()
    whole_team: bool = False
    channels: tuple[int, ...] = ()
    only_urgency: str = ""
    only_hours: str = ""

    @property
    def names_people(self) -> bool:
        return bool(self.rotations or self.people or self.whole_team)


@dataclass(frozen=True)
class Hours:
    """Team hours: stretches of the week by the clock of the team's zone; none: always."""

    windows: tuple[Window, ...] = (Window(frozenset(range(5)), time(9), time(18)),)
    zone: str = "UTC"

    def hold(self, moment: datetime) -> bool:
        found = opening(self.windows, self.zone, moment)
        return found is None or found[0] <= moment

    def opening(self, moment: datetime) -> datetime:
        """The moment itself within them, else when they begin."""
        found = opening(self.windows, self.zone, moment)
        return max(found[0], moment) if found else moment

    def next_change(self, moment: datetime) -> datetime | None:
        """When they begin or end next; None if they never do."""
        found = opening(self.windows, self.zone, moment)
        return next((edge for edge in found or () if edge > moment), None)


@dataclass(frozen=True)
class Policy:
    """A policy and the team around it, as plain values."""

    steps: tuple[Step, ...] = ()
    repeats: int = 0
    repeat_after: timedelta = timedelta(minutes=15)
    team: tuple[int, ...] = ()
    fallback: tuple[int, ...] = ()
    leads: tuple[int, ...] = ()
    admins: tuple[int, ...] = ()
    hours: Hours = field(default_factory=Hours)
    rotation_names: dict[int, str] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    channel_names: dict[int, str] = field(default_factory=dict)
    channels_on: frozenset[int] = frozenset()


@dataclass(frozen=True)
class State:
    """Where an incident stands.

    `reached`: a notification of this round was taken by a provider or held. `step_id` is the rung
    to call next; `position` is where it stood, for when it is gone.
    """

    urgency: str = "high"
    round: int = 0
    round_started_at: datetime | None = None
    phase: str = Phase.STEP
    step_id: int | None = None
    position: int = 0
    reached: bool = False


@dataclass(frozen=True)
class Planned:
    """What to do at `at`: page `people`, tell `channels` (neither: only wait), write down
    `reasons`, then wait."""

    at: datetime
    round: int
    step: str
    label: str
    people: tuple[int, ...]
    reasons: tuple[str, ...]
    after: State
    next_at: datetime
    nobody_reached: bool = False
    channels: tuple[int, ...] = ()


def plan(
    policy: Policy,
    state: State,
    now: datetime,
    *,
    on_call: OnCall,
    reachable: Collection[int],
    limit: int = 1,
    first_due: FirstDue | None = None,
    unsent: datetime | None = None,
) -> list[Planned]:
    """What happens at `now` and after it if nobody answers: at most `limit` calls of people.

    The first element is what the engine does now, also when it pages nobody. The later ones
    assume that whoever is called is reached by their first message, when `first_due` says that it
    goes out (without it: at once); `unsent` is when the first one of this round does that still
    waits. A channel is told, but nobody is reached by it, and it uses up a rung's time only where
    the rung names nobody to page.
    """
    planned: list[Planned] = []
    due = first_due or _at_once
    if unsent is not None and unsent < now:
        state = replace(state, reached=True)
    for one in _following_ticks(policy, state, now, on_call, reachable, due, unsent):
        if not planned or one.people or one.channels:
            planned.append(one)
        if len(planned) >= limit:
            break
    return planned


def clock_of(planned: Planned, earliest_due: datetime | None) -> datetime:
    """When the time of what was planned is used up, given when the first of its messages is due.

    Low urgency counts from that message: quiet hours do not run the step's time down.
    """
    if planned.after.urgency != "low" or earliest_due is None:
        return planned.next_at
    return planned.next_at + max(timedelta(0), earliest_due - planned.at)


def _at_once(person: int, at: datetime) -> datetime:
    return at


def _following_ticks(
    policy: Policy,
    state: State,
    now: datetime,
    on_call: OnCall,
    reachable: Collection[int],
    first_due: FirstDue,
    unsent: datetime | None,
) -> Iterator[Planned]:
    # Far more ticks than any forecast shows: bounds a team in which nobody can be reached.
    for _ in range(50):
        one = _tick(policy, state, now, on_call, reachable)
        yield one
        if one.round != state.round:
            unsent = None
        due = min((first_due(person, one.at) for person in one.people), default=None)
        unsent = min((at for at in (unsent, due) if at is not None), default=None)
        now = clock_of(one, due)
        # Who waits for the end of quiet hours counts as reached.
        is_low = one.after.urgency == "low"
        taken = unsent is not None and (is_low or unsent <= one.at or unsent < now)
        state = replace(one.after, reached=one.after.reached or taken)


def _tick(
    policy: Policy, state: State, now: datetime, on_call: OnCall, reachable: Collection[int]
) -> Planned:
    """One tick of the clock: wait for the hours in which a step applies, or call somebody."""
    if applies_at := _waits_until(policy, state, now):
        waiting = replace(state, phase=Phase.HOURS)
        return Planned(now, state.round, "", "", (), (WAITS,), waiting, applies_at)
    return _first_call(policy, _begun(state, now), now, on_call, reachable)


def _begun(state: State, now: datetime) -> State:
    phase = Phase.STEP if state.phase == Phase.HOURS else state.phase
    starts = state.round_started_at is None and phase == Phase.STEP
    return replace(state, phase=phase, round_started_at=now if starts else state.round_started_at)


def _first_call(
    policy: Policy, state: State, now: datetime, on_call: OnCall, reachable: Collection[int]
) -> Planned:
    """Skip what is empty, until somebody can be called or all is done."""
    reasons: list[str] = []
    nobody_reached = False
    while True:
        if state.phase == Phase.ROUND:
            starts_at = _next_round_at(policy, state, now)
            if starts_at > now:
                return Planned(
                    now, state.round, "", "", (), tuple(reasons), state, starts_at, nobody_reached
                )
            state = _new_round(state, now)
        call = _call(policy, state, now, on_call)
        if call is None:
            nobody_reached = nobody_reached or not state.reached
            state = _after_the_steps(state)
            continue
        people = tuple(person for person in call.people if person in reachable)
        channels = tuple(one for one in call.channels if one in policy.channels_on)
        reasons += call.reasons
        reasons += _unreachable(policy, call, people)
        if people or channels:
            return Planned(
                now,
                state.round,
                call.step,
                call.label,
                people,
                tuple(reasons),
                call.after,
                now + call.wait if people or not call.names_people else now,
                nobody_reached,
                channels,
            )
        state = call.after


@dataclass(frozen=True)
class _Call:
    step: str
    label: str
    people: tuple[int, ...]
    wait: timedelta
    after: State
    reasons: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()
    names_people: bool = True


def _call(policy: Policy, state: State, now: datetime, on_call: OnCall) -> _Call | None:
    """Whom the present phase calls; None when the rungs are used up."""
    if state.phase in _FALLBACK_PHASES:
        return None if state.reached else _fallback_call(policy, state)
    if state.phase != Phase.STEP:
        return None
    if is_team_round(policy, state.round):
        return _team_call(policy, replace(state, phase=Phase.AFTER))
    place = _place(policy, state)
    if place is None:
        return None
    step = policy.steps[place]
    if unmet := _unmet(policy, step, state.urgency, now):
        following = _next_step(policy, state, place)
        reason = f"Step {place + 1}: it is {unmet}."
        return _Call(str(step.id), f"step {place + 1}", (), step.delay, following, (reason,))
    people, reasons = _step_people(policy, step, place, now, on_call)
    return _Call(
        str(step.id),
        f"step {place + 1}",
        people,
        step.delay,
        _next_step(policy, state, place),
        reasons,
        step.channels,
        step.names_people,
    )


def _unmet(policy: Policy, step: Step, urgency: str, at: datetime) -> str:
    """The condition that keeps this rung from being called, in words; empty: it applies."""
    if step.only_urgency not in {"", urgency}:
        return f"only for {step.only_urgency} urgency"
    if step.only_hours and policy.hours.hold(at) != (step.only_hours == INSIDE):
        return "only in team hours" if step.only_hours == INSIDE else "only outside team hours"
    return ""


def _waits_until(policy: Policy, state: State, now: datetime) -> datetime | None:
    """When low urgency that has called nobody yet finds a rung that applies; None: go on now.

    Without this the fallback people would be paged in the night for what was to wait for the
    morning. It waits once: whoever asks for the next step by hand does not wait again.
    """
    is_new = state.round_started_at is None and state.round == 0 and state.step_id is None
    if state.urgency != "low" or state.phase != Phase.STEP or not is_new or state.position:
        return None
    change = policy.hours.next_change(now)
    if change is None or any(not _unmet(policy, one, "low", now) for one in policy.steps):
        return None
    then = any(not _unmet(policy, one, "low", change) for one in policy.steps)
    return change if then else None


_FALLBACK_PHASES: dict[str, tuple[str, str]] = {
    Phase.FALLBACK: ("the fallback people", Phase.LEADS),
    Phase.LEADS: ("the leads", Phase.ADMINS),
    Phase.ADMINS: ("the admins", Phase.ROUND),
}


def _fallback_call(policy: Policy, state: State) -> _Call:
    label, following = _FALLBACK_PHASES[state.phase]
    people: tuple[int, ...] = getattr(policy, state.phase)
    reasons = () if people else (f"{_capital(label)}: there are none.",)
    after = replace(state, phase=following)
    return _Call(state.phase, label, people, FALLBACK_WAIT, after, reasons)


def _team_call(policy: Policy, after: State) -> _Call:
    reasons = () if policy.team else ("The whole team: it has no leads or responders.",)
    return _Call(TEAM, "the whole team", policy.team, TEAM_WAIT, after, reasons)


def is_team_round(policy: Policy, number: int) -> bool:
    """After the policy's repeats the whole team is called, round after round.

    An empty policy has no rungs to repeat, but its first round goes to the fallback people.
    """
    return number > (policy.repeats if policy.steps else 0)


def _place(policy: Policy, state: State) -> int | None:
    """The index of the rung to call: by its id, else whatever is in its place now."""
    for place, step in enumerate(policy.steps):
        if step.id == state.step_id:
            return place
    return state.position if state.position < len(policy.steps) else None


def _next_step(policy: Policy, state: State, place: int) -> State:
    if place + 1 < len(policy.steps):
        return replace(state, step_id=policy.steps[place + 1].id, position=place + 1)
    return replace(state, phase=Phase.AFTER, step_id=None, position=place + 1)


def _step_people(
    policy: Policy, step: Step, place: int, now: datetime, on_call: OnCall
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    people: dict[int, None] = {}
    reasons: list[str] = []
    for rotation in step.rotations:
        person = on_call(rotation, now)
        if person is None:
            name = policy.rotation_names.get(rotation, "a rotation")
            reasons.append(f"Step {place + 1}: nobody is on call in {name}.")
        else:
            people[person] = None
    people |= dict.fromkeys(step.people)
    if step.whole_team:
        people |= dict.fromkeys(policy.team)
    if not step.names_people and not step.channels:
        reasons.append(f"Step {place + 1}: it names nobody.")
    elif step.whole_team and not people and not reasons:
        reasons.append(f"Step {place + 1}: the team has no leads or responders.")
    return tuple(people), tuple(reasons)


def _unreachable(policy: Policy, call: _Call, people: tuple[int, ...]) -> list[str]:
    unable = [
        f"{_capital(call.label)}: {policy.names.get(person, 'somebody')} "
        "has no working contact method."
        for person in call.people
        if person not in people
    ]
    off = [
        f"{_capital(call.label)}: {policy.channel_names.get(one, 'a channel')} is switched off."
        for one in call.channels
        if one not in policy.channels_on
    ]
    return unable + off


def _after_the_steps(state: State) -> State:
    """From the last rung to the fallback people if nobody was reached, else to the next round."""
    wanted = state.phase in {Phase.STEP, Phase.AFTER} and not state.reached
    return replace(state, phase=Phase.FALLBACK if wanted else Phase.ROUND)


def _next_round_at(policy: Policy, state: State, now: datetime) -> datetime:
    """Never before its time, even if the round before ended at once.

    Without a start time the round may follow at once: somebody asked for it by hand.
    """
    if state.round_started_at is None:
        return now
    at = max(now, state.round_started_at + pause(policy, state.urgency))
    return policy.hours.opening(at) if state.urgency == "low" else at


def pause(policy: Policy, urgency: str) -> timedelta:
    """The least time from the start of one round to that of the next."""
    return policy.repeat_after * (LOW_URGENCY_SLOWER if urgency == "low" else 1)


def _new_round(state: State, now: datetime) -> State:
    return State(urgency=state.urgency, round=state.round + 1, round_started_at=now)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
