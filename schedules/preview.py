"""What the admin shows of a rotation: in words, who is on call, the next 90 days, what changes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.db import transaction
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from schedules import editing, oncall, shifts, troubles
from schedules.editing import Changed
from schedules.history import local
from schedules.models import Override, Rotation, User
from schedules.oncall import PlannedShift

DAYS = 90
LENGTH = timedelta(days=DAYS)
MOST_LINES = 5
NOBODY = format_html('<strong class="gap">{}</strong>', "nobody")
WHY = {
    "outside": "outside its hours",
    "cover": "on purpose",
    "before": "before its start",
    "after": "after its end",
    "empty": "no members",
}


@dataclass(frozen=True)
class Preview:
    """What would be so if the form were saved; nothing of it is stored."""

    words: str
    notes: list[str]
    changed: list[Changed]
    planned: list[PlannedShift]
    rotation: Rotation
    now: datetime
    is_new: bool
    changes_now: bool

    @property
    def changes(self) -> SafeString:
        return changes(self.changed, self.rotation)

    @property
    def table(self) -> SafeString:
        return table(self.planned, self.rotation, self.now)

    @property
    def summary(self) -> SafeString:
        """What to say after a save: the first few changes, a line each."""
        if not self.changed:
            return format_html("Nothing changes in the next {} days.", DAYS)
        said = format_html_join("", "<br>{}", ((line,) for line in self.lines))
        return format_html("What changes in the next {} days:{}", DAYS, said)

    @property
    def lines(self) -> list[str]:
        return lines(self.changed, self.rotation)


@dataclass(frozen=True)
class Standing:
    """How a rotation stands: for the page on which it is edited."""

    now: SafeString
    words: str
    notes: list[str]
    table: SafeString


def standing(rotation: Rotation, now: datetime) -> Standing:
    planned = planned_days(rotation, now)
    return Standing(
        now=now_and_next(planned, rotation, now),
        words=in_words(rotation),
        notes=notes(rotation, now),
        table=table(planned, rotation, now),
    )


def in_words(rotation: Rotation) -> str:
    """All of what it says: length and hand-over, its hours, its end."""
    parts = [rotation.in_words]
    if windows := [window.in_words for window in rotation.windows.all()]:
        parts.append(f"only {' and '.join(windows)}")
    if rotation.ends_on:
        end = f"{rotation.ends_on:%a %d %b %Y} {rotation.handover_time:%H:%M}"
        parts.append(f"until {end}")
    return ", ".join(parts)


def notes(rotation: Rotation, now: datetime) -> list[str]:
    """What is allowed and may yet be a slip: one sentence each."""
    members = [place.user for place in rotation.members.select_related("user")]
    team = set(rotation.team.memberships.values_list("user_id", flat=True))
    return [*_about_members(members, team, rotation), *_about_days(rotation, now)]


def _about_members(members: Sequence[User], team: set[int], rotation: Rotation) -> list[str]:
    found = _unreached(members)
    for user in dict.fromkeys(members):
        if not user.is_active:
            found.append(f"{user} is switched off: nobody is on call in their turns.")
        elif user.pk not in team:
            found.append(f"{user} is not in {rotation.team}, and is paged all the same.")
    if len(set(members)) > 1:
        around = pairwise([*members, members[0]])
        doubled = dict.fromkeys(user for user, following in around if user == following)
        found += [
            f"{user} comes twice in a row: one turn goes on into the next." for user in doubled
        ]
    return found


def _unreached(members: Sequence[User]) -> list[str]:
    people = {user: user.pk for user in members if user.is_active}
    why = troubles.of_people(people)
    return [
        format_html('<strong class="gap">{} {}.</strong>', user, why[pk])
        for user, pk in people.items()
        if pk in why
    ]


def _about_days(rotation: Rotation, now: datetime) -> list[str]:
    today = now.astimezone(ZoneInfo(rotation.time_zone)).date()
    if not rotation.is_active:
        return ["It is switched off: nobody is on call in it."]
    if rotation.ends_on and rotation.ends_on <= today:
        return [f"It ended on {rotation.ends_on:%a %d %b %Y}: nobody is on call in it."]
    if rotation.starts_on > today:
        return [f"Nobody is on call in it before {rotation.starts_on:%a %d %b %Y}."]
    return []


def of_saved(
    rotation: Rotation, planned_before: Sequence[PlannedShift] | None, now: datetime
) -> Preview:
    """Of a rotation as its rows now are; `planned_before` is None where it was not there before."""
    planned = planned_days(rotation, now)
    is_new = planned_before is None
    changed = [] if planned_before is None else editing.difference(planned_before, planned)
    near = [_cut(one, now) for one in changed if one.starts_at < now + LENGTH and one.ends_at > now]
    return Preview(
        words=in_words(rotation),
        notes=notes(rotation, now),
        changed=joined(near, planned),
        planned=planned,
        rotation=rotation,
        now=now,
        is_new=is_new,
        changes_now=any(one.starts_at <= now for one in near),
    )


def _cut(changed: Changed, now: datetime) -> Changed:
    """To the time that is shown."""
    ends_at = min(changed.ends_at, now + LENGTH)
    return Changed(max(changed.starts_at, now), ends_at, changed.before, changed.after)


def planned_days(rotation: Rotation, now: datetime) -> list[PlannedShift]:
    return oncall.plans([rotation], now, now + LENGTH)[rotation.pk]


def table(planned: Iterable[PlannedShift], rotation: Rotation, now: datetime) -> SafeString:
    """The shifts in the rotation's zone; a gap in class "gap", time off on purpose in "quiet"."""
    rows = format_html_join(
        "",
        '<tr class="{}"><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>',
        (
            (
                _class(shift),
                local(shift.starts_at, rotation) if shift.starts_at > now else "now",
                local(shift.ends_at, rotation),
                shift.person or "nobody",
                _remark(shift),
            )
            for shift in planned
        ),
    )
    if not rows:
        return format_html("{}", "Nobody: this rotation is switched off.")
    return _table(("From", "Until", "On call", rotation.time_zone), rows)


