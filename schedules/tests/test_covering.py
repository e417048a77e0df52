"""Covering, changing and removing a cover: who may, what is refused, what the history says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection

from pagerpal.testing import NOON, at, make_admin, make_rotation, make_team, make_user
from schedules import oncall
from schedules.covering import Refused, change_cover, cover, may_cover, remove_cover
from schedules.models import Membership, Override, Rotation, ScheduleChange, ShiftRecord, User
from schedules.signals import schedule_changed

pytestmark = pytest.mark.django_db

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def people() -> list[User]:
    return [make_user(name, ntfy=False) for name in ("alice", "bob", "carol")]


@pytest.fixture
def rotation(people: list[User]) -> Rotation:
    """Bob's week began at 09:00 in Berlin; carol is in the team, not in the order."""
    team = make_team("Platform", *people)
    return make_rotation(team, *people[:2], time_zone="Europe/Berlin")


@pytest.fixture
def told() -> Iterator[list[tuple[list[int], bool]]]:
    found: list[tuple[list[int], bool]] = []

    def keep(*, rotation_ids: list[int], **_: Any) -> None:
        found.append((rotation_ids, connection.in_atomic_block))

    schedule_changed.connect(keep)
    yield found
    schedule_changed.disconnect(keep)


def lines() -> list[str]:
    return [line.text for line in ScheduleChange.objects.order_by("pk")]


def test_a_cover_puts_the_person_on_call(
    rotation: Rotation, people: list[User], told: list[Any]
) -> None:
    alice, bob, carol = people

    covered = cover(rotation, carol, NOON + DAY, NOON + 2 * DAY, by=alice, now=NOON)

    assert covered.overlaps == []
    assert covered.override.created_by == alice
    assert oncall.who_is_on_call(rotation, NOON + DAY) == carol
    assert oncall.who_is_on_call(rotation, NOON + 2 * DAY) == bob
    assert lines() == [
        "carol covers primary from Tue 24 Nov 2026 13:00 to Wed 25 Nov 2026 13:00 (Europe/Berlin)."
    ]
    assert told == [([rotation.pk], True)]
    assert Rotation.objects.get().revision == 1


@pytest.mark.parametrize("day", [date(2026, 3, 28), date(2026, 10, 24)])
def test_a_cover_over_a_clock_change_is_told_in_local_times(
    day: date, rotation: Rotation, people: list[User]
) -> None:
    start = at(f"{day} 20:00", "Europe/Berlin")
    end = at(f"{day + DAY} 08:00", "Europe/Berlin")

    cover(rotation, people[2], start, end, by=people[0], now=start - DAY)

    assert f"{day:%d %b %Y} 20:00 to" in lines()[0]
    assert f"{day + DAY:%d %b %Y} 08:00 (" in lines()[0]


def test_a_cover_that_has_begun_holds_from_now_on(rotation: Rotation, people: list[User]) -> None:
    """The dates of the shift in progress are filled in on the calendar."""
    alice, bob, carol = people

    override = cover(rotation, carol, NOON - DAY, NOON + DAY, by=alice, now=NOON).override

    assert override.starts_at == NOON
    assert oncall.who_is_on_call(Rotation.objects.get(), NOON - HOUR) == bob


def test_overlaps_are_named_and_the_later_one_wins(rotation: Rotation, people: list[User]) -> None:
    alice, bob, carol = people
    first = cover(rotation, alice, NOON, NOON + 2 * DAY, by=alice, now=NOON).override
    cover(rotation, bob, NOON + 3 * DAY, NOON + 4 * DAY, by=alice, now=NOON)

    second = cover(rotation, carol, NOON + DAY, NOON + 3 * DAY, by=bob, now=NOON)

    assert second.overlaps == [first]
    assert oncall.who_is_on_call(rotation, NOON + DAY + HOUR) == carol


def test_the_later_one_wins_by_whatever_clock(rotation: Rotation, people: list[User]) -> None:
    """The clock of another machine may be behind."""
    alice, bob, carol = people
    cover(rotation, alice, NOON + DAY, NOON + 2 * DAY, by=alice, now=NOON)

    cover(rotation, carol, NOON + DAY, NOON + 2 * DAY, by=bob, now=NOON - timedelta(seconds=2))

    assert oncall.who_is_on_call(rotation, NOON + DAY) == carol


def test_nobody_on_purpose_is_no_gap(rotation: Rotation, people: list[User]) -> None:
    cover(rotation, None, NOON + DAY, NOON + 2 * DAY, by=people[0], now=NOON)

    [_, nobody, _] = oncall.plans([rotation], NOON, NOON + 3 * DAY)[rotation.pk]
    assert (nobody.person, nobody.why, nobody.is_gap) == (None, "cover", False)
    assert nobody.instead_of == (people[1],)
    assert lines()[0].startswith("Nobody, on purpose, covers primary from")


@pytest.mark.parametrize(
    ("start", "end", "sentence"),
    [
        (-2 * DAY, -DAY, "That time is over already."),
        (-DAY, timedelta(0), "That time is over already."),
        (2 * DAY, DAY, "A cover must end after it starts."),
        (DAY, DAY, "A cover must end after it starts."),
        (DAY, 368 * DAY, "A cover lasts at most 366 days."),
        (DAY, 28000 * DAY, "Give times between 2000 and 2100."),
    ],
)
def test_impossible_times_are_refused_in_one_sentence(
    start: timedelta, end: timedelta, sentence: str, rotation: Rotation, people: list[User]
) -> None:
    with pytest.raises(Refused) as refused:
        cover(rotation, people[2], NOON + start, NOON + end, by=people[0], now=NOON)

    assert refused.value.message == sentence
    assert not Override.objects.exists()
    assert lines() == []


