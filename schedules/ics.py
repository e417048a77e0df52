"""Writes shifts as an iCalendar file, for calendar programs that ask for it again and again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from schedules.models import User
from schedules.oncall import PlannedShift

if TYPE_CHECKING:
    from icalendar import Event

PRODUCER = "-//PagerPal//On call//EN"
# How often programs that listen to it should ask again.
ASK_AGAIN = timedelta(hours=1)
# A feed is asked for every hour by many: hourly turns of a whole year are cut.
MOST_EVENTS = 3000
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """One shift as a calendar shows it."""

    uid: str
    starts_at: datetime
    ends_at: datetime
    summary: str
    description: str
    sequence: int
    changed_at: datetime


def entries(
    plans: Mapping[int, Sequence[PlannedShift]],
    *,
    of: User | None,
    until: datetime,
    changed_at: Mapping[int, datetime],
    base_url: str,
) -> list[Entry]:
    """The shifts of everybody, or `of` one person, that begin before `until`, earliest first.

    A shift's UID is its rotation and its start: a program that has it already moves its end or
    changes its person.
    """
    found = [
        _entry(shifts, number, of, changed_at, base_url)
        for shifts in plans.values()
        for number, shift in enumerate(shifts)
        if shift.person and (of is None or shift.person == of) and shift.starts_at < until
    ]
    found.sort(key=lambda entry: (entry.starts_at, entry.uid))
    return found[:MOST_EVENTS]


def digest(name: str, listed: Iterable[Entry]) -> str:
    """Stands for the whole file, without writing it."""
    said = repr((name, *listed))
    return hashlib.blake2s(said.encode(), digest_size=16).hexdigest()


def render(name: str, listed: Iterable[Entry]) -> bytes:
    """The file. Loads its library, which not every process needs, at the first call."""
    from icalendar import Calendar

    calendar = Calendar()
    calendar.add("prodid", PRODUCER)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", ASK_AGAIN, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    for entry in listed:
        calendar.add_component(_event(entry))
    written: bytes = calendar.to_ical()
    return written


def _event(entry: Entry) -> Event:
    from icalendar import Event

    event = Event()
    event.add("uid", entry.uid)
    event.add("dtstart", entry.starts_at)
    event.add("dtend", entry.ends_at)
    event.add("dtstamp", entry.changed_at)
    event.add("last-modified", entry.changed_at)
    event.add("sequence", entry.sequence)
    event.add("summary", entry.summary)
    event.add("description", entry.description)
    # Being on call is not being busy.
    event.add("transp", "TRANSPARENT")
    return event


def _entry(
    shifts: Sequence[PlannedShift],
    number: int,
    of: User | None,
    changed_at: Mapping[int, datetime],
    base_url: str,
) -> Entry:
    shift = shifts[number]
    rotation, person = shift.rotation, shift.person
    before, after = _neighbour(shifts, number, -1), _neighbour(shifts, number, 1)
    who = "On call" if of else str(person)
    then = f", then {_name(after)}" if after else ""
    return Entry(
        uid=f"{rotation.pk}-{shift.starts_at:%Y%m%dT%H%M%SZ}@{urlsplit(base_url).hostname}",
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        summary=f"{who}: {rotation.team} {rotation.name}{then}",
        description="\n".join(_story(shift, before, after, of, base_url)),
        sequence=rotation.revision,
        changed_at=changed_at.get(rotation.pk, LONG_AGO),
    )


def _story(
    shift: PlannedShift,
    before: PlannedShift | None,
    after: PlannedShift | None,
    of: User | None,
    base_url: str,
) -> Iterator[str]:
    """Who is on call from when to when, who hands over and to whom."""
    zone = of.time_zone if of else shift.rotation.time_zone
    here = ZoneInfo(zone)
    start, end = shift.starts_at.astimezone(here), shift.ends_at.astimezone(here)
    yield f"{shift.person}, {start:%a %d %b %H:%M} to {end:%a %d %b %H:%M} ({zone})."
    if shift.is_cover and shift.instead_of:
        yield f"Covers for {', '.join(str(person) for person in shift.instead_of)}."
    if before:
        yield f"Takes over from {_name(before)}."
    if after:
        yield f"Hands over to {_name(after)}."
    yield f"{base_url}/calendar"


def _neighbour(shifts: Sequence[PlannedShift], number: int, step: int) -> PlannedShift | None:
    """Who hands over or takes over, past the time outside the rotation's hours."""
    person = shifts[number].person
    number += step
    while 0 <= number < len(shifts) and shifts[number].why == "outside":
        number += step
    if not 0 <= number < len(shifts) or shifts[number].person == person:
        return None
    return shifts[number]


def _name(shift: PlannedShift) -> str:
    return str(shift.person) if shift.person else "nobody"