def _table(heads: Iterable[str], rows: SafeString) -> SafeString:
    head = format_html_join("", '<th scope="col">{}</th>', ((word,) for word in heads))
    return format_html(
        '<table class="shifts"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>', head, rows
    )


def _class(shift: PlannedShift) -> str:
    if shift.is_gap:
        return "gap"
    if shift.person is None:
        return "quiet"
    return "cover" if shift.is_cover else ""


def _remark(shift: PlannedShift) -> str:
    if shift.is_cover and shift.instead_of:
        names = " and ".join(str(user) for user in shift.instead_of)
        return f"for {names}" if shift.person else f"on purpose, for {names}"
    if shift.why == "off":
        names = " and ".join(str(user) for user in shift.instead_of)
        return f"{names or 'whoever has the turn'} is switched off"
    return WHY.get(shift.why, "override" if shift.is_cover else "")


def joined(changed: Iterable[Changed], planned: Sequence[PlannedShift]) -> list[Changed]:
    """The same change of every working day as one: over hours in which nobody is on call."""
    found: list[Changed] = []
    for one in changed:
        last = found[-1] if found else None
        if last and (last.before, last.after) == (one.before, one.after):
            between = [
                shift
                for shift in planned
                if shift.starts_at < one.starts_at and shift.ends_at > last.ends_at
            ]
            if all(shift.why == "outside" for shift in between):
                found[-1] = Changed(last.starts_at, one.ends_at, one.before, one.after)
                continue
        found.append(one)
    return found


def changes(changed: Iterable[Changed], rotation: Rotation) -> SafeString:
    """A table of who comes instead of whom; empty where nothing changes."""
    rows = format_html_join(
        "",
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        (
            (
                local(one.starts_at, rotation),
                local(one.ends_at, rotation),
                one.before or "nobody",
                one.after or "nobody",
            )
            for one in changed
        ),
    )
    return _table(("From", "Until", "Today", "Then"), rows) if rows else rows


