"""Quiet hours by a person's own clock, across midnight and summer time."""

from __future__ import annotations

from datetime import datetime, time

import pytest

from pagerpal.testing import at
from schedules import quiet
from schedules.models import User

BERLIN = "Europe/Berlin"


def person(starts: str = "22:00", ends: str = "07:00", zone: str = BERLIN) -> User:
    times = map(time.fromisoformat, (starts, ends))
    return User(time_zone=zone, **dict(zip(("quiet_from", "quiet_until"), times, strict=True)))


def berlin(text: str) -> datetime:
    return at(text, BERLIN)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-23 21:59", "2026-11-23 21:59"),
        ("2026-11-23 22:00", "2026-11-24 07:00"),
        ("2026-11-24 03:00", "2026-11-24 07:00"),
        ("2026-11-24 07:00", "2026-11-24 07:00"),
        # Clocks go forward, and back: the end stays at 7 by the wall.
        ("2026-03-28 23:00", "2026-03-29 07:00"),
        ("2026-10-24 23:00", "2026-10-25 07:00"),
    ],
)
def test_what_falls_into_the_night_waits_for_the_morning(now: str, until: str) -> None:
    assert quiet.put_off(person(), berlin(now)) == berlin(until)


def test_quiet_hours_may_lie_within_a_day() -> None:
    siesta = person("13:00", "15:00")

    assert quiet.put_off(siesta, berlin("2026-11-23 14:00")) == berlin("2026-11-23 15:00")
    assert quiet.around(siesta, berlin("2026-11-23 15:00")) is None


def test_an_end_that_the_clocks_skip_is_the_first_moment_after() -> None:
    early = person("22:00", "02:30")

    assert quiet.put_off(early, berlin("2026-03-29 01:00")) == berlin("2026-03-29 03:00")


def test_an_end_that_comes_twice_is_the_first_of_them() -> None:
    early = person("22:00", "02:30")

    assert quiet.put_off(early, berlin("2026-10-25 02:00")) == berlin("2026-10-25 02:30")
    assert quiet.around(early, berlin("2026-10-25 02:45")) is None


def test_hours_that_the_clocks_swallow_are_none() -> None:
    assert quiet.around(person("02:10", "02:50"), berlin("2026-03-29 03:00")) is None


def test_who_chose_none_has_none() -> None:
    assert quiet.around(User(time_zone=BERLIN), berlin("2026-11-23 03:00")) is None


def test_a_note_waits_if_it_is_still_true_in_the_morning() -> None:
    planned, shift = berlin("2026-11-24 03:00"), berlin("2026-11-24 09:00")

    assert quiet.moved(person(), planned, shift) == berlin("2026-11-24 07:00")


def test_a_note_that_would_be_void_by_the_morning_comes_in_the_evening() -> None:
    planned, shift = berlin("2026-11-24 03:00"), berlin("2026-11-24 07:10")

    assert quiet.moved(person(), planned, shift) == berlin("2026-11-23 21:55")
