"""The figures of the schedules: what it costs to know who is on call, now and for 90 days.

`pagerpal.bench` calls it in a process whose environment names a database that is thrown away.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Any

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PEOPLE, COVERS = 20, 100
CADENCES: list[dict[str, Any]] = [
    {"unit": "weeks", "every": 1},
    {"unit": "days", "every": 1},
    {"unit": "hours", "every": 12},
    {"unit": "months", "every": 1},
    {"unit": "weeks", "every": 2, "windows": True},
]


def measure() -> list[tuple[str, str, str]]:
    """What was measured, how much it was, and the bar; on a migrated, empty database."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from schedules import oncall

    rotations = _make()
    first = rotations[0]
    with CaptureQueriesContext(connection) as seen:
        oncall.who_is_on_call(first, NOW)
    ids = [rotation.pk for rotation in rotations]
    return [
        (
            f"90 days of {len(rotations)} rotations, {PEOPLE} people, {COVERS} overrides",
            _ms(lambda: oncall.plans(rotations, NOW, NOW + 90 * DAY)),
            "under 20 ms",
        ),
        ("the same, 180 days", _ms(lambda: oncall.plans(rotations, NOW, NOW + 180 * DAY)), ""),
        ("who is on call now", _ms(lambda: oncall.who_is_on_call(first, NOW)), "under 2 ms"),
        ("the same, queries", str(len(seen)), "at most 4"),
        ("who is on call now in all of them", _ms(lambda: oncall.on_call_ids(ids, NOW)), ""),
        ("calendar page, server time", _ms(_calendar(first.team_id)), "under 100 ms"),
        ("90 days of a daily rotation begun today", _ms(_days_of(2026)), ""),
        ("the same, begun 20 years ago", _ms(_days_of(2006)), "the same"),
    ]


def _make() -> list[Any]:
    """The team of the bar, with its past recorded as the worker would have."""
    from schedules.models import Override, Rotation, RotationMember, RotationWindow, Team, User
    from schedules.records import record_past

    team = Team.objects.create(name="Bench")
    people = [
        User.objects.create_user(f"p{number}@example.org", name=f"p{number}")
        for number in range(PEOPLE)
    ]
    for place, cadence in enumerate(CADENCES):
        values = {name: value for name, value in cadence.items() if name != "windows"}
        rotation = Rotation.objects.create(
            team=team,
            name=f"line {place}",
            position=place,
            starts_on=date(2006, 1, 2),
            time_zone="Europe/Berlin",
            **values,
        )
        for turn, user in enumerate(people):
            RotationMember.objects.create(rotation=rotation, user=user, position=turn)
        if "windows" in cadence:
            RotationWindow.objects.create(
                rotation=rotation, days="01234", starts=clock(9), ends=clock(17)
            )
        for number in range(COVERS // len(CADENCES)):
            begins = NOW + number * 4 * DAY
            Override.objects.create(
                rotation=rotation,
                user=people[number],
                starts_at=begins,
                ends_at=begins + timedelta(hours=12 + number),
            )
    record_past(now=NOW)
    return list(Rotation.objects.select_related("team"))


def _calendar(team: int) -> Callable[[], object]:
    """The page as an admin sees it, through all middleware; rendered by no browser."""
    from django.test import Client

    from schedules.models import User

    client = Client(HTTP_HOST="127.0.0.1")
    client.force_login(User.objects.create_superuser("admin@example.org", name="admin"))
    return lambda: client.get(f"/calendar?team={team}")


def _days_of(year: int) -> Callable[[], object]:
    from schedules import shifts

    began = date(year, NOW.month, NOW.day)
    cadence = shifts.Cadence(1, "days", began, clock(9), "Europe/Berlin", tuple(range(PEOPLE)))
    return lambda: shifts.shifts(cadence, [], NOW, NOW + 90 * DAY)


def _ms(act: Callable[[], object]) -> str:
    """The median of 50 times."""
    taken = []
    for _ in range(50):
        begun = time.perf_counter()
        act()
        taken.append(time.perf_counter() - begun)
    return f"{1000 * statistics.median(taken):.2f} ms"