def test_people_who_cannot_cover_are_refused(rotation: Rotation, people: list[User]) -> None:
    stranger = make_user("stan", ntfy=False)
    off = make_user("olga", ntfy=False, is_active=False)
    Membership.objects.create(team=rotation.team, user=off)

    for user, sentence in (
        (stranger, "stan is not in team Platform."),
        (off, "olga is switched off."),
    ):
        with pytest.raises(Refused, match=sentence):
            cover(rotation, user, NOON + DAY, NOON + 2 * DAY, by=people[0], now=NOON)


def test_leads_and_responders_may_cover_in_their_team_and_admins_everywhere(
    rotation: Rotation, people: list[User]
) -> None:
    other = make_rotation(make_team("Web"), name="web")
    observer = make_user("olaf", ntfy=False)
    Membership.objects.create(team=rotation.team, user=observer, role=Membership.Role.OBSERVER)
    gone = make_user("gus", ntfy=False, is_active=False, is_superuser=True)

    assert may_cover(people[0], rotation)
    assert may_cover(make_admin(), other)
    assert not may_cover(people[0], other)
    assert not may_cover(observer, rotation)
    assert not may_cover(gone, rotation)
    with pytest.raises(Refused, match="Only the team's leads and responders"):
        cover(rotation, people[0], NOON + DAY, NOON + 2 * DAY, by=observer, now=NOON)


def test_a_changed_cover_keeps_its_place_in_the_order_of_creation(
    rotation: Rotation, people: list[User]
) -> None:
    alice, bob, carol = people
    first = cover(rotation, alice, NOON, NOON + DAY, by=alice, now=NOON).override
    cover(rotation, bob, NOON + DAY, NOON + 2 * DAY, by=alice, now=NOON)

    changed = change_cover(first, carol, NOON, NOON + 2 * DAY, by=bob, now=NOON)

    assert len(changed.overlaps) == 1
    assert oncall.who_is_on_call(rotation, NOON) == carol
    assert oncall.who_is_on_call(rotation, NOON + DAY) == bob
    assert lines()[-1] == (
        "carol covers primary from Mon 23 Nov 2026 13:00 to Wed 25 Nov 2026 13:00 (Europe/Berlin); "
        "before: alice covers primary from Mon 23 Nov 2026 13:00 to Tue 24 Nov 2026 13:00 "
        "(Europe/Berlin)."
    )


def test_a_cover_in_progress_keeps_what_was(rotation: Rotation, people: list[User]) -> None:
    alice, bob, carol = people
    override = cover(rotation, carol, NOON, NOON + DAY, by=alice, now=NOON).override
    later = NOON + 6 * HOUR

    changed = change_cover(override, alice, NOON - HOUR, NOON + 2 * DAY, by=bob, now=later).override

    fresh = Rotation.objects.get()
    assert changed.starts_at == NOON
    assert oncall.who_is_on_call(fresh, NOON + HOUR) == carol
    assert oncall.who_is_on_call(fresh, later) == alice


def test_a_removed_cover_leaves_what_was(rotation: Rotation, people: list[User]) -> None:
    alice, bob, carol = people
    override = cover(rotation, carol, NOON, NOON + DAY, by=alice, now=NOON).override

    remove_cover(override, by=bob, now=NOON + HOUR)

    fresh = Rotation.objects.get()
    assert oncall.who_is_on_call(fresh, NOON) == carol
    assert oncall.who_is_on_call(fresh, NOON + HOUR) == bob
    assert lines()[-1].startswith("Removed: carol covers primary from Mon 23 Nov 2026 13:00")
    assert ShiftRecord.objects.get(is_cover=True).instead_of == [bob.pk]


def test_a_cover_that_is_over_or_gone_is_refused(rotation: Rotation, people: list[User]) -> None:
    alice, bob, carol = people
    override = cover(rotation, carol, NOON, NOON + DAY, by=alice, now=NOON).override

    with pytest.raises(Refused, match="This cover is over"):
        change_cover(override, bob, NOON, NOON + 3 * DAY, by=alice, now=NOON + DAY)
    with pytest.raises(Refused, match="This cover is over"):
        remove_cover(override, by=alice, now=NOON + DAY)
    remove_cover(override, by=alice, now=NOON)
    with pytest.raises(Refused, match="removed meanwhile"):
        remove_cover(override, by=alice, now=NOON)
    with pytest.raises(Refused, match="removed meanwhile"):
        change_cover(override, bob, NOON, NOON + DAY, by=alice, now=NOON)


def test_a_stranger_may_not_remove_a_cover(rotation: Rotation, people: list[User]) -> None:
    override = cover(rotation, None, NOON, NOON + DAY, by=people[0], now=NOON).override

    with pytest.raises(Refused, match="Only the team's"):
        remove_cover(override, by=make_user("stan", ntfy=False), now=NOON)

    assert Override.objects.exists()


def test_nothing_is_kept_of_a_cover_whose_listeners_fail(
    rotation: Rotation, people: list[User]
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError

    schedule_changed.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            cover(rotation, people[2], NOON, NOON + DAY, by=people[0], now=NOON)
    finally:
        schedule_changed.disconnect(fail)

    assert not Override.objects.exists()
    assert Rotation.objects.get().revision == 0
