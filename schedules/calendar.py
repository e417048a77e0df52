"""Lays planned shifts out as pages show them: weeks of bars, an agenda, who carries how much.

Pure: shifts and a time zone in, plain values out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import groupby
from zoneinfo import ZoneInfo

from schedules.models import EARLIEST, LATEST, Rotation, User
from schedules.oncall import PlannedShift
from schedules.shifts import resolve_local

# A page shows at least this much from the day it was asked for, in whole weeks.
SHOWN_DAYS = 90
# Each day's column has six slots of four hours; the stylesheet has a class for each.
SLOTS = 6
WEEK = 7 * SLOTS
# What a name needs; a shift that is shorter is drawn longer, on a line below if it must.
LEAST_WIDTH = 2
COLOURS = 10
SATURDAY = 5
MIDNIGHT, DEAD_OF_NIGHT = time(0), time(3)
ONE_DAY, ONE_WEEK = timedelta(days=1), timedelta(weeks=1)
REASONS = {
    "outside": "outside its hours",
    "cover": "on purpose",
    "before": "not begun yet",
    "after": "it has ended",
    "empty": "no members",
    "off": "switched off",
}

Plans = Mapping[int, Sequence[PlannedShift]]


@dataclass(frozen=True)
class Span:
    """The whole weeks that one page shows, in the zone of whoever looks at it."""

    first: date
    weeks: int
    zone: str

    @property
    def last(self) -> date:
        return self.next - ONE_DAY

    @property
    def next(self) -> date:
        return self.first + self.weeks * ONE_WEEK

    @property
    def earlier(self) -> date | None:
        """Where the page before this one begins; None for the first there is."""
        return max(self.first - 13 * ONE_WEEK, EARLIEST) if self.first > EARLIEST else None

    @property
    def later(self) -> date | None:
        return self.next if self.next <= LATEST else None

    @cached_property
    def starts_at(self) -> datetime:
        return resolve_local(self.first, MIDNIGHT, self.zone)

    @cached_property
    def ends_at(self) -> datetime:
        return resolve_local(self.next, MIDNIGHT, self.zone)

    def holds(self, at: datetime) -> bool:
        return self.starts_at <= at < self.ends_at

    def day_of(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.zone)).date()

    def slot(self, at: datetime) -> int:
        """The nearest edge between slots, by the clock on the wall, that is of the same day."""
        local = at.astimezone(ZoneInfo(self.zone))
        hours = local.hour + local.minute / 60
        nearest = min(int(hours * SLOTS / 24 + 0.5), SLOTS - 1)
        slot = (local.date() - self.first).days * SLOTS + nearest
        return min(max(slot, 0), self.weeks * WEEK)


@dataclass(frozen=True)
class Drawn:
    """A shift as a page names it; `starts` by the viewer's clock, `link` where it leads."""

    shift: PlannedShift
    starts: datetime
    colour: int | None = None
    link: str = ""
    printed: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def clock(self) -> str:
        return f"{self.starts:%H:%M}"

    @property
    def day(self) -> str:
        return f"{self.starts:%a} {self.starts.day}"

    @property
    def theirs(self) -> str:
        """The person's own clock at the start, where it shows another hour than the viewer's."""
        if not self.shift.person:
            return ""
        local = self.starts.astimezone(ZoneInfo(self.shift.person.time_zone))
        return f"{local:%H:%M}" if local.utcoffset() != self.starts.utcoffset() else ""

    @property
    def name(self) -> str:
        if self.shift.person:
            return str(self.shift.person)
        return "NOBODY" if self.shift.is_gap else "nobody"

    @property
    def note(self) -> str:
        """What the name alone does not say: `for bob`, `on purpose`."""
        if not self.shift.person:
            return REASONS.get(self.shift.why, "")
        if self.shift.is_cover:
            return f"for {_listed(self.shift.instead_of)}" if self.shift.instead_of else "extra"
        return ""

    @property
    def look(self) -> str:
        """The classes of its colour and border."""
        if self.shift.is_gap:
            return "gap"
        dashed = " cover" if self.shift.is_cover else ""
        return f"quiet{dashed}" if self.colour is None else f"p{self.colour}{dashed}"


