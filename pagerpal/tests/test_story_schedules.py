"""Two people share a pager over the night in which clocks go forward: all they are told, in order.

Nothing else may go out: the recorder fails on a message that nobody expected.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction

from notifications.health import health
from notifications.models import TeamChannel
from pagerpal.testing import (
    Recorder,
    at,
    look_around,
    make_incident,
    make_policy,
    make_rotation,
    make_team,
    make_user,
    minutes,
)
from schedules import covering, editing
from schedules.models import Rotation, User

pytestmark = pytest.mark.django_db
BERLIN = "Europe/Berlin"
TICK = minutes(60)

Act = Callable[[datetime], object]


class Week:
    """Time passes, half an hour by half an hour; what people do happens at its moment."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._acts: dict[datetime, Act] = {}
        self._down: list[tuple[datetime, datetime]] = []
        self.told: list[tuple[str, str, str]] = []

    def then(self, moment: str, act: Act) -> None:
        self._acts[at(moment, BERLIN)] = act

    def down(self, start: str, end: str) -> None:
        """No worker runs."""
        self._down.append((at(start, BERLIN), at(end, BERLIN)))

    def run(self, start: str, end: str) -> list[tuple[str, str, str]]:
        """(when, to whom, what), by the clocks of Berlin."""
        now = at(start, BERLIN)
        while now < at(end, BERLIN):
            if act := self._acts.pop(now, None):
                act(now)
            if not any(begins <= now < ends for begins, ends in self._down):
                look_around(now)
                assert health(now) == []
            local = now.astimezone(ZoneInfo(BERLIN))
            # What is due at once goes out in no particular order.
            sent = sorted(self._recorder.take_all(), key=lambda one: one[1])
            for _, address, message in sent:
                self.told.append((f"{local:%a %d %H:%M}", address, message.title))
            now += TICK
        assert not self._acts
        return self.told


@pytest.fixture
def ann() -> User:
    return make_user("ann", time_zone=BERLIN)


@pytest.fixture
def ben() -> User:
    """Lives in New York, where clocks have gone forward two weeks before."""
    return make_user("ben", time_zone="America/New_York", remind_hours=36)


@pytest.fixture
def rotation(ann: User, ben: User) -> Rotation:
    """Weeks from Monday to Monday, the last of them ends on Friday: somebody has forgotten."""
    team = make_team("Platform", ben, leads=(ann,), time_zone=BERLIN)
    made = make_rotation(
        team, ben, ann, time_zone=BERLIN, starts_on=date(2027, 3, 15), ends_on=date(2027, 4, 2)
    )
    make_policy(team, made)
    TeamChannel.objects.create(
        team=team, name="#ops", channel="ntfy", address="ops-room", wants_handovers=True
    )
    return made


def go_on_for_ever(rotation: Rotation, by: User) -> Act:
    def act(now: datetime) -> None:
        with transaction.atomic():
            change = editing.begin(rotation, now=now)
            rotation.ends_on = None
            rotation.save(update_fields=["ends_on"])
            change.finish(by=by, now=now)

    return act


def covered(rotation: Rotation, user: User, start: str, end: str) -> Act:
    starts_at, ends_at = at(start, BERLIN), at(end, BERLIN)

    def act(now: datetime) -> None:
        covering.cover(rotation, user, starts_at, ends_at, by=user, now=now)

    return act


def test_two_weeks_of_two_people(
    rotation: Rotation, ann: User, ben: User, recorder: Recorder
) -> None:
    week = Week(recorder)
    week.down("2027-03-21 08:00", "2027-03-21 11:00")
    # Ann goes to the theatre on Thursday; ben takes the evening and the night.
    week.then(
        "2027-03-24 14:00",
        covered(rotation, ben, "2027-03-25 20:00", "2027-03-26 08:00"),
    )
    week.then(
        "2027-03-29 03:00",
        lambda now: make_incident(
            rotation.team, title="Slow", state="acknowledged", owner=ann, now=now
        ),
    )
    week.then("2027-03-30 10:00", go_on_for_ever(rotation, ann))

    told = week.run("2027-03-20 12:00", "2027-04-02 12:00")

    gap = "Platform: nobody would be paged at some time in the next 7 days"
    assert told == [
        # A day before, but no worker ran at nine.
        ("Sun 21 11:00", "topic-ann", "On call from Mon 22 Mar 09:00: Platform"),
        ("Mon 22 09:00", "ops-room", "ann is on call for Platform until Mon 29 Mar 09:00"),
        ("Mon 22 09:00", "topic-ann", "You are on call for Platform until Mon 29 Mar 09:00"),
        # Ben wants 36 hours, and has 30 left. In New York it is five hours earlier.
        ("Wed 24 14:00", "topic-ben", "On call from Thu 25 Mar 15:00: Platform"),
        ("Thu 25 08:00", "topic-ann", "On call from Fri 26 Mar 08:00: Platform"),
        ("Thu 25 20:00", "ops-room", "ben is on call for Platform until Fri 26 Mar 08:00"),
        ("Thu 25 20:00", "topic-ben", "You are on call for Platform until Fri 26 Mar 03:00"),
        ("Fri 26 08:00", "ops-room", "ann is on call for Platform until Mon 29 Mar 09:00"),
        ("Fri 26 08:00", "topic-ann", "You are on call for Platform until Mon 29 Mar 09:00"),
        ("Fri 26 09:00", "topic-ann", gap),
        ("Sat 27 09:00", "topic-ann", gap),
        # 36 elapsed hours before Monday, nine o'clock of summer.
        ("Sat 27 20:00", "topic-ben", "On call from Mon 29 Mar 03:00: Platform"),
        ("Sun 28 09:00", "topic-ann", gap),
        ("Mon 29 09:00", "ops-room", "ben is on call for Platform until Fri 2 Apr 09:00"),
        ("Mon 29 09:00", "topic-ann", gap),
        ("Mon 29 09:00", "topic-ben", "You are on call for Platform until Fri 2 Apr 03:00"),
        ("Tue 30 09:00", "topic-ann", gap),
        # From ten o'clock on there is no gap, and ben's shift goes on.
    ]


def test_the_words_of_a_hand_over_in_the_night_of_the_change(
    rotation: Rotation, recorder: Recorder, ann: User
) -> None:
    make_incident(rotation.team, title="Slow", state="acknowledged", owner=ann)
    look_around(at("2027-03-27 20:00", BERLIN))
    reminder = recorder.take("topic-ben")
    recorder.take("topic-ann")  # of the gap

    look_around(at("2027-03-29 09:00", BERLIN) + timedelta(seconds=5))
    note = recorder.take("topic-ben")
    recorder.take("ops-room")
    recorder.take("topic-ann")

    assert reminder.body.splitlines() == [
        "Your shift in Platform: primary starts Mon 29 Mar 03:00 and ends Fri 2 Apr 03:00 "
        "(America/New_York).",
        "ann hands over to you.",
    ]
    assert note.body.splitlines() == [
        "Platform: primary until Fri 2 Apr 03:00 (America/New_York).",
        "ann hands over.",
        f"Open incidents: #{rotation.team.incidents.get().pk} Slow.",
    ]
