"""Who is on call now and who follows, for several rotations at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from schedules import oncall
from schedules.models import Rotation, User
from schedules.oncall import PlannedShift

# Most turns end within a week; only for the others is it worth looking further.
NEAR, FAR = timedelta(days=8), timedelta(days=400)


@dataclass(frozen=True)
class Duty:
    """What holds in one rotation at one instant, and what comes after it.

    `then` may be nobody's time; `following` is the first shift of a person after that.
    """

    rotation: Rotation
    shift: PlannedShift | None
    then: PlannedShift | None
    following: PlannedShift | None
    trouble: str = ""  # why no message could reach whoever is on call, to follow their name

    @property
    def person(self) -> User | None:
        return self.shift.person if self.shift else None

    @property
    def is_gap(self) -> bool:
        return self.shift is None or self.shift.is_gap

    @property
    def until(self) -> datetime | None:
        """When it changes; None if it never does, as far as anybody has planned."""
        return self.then.starts_at if self.then else None


def duties_at(rotations: Iterable[Rotation], at: datetime) -> list[Duty]:
    """One for each rotation, in their order; the number of queries does not grow with them."""
    listed = list(rotations)
    found = _duties(listed, at, NEAR)
    unknown = [duty.rotation for duty in found if duty.following is None]
    further = {duty.rotation.pk: duty for duty in _duties(unknown, at, FAR)} if unknown else {}
    return [further.get(duty.rotation.pk, duty) for duty in found]


def with_troubles(duties: Iterable[Duty], known: Mapping[int, str]) -> list[Duty]:
    """The same, with what `troubles.of_people` said of whoever is on call."""
    return [
        replace(duty, trouble=known.get(duty.person.pk, "")) if duty.person else duty
        for duty in duties
    ]


def _duties(rotations: Sequence[Rotation], at: datetime, ahead: timedelta) -> list[Duty]:
    plans = oncall.plans(rotations, at, at + ahead)
    return [duty_in(rotation, plans.get(rotation.pk, []), at) for rotation in rotations]


def duty_in(rotation: Rotation, shifts: Sequence[PlannedShift], at: datetime) -> Duty:
    """The same from shifts that are known already, as far as they reach."""
    coming = [shift for shift in shifts if shift.ends_at > at]
    if not coming or coming[0].starts_at > at:
        return Duty(rotation, None, None, coming[0] if coming else None)
    then = coming[1] if len(coming) > 1 else None
    following = next((shift for shift in coming[1:] if shift.person), None)
    return Duty(rotation, coming[0], then, following)