def lines(changed: Sequence[Changed], rotation: Rotation) -> list[str]:
    """The first changes as sentences, and how many more there are."""
    found = [
        f"{local(one.starts_at, rotation)} to {local(one.ends_at, rotation)}: "
        f"{one.after or 'nobody'} instead of {one.before or 'nobody'}"
        for one in changed
    ]
    if len(found) <= MOST_LINES:
        return found
    return [*found[: MOST_LINES - 1], f"and {len(found) - MOST_LINES + 1} more"]


def without(overrides: Sequence[Override], now: datetime) -> list[str]:
    """Who would be on call instead if these were deleted, a sentence each; nothing is stored."""
    rotations = {one.rotation_id: one.rotation for one in overrides}
    if not rotations:
        return []
    end = max(one.ends_at for one in overrides)
    if end <= now:
        return []
    before = oncall.plans(rotations.values(), now, end)
    with transaction.atomic():
        Override.objects.filter(pk__in=[one.pk for one in overrides]).delete()
        after = oncall.plans(rotations.values(), now, end)
        transaction.set_rollback(True)
    return [
        f"Then in {rotation}, {line}"
        for pk, rotation in rotations.items()
        for line in lines(editing.difference(before[pk], after[pk]), rotation)
    ]


def now_and_next(planned: Sequence[PlannedShift], rotation: Rotation, now: datetime) -> SafeString:
    """ "alice until Mon 30 Nov 2026 09:00, then bob", in the rotation's zone."""
    if not planned or planned[0].starts_at > now:
        return NOBODY
    first, following = planned[0], planned[1:2]
    if first.ends_at >= now + LENGTH:
        return format_html("{}, for all of the next {} days", _who(first), DAYS)
    said = format_html("{} until {}", _who(first), local(first.ends_at, rotation))
    return format_html("{}, then {}", said, _who(following[0])) if following else said


def _who(shift: PlannedShift) -> SafeString | str:
    if shift.person:
        return str(shift.person)
    return NOBODY if shift.is_gap else f"nobody ({_remark(shift)})"


def people_now(rotations: Iterable[Rotation], now: datetime) -> list[tuple[Rotation, object]]:
    """Each rotation with whoever is on call in it, ready to be shown: in six queries."""
    listed = list(rotations)
    found = oncall.plans(listed, now, now + shifts.ONE_SECOND)
    unreached = troubles.of_people(shift.person for planned in found.values() for shift in planned)
    return [(rotation, _now(found[rotation.pk], rotation, unreached)) for rotation in listed]


def _now(
    planned: Sequence[PlannedShift], rotation: Rotation, unreached: Mapping[int, str]
) -> object:
    if not rotation.is_active:
        return "nobody (switched off)"
    if not planned:
        return NOBODY
    who, person = _who(planned[0]), planned[0].person
    why = unreached.get(person.pk) if person else None
    return format_html('{} <span class="gap">{}</span>', who, why) if why else who


def on_call_column(now: datetime) -> Callable[[Rotation], object]:
    """A column for one request's list, which asks for all rotations at once."""

    @functools.cache
    def people() -> dict[int, object]:
        return {rotation.pk: person for rotation, person in people_now(Rotation.objects.all(), now)}

    @admin.display(description="on call now")
    def on_call_now(rotation: Rotation) -> object:
        return people().get(rotation.pk, NOBODY)

    return on_call_now


def span(stretch: PlannedShift | Override, rotation: Rotation) -> str:
    """ "Mon 30 Nov 2026 09:00 to Mon 07 Dec 2026 09:00", in the rotation's zone."""
    return f"{local(stretch.starts_at, rotation)} to {local(stretch.ends_at, rotation)}"


def turn(shift: PlannedShift | None, rotation: Rotation, now: datetime) -> str:
    """When somebody who is scheduled has their turn."""
    if shift is None:
        return "no turn within a year"
    if shift.starts_at <= now:
        return f"on call now, until {local(shift.ends_at, rotation)}"
    return f"next turn {span(shift, rotation)}"