@dataclass(frozen=True)
class Bar:
    """A shift, or its part in one week: where it is drawn, and when it begins if that is said."""

    drawn: Drawn
    column: int
    width: int
    begins: str


@dataclass(frozen=True)
class Line:
    """One rotation in one week; `has_hours`: blank is then outside them, on purpose."""

    rotation: Rotation
    bars: list[Bar]
    has_hours: bool


@dataclass(frozen=True)
class Week:
    first: date
    lines: list[Line]
    month: date | None

    @property
    def days(self) -> list[date]:
        return [self.first + number * ONE_DAY for number in range(7)]

    @property
    def number(self) -> int:
        return self.first.isocalendar().week


@dataclass(frozen=True)
class Item:
    """One line of the agenda."""

    drawn: Drawn
    length: str


@dataclass(frozen=True)
class Stretch:
    """A part of the agenda: a month, or what is over before now."""

    month: date
    is_over: bool
    items: list[Item]


@dataclass(frozen=True)
class Pen:
    """How a page draws: by whose clock, in which colours, and where a shift leads."""

    zone: str
    colours: Mapping[int, int]
    link: Callable[[PlannedShift], str]
    _drawn: dict[int, Drawn] = field(default_factory=dict)

    def draw(self, shift: PlannedShift) -> Drawn:
        """The same for the same shift: a page shows each twice, as a bar and as a line."""
        if found := self._drawn.get(id(shift)):
            return found
        colour = self.colours.get(shift.person.pk) if shift.person else None
        starts = shift.starts_at.astimezone(ZoneInfo(self.zone))
        drawn = self._drawn[id(shift)] = Drawn(shift, starts, colour, self.link(shift))
        return drawn


@dataclass(frozen=True)
class Load:
    """What one person carries, nights and weekends by their own clock."""

    person: User
    time: timedelta
    nights: int
    weekends: int
    colour: int
    trouble: str = ""  # why no message could reach them, to follow their name

    @property
    def days(self) -> str:
        days = round(self.time / ONE_DAY, 1)
        return f"{days:g}"


@dataclass(frozen=True)
class Gaps:
    """The time with nobody on call that is still to come."""

    count: int
    time: timedelta
    first: PlannedShift | None

    @property
    def length(self) -> str:
        return in_words(self.time)


