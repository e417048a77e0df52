"""The filters of the incident list and the log, read from an address; what is wrong is left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import TypeVar

from django.db.models import Q
from django.utils import timezone

from incidents.models import Severity
from incidents.searching import matching, tidy
from schedules.models import EARLIEST, LATEST, Team
from schedules.shifts import resolve_local

T = TypeVar("T")

ONE_DAY = timedelta(days=1)
TESTS = {"": "shown", "no": "left out", "only": "only these"}
# What is kept of one address to another of the same person.
REMEMBERED = ("team", "severity", "source", "tests")


@dataclass(frozen=True)
class Asked:
    """What was understood of an address, and a sentence about each part that was not."""

    team: Team | None = None
    severity: str = ""
    source: str = ""
    first_on: date | None = None
    last_on: date | None = None
    tests: str = ""
    text: str = ""
    notices: tuple[str, ...] = ()

    @property
    def how_many(self) -> int:
        """How many filters are on, the search not counted."""
        return sum(map(bool, (self.team, self.severity, self.source, self.tests, self.has_days)))

    @property
    def has_days(self) -> bool:
        return bool(self.first_on or self.last_on)

    @property
    def begins_at(self) -> datetime | None:
        """The first instant of the period, by the clock of the zone in force."""
        return _midnight(self.first_on) if self.first_on else None

    @property
    def ends_at(self) -> datetime | None:
        """The first instant after the period."""
        return _midnight(self.last_on + ONE_DAY) if self.last_on else None

    def condition(self) -> Q:
        """For incidents: that all of it holds."""
        wanted = Q()
        if self.team:
            wanted &= Q(team=self.team)
        if self.severity:
            wanted &= Q(severity=self.severity)
        if self.source:
            wanted &= Q(source_label=self.source)
        if self.begins_at:
            wanted &= Q(opened_at__gte=self.begins_at)
        if self.ends_at:
            wanted &= Q(opened_at__lt=self.ends_at)
        if self.tests:
            wanted &= Q(is_test=self.tests == "only")
        return wanted & matching(self.text) if self.text else wanted

    def as_query(self, only: Collection[str] | None = None) -> dict[str, str]:
        """As the parameters of an address that asks the same; all, or only these."""
        values = {
            "team": str(self.team.pk) if self.team else "",
            "severity": self.severity,
            "source": self.source,
            "from": self.first_on.isoformat() if self.first_on else "",
            "to": self.last_on.isoformat() if self.last_on else "",
            "tests": self.tests,
            "q": self.text,
        }
        return {k: v for k, v in values.items() if v and (only is None or k in only)}

    def over(self, days: int, today: date) -> Asked:
        """The same over a period with two ends: up to today, or so many days, where one is open."""
        last_on = self.last_on or max(today, self.first_on or today)
        first_on = self.first_on or last_on - (days - 1) * ONE_DAY
        return replace(self, first_on=first_on, last_on=last_on)


def read(params: Mapping[str, str], teams: Iterable[Team]) -> Asked:
    """What an address asks for, of these teams; what cannot be is left out, with a sentence."""
    notices: list[str] = []

    def part(name: str, understand: Callable[[str], T | None], why: str) -> T | None:
        text = tidy(params.get(name, ""))
        found = understand(text) if text else None
        if text and found is None:
            notices.append(f"“{text}” {why}: not used.")
        return found

    by_key = {str(team.pk): team for team in teams}
    first_on = part("from", _day, "is no day such as 2026-11-30")
    last_on = part("to", _day, "is no day such as 2026-11-30")
    if first_on and last_on and last_on < first_on:
        notices.append(f"The days from {first_on} to {last_on} run backwards: not used.")
        first_on = last_on = None
    return Asked(
        team=part("team", by_key.get, "is the number of none of your teams"),
        severity=part("severity", _one_of(Severity.values), "is no severity") or "",
        source=tidy(params.get("source", "")),
        first_on=first_on,
        last_on=last_on,
        tests=part("tests", _one_of(TESTS), "says nothing about tests (no, only)") or "",
        text=tidy(params.get("q", "")),
        notices=tuple(notices),
    )


def _one_of(words: Iterable[str]) -> Callable[[str], str | None]:
    known = {word: word for word in words}
    return known.get


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if EARLIEST <= found <= LATEST else None


def _midnight(day: date) -> datetime:
    return resolve_local(day, time(0), timezone.get_current_timezone_name())
