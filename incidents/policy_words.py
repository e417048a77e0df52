"""A policy in words for whoever edits it: what would happen, and what may yet be a slip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product

from incidents.forecast import Outlook, Predicted, forecast_opening, length
from incidents.models import EscalationPolicy, EscalationStep
from incidents.planner import INSIDE, OUTSIDE
from schedules import troubles

MOST = 6
HOURS = {INSIDE: "in team hours", OUTSIDE: "outside team hours"}


@dataclass(frozen=True)
class Ahead:
    """What an incident of one urgency would do if it opened at some moment."""

    urgency: str
    predicted: list[Predicted]
    reasons: tuple[str, ...]
    summary: str


def ahead(policy: EscalationPolicy, at: datetime) -> list[Ahead]:
    """For high and for low urgency."""
    return [_ahead(policy, urgency, at) for urgency in ("high", "low")]


def _ahead(policy: EscalationPolicy, urgency: str, at: datetime) -> Ahead:
    outlook: Outlook = forecast_opening(policy, policy.team, urgency, at, limit=MOST)
    words = summary(outlook.predicted, at)
    return Ahead(urgency, outlook.predicted, outlook.reasons, words)


def summary(predicted: Sequence[Predicted], opened_at: datetime) -> str:
    """ "alice at once, bob after 5 min, nobody after that." """
    if not predicted:
        return "Nobody would be paged."
    parts = [f"{' and '.join(one.who)} {_after(one.at - opened_at)}" for one in predicted]
    if predicted[-1].again:
        parts.append(f"then every {predicted[-1].again_in_words} until somebody answers")
    elif len(predicted) < MOST:
        parts.append("nobody after that")
    else:
        parts.append("and so on")
    return f"{', '.join(parts)}."


def _after(passed: timedelta) -> str:
    return f"after {length(passed)}" if passed >= timedelta(seconds=1) else "at once"


def warnings(policy: EscalationPolicy) -> list[str]:
    """What is allowed and may yet be a slip: one sentence each."""
    targets = ("rotations__team", "people", "channels__team")
    steps = list(policy.steps.prefetch_related(*targets))
    if not steps:
        return ["It has no steps: the fallback people, the leads and then the admins are paged."]
    found = list(_about_order(steps))
    for place, step in enumerate(steps):
        is_last = place == len(steps) - 1
        found += [f"Step {place + 1} {words}" for words in _about_step(policy, step, is_last)]
    found += _about_people(steps)
    return [*found, *_about_conditions(steps)]


def _about_order(steps: Sequence[EscalationStep]) -> Iterator[str]:
    numbers = [step.position for step in steps]
    if len(set(numbers)) < len(numbers):
        yield "Some steps have the same order number: of those, the one made first comes first."


def _about_step(policy: EscalationPolicy, step: EscalationStep, is_last: bool) -> Iterator[str]:
    has_people = step.whole_team or bool(step.people.all() or step.rotations.all())
    if not has_people and not step.channels.all():
        yield "names nobody: it is passed over."
    elif not has_people:
        yield "tells only rooms: nobody's phone rings."
    if step.delay < timedelta(minutes=1) and not is_last:
        yield f"waits only {length(step.delay)} for an answer."
    for rotation in step.rotations.all():
        if rotation.is_active and rotation.team_id != policy.team_id:
            yield f"names {rotation}, of another team."
    rotations_off = [one for one in step.rotations.all() if not one.is_active]
    rooms_off = [one for one in step.channels.all() if not one.is_on]
    yield from (f"names {one}, which is switched off." for one in [*rotations_off, *rooms_off])


def _about_people(steps: Sequence[EscalationStep]) -> Iterator[str]:
    people = {user.pk: user for step in steps for user in step.people.all()}
    off = [user for user in people.values() if not user.is_active]
    yield from (f"{user} is switched off and is not paged." for user in off)
    why = troubles.of_people(user for user in people.values() if user.is_active)
    yield from (f"{people[pk]} {words}." for pk, words in why.items() if pk in people)


def _about_conditions(steps: Sequence[EscalationStep]) -> Iterator[str]:
    for urgency, hours in product(("high", "low"), HOURS):
        if _applies(steps, urgency, hours):
            continue
        when = f"{urgency.capitalize()} urgency {HOURS[hours]}: no step applies"
        other = OUTSIDE if hours == INSIDE else INSIDE
        if urgency == "low" and _applies(steps, urgency, other):
            yield f"{when}; it waits for the time {HOURS[other]}."
        else:
            yield f"{when}, so that the fallback people are paged."


def _applies(steps: Sequence[EscalationStep], urgency: str, hours: str) -> bool:
    return any(
        step.only_urgency in {"", urgency} and step.only_hours in {"", hours} for step in steps
    )