def span_from(day: date, zone: str) -> Span:
    """The weeks that hold this day and the 89 after it."""
    day = min(max(day, EARLIEST), LATEST)
    first = day - day.weekday() * ONE_DAY
    return Span(first, -(-((day - first).days + SHOWN_DAYS) // 7), zone)


def colours(people: Iterable[User]) -> dict[int, int]:
    """A colour for each person, who keeps it from page to page while there are enough."""
    chosen: dict[int, int] = {}
    for key in sorted({person.pk for person in people}):
        taken = set(chosen.values()) if len(chosen) < COLOURS else set()
        wishes = (wish % COLOURS for wish in range(key, key + COLOURS))
        chosen[key] = next(wish for wish in wishes if wish not in taken)
    return chosen


def people_in(plans: Plans) -> list[User]:
    found = {shift.person.pk: shift.person for shift in _all(plans) if shift.person}
    return sorted(found.values(), key=lambda person: (person.name, person.pk))


def weeks(rotations: Sequence[Rotation], plans: Plans, span: Span, pen: Pen) -> list[Week]:
    """Every week with a line for each rotation; time outside a rotation's hours is left blank."""
    drawn = {one.pk: _bars(plans.get(one.pk, ()), span, pen) for one in rotations}
    with_hours = {key for key, shifts in plans.items() if any(_is_outside(one) for one in shifts)}
    found = []
    for number in range(span.weeks):
        first = span.first + number * ONE_WEEK
        lines = [Line(one, drawn[one.pk][number], one.pk in with_hours) for one in rotations]
        found.append(Week(first, lines, _month_of(first, is_top=number == 0)))
    return found


def _bars(shifts: Sequence[PlannedShift], span: Span, pen: Pen) -> list[list[Bar]]:
    """The bars of one rotation, week by week."""
    found: list[list[Bar]] = [[] for _ in range(span.weeks)]
    for shift in shifts:
        if _is_outside(shift) or shift.ends_at <= span.starts_at:
            continue
        for week, bar in _bars_of(shift, span, pen.draw(shift)):
            found[week].append(bar)
    return found


def _bars_of(shift: PlannedShift, span: Span, drawn: Drawn) -> Iterator[tuple[int, Bar]]:
    """Of one shift; the first that has room for it says when it begins."""
    # A gap without a beginning of its own begins where the page does.
    is_said = shift.starts_at < span.starts_at or (
        shift.person is None and shift.starts_at == span.starts_at
    )
    word = "from "
    for week, column, width in _pieces(shift, span):
        begins = ""
        if not is_said and width >= LEAST_WIDTH:
            is_said = True
            begins = drawn.clock if width < SLOTS else f"{word}{drawn.clock}"
        word = f"since {drawn.starts:%a} "
        yield week, Bar(drawn, column + 1, width, begins)


def _pieces(shift: PlannedShift, span: Span) -> Iterator[tuple[int, int, int]]:
    """Week, column and width of each week's part of a shift, as far as the page shows it."""
    first, end = span.slot(shift.starts_at), span.slot(shift.ends_at)
    is_whole = shift.starts_at >= span.starts_at and shift.ends_at <= span.ends_at
    if is_whole and end - first < LEAST_WIDTH:
        week, column = divmod(first, WEEK)
        yield week, min(column, WEEK - LEAST_WIDTH), LEAST_WIDTH
        return
    for week in range(first // WEEK, (end - 1) // WEEK + 1):
        begins, ends = max(first, week * WEEK), min(end, (week + 1) * WEEK)
        yield week, begins - week * WEEK, ends - begins


def _month_of(monday: date, *, is_top: bool) -> date | None:
    """The month to name above a week: the one that begins in it, or the first one shown."""
    sunday = monday + 6 * ONE_DAY
    if is_top or sunday.day <= 7:
        return sunday.replace(day=1) if sunday.day <= 7 else monday.replace(day=1)
    return None


def agenda(plans: Plans, span: Span, now: datetime, pen: Pen) -> list[Stretch]:
    """Shift by shift: on the page that holds now first what is over, then the rest by months.

    Whoever is on call now is left out there: that is said above the list.
    """
    listed = [shift for shift in _all(plans) if not _is_outside(shift)]
    listed = [
        one for one in listed if one.ends_at > span.starts_at and one.starts_at < span.ends_at
    ]
    listed.sort(key=lambda one: (one.starts_at, one.rotation.position, one.rotation.pk))
    over: list[PlannedShift] = []
    if span.holds(now):
        over = [shift for shift in listed if shift.ends_at <= now]
        listed = [shift for shift in listed if shift.starts_at > now]

    def month(shift: PlannedShift) -> date:
        return max(span.day_of(shift.starts_at), span.first).replace(day=1)

    found = [Stretch(span.first, True, _items(over, pen))] if over else []
    return found + [
        Stretch(first, False, _items(group, pen)) for first, group in groupby(listed, key=month)
    ]


def _items(shifts: Iterable[PlannedShift], pen: Pen) -> list[Item]:
    return [Item(pen.draw(one), length(one.starts_at, one.ends_at, pen.zone)) for one in shifts]


def loads(
    plans: Plans, span: Span, pen: Pen, troubles: Mapping[int, str] | None = None
) -> list[Load]:
    """What each person carries on this page, in all of its rotations together; most first.

    A night is one in which they are on call at 3 o'clock, a weekend one of which they have any
    part; time in two rotations at once counts once.
    """
    stretches: defaultdict[User, list[tuple[datetime, datetime]]] = defaultdict(list)
    for shift in _all(plans):
        begins, ends = max(shift.starts_at, span.starts_at), min(shift.ends_at, span.ends_at)
        if shift.person and begins < ends:
            stretches[shift.person].append((begins, ends))
    found = [
        replace(
            _load(person, _united(parts), pen.colours.get(person.pk, 0)),
            trouble=(troubles or {}).get(person.pk, ""),
        )
        for person, parts in stretches.items()
    ]
    return sorted(found, key=lambda load: (-load.time, load.person.name, load.person.pk))


def _load(person: User, stretches: list[tuple[datetime, datetime]], colour: int) -> Load:
    zone = ZoneInfo(person.time_zone)
    nights, weekends = 0, set()
    for stretch in stretches:
        begins, ends = (at.astimezone(zone).replace(tzinfo=None) for at in stretch)
        for day in _days(begins.date(), ends.date()):
            nights += begins <= datetime.combine(day, DEAD_OF_NIGHT) < ends
            if day.weekday() >= SATURDAY and datetime.combine(day, MIDNIGHT) < ends:
                weekends.add(day - day.weekday() * ONE_DAY)
    total = sum((ends - begins for begins, ends in stretches), timedelta())
    return Load(person, total, nights, len(weekends), colour)


def _united(stretches: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The same time without overlaps."""
    found: list[tuple[datetime, datetime]] = []
    for begins, ends in sorted(stretches):
        if found and begins <= found[-1][1]:
            found[-1] = found[-1][0], max(ends, found[-1][1])
        else:
            found.append((begins, ends))
    return found


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + number * ONE_DAY


def gaps(plans: Plans, span: Span, now: datetime) -> Gaps:
    """The gaps that are not on purpose, as far as this page shows them and they are not over."""
    start = max(now, span.starts_at)
    found = [
        shift
        for shift in _all(plans)
        if shift.is_gap and shift.ends_at > start and shift.starts_at < span.ends_at
    ]
    lengths = [min(one.ends_at, span.ends_at) - max(one.starts_at, start) for one in found]
    first = min(found, key=lambda one: one.starts_at, default=None)
    return Gaps(len(found), sum(lengths, timedelta()), first)


def only_of(plans: Plans, person: User) -> dict[int, list[PlannedShift]]:
    """This person's shifts alone."""
    return {
        key: [shift for shift in shifts if shift.person and shift.person.pk == person.pk]
        for key, shifts in plans.items()
    }


def length(starts_at: datetime, ends_at: datetime, zone: str) -> str:
    """How long by the clock on the wall: a week is `7 d`, also when the clocks change in it."""
    here = ZoneInfo(zone)
    start, end = (one.astimezone(here).replace(tzinfo=None) for one in (starts_at, ends_at))
    return in_words(end - start)


def moment(at: datetime, zone: str, now: datetime) -> str:
    """`Mon 30 Nov 09:00`, with the year where it is another one."""
    local, today = (one.astimezone(ZoneInfo(zone)) for one in (at, now))
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local:%a} {local.day} {local:%b}{year} {local:%H:%M}"


def in_words(time: timedelta) -> str:
    minutes = max(int(time.total_seconds() // 60), 0)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if not days and not hours:
        return f"{minutes} min"
    parts = ((days, "d"), (hours, "h"), (0 if days else minutes, "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def _listed(people: Iterable[User]) -> str:
    return ", ".join(str(person) for person in people)


def _is_outside(shift: PlannedShift) -> bool:
    return shift.why == "outside"


def _all(plans: Plans) -> Iterator[PlannedShift]:
    for shifts in plans.values():
        yield from shifts
