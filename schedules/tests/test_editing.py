"""Editing rotations: who is on call stays, the past stays, and the history says what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from django.db import transaction

from pagerpal.testing import NOON, at, make_rotation, make_team, make_user
from schedules import editing, oncall
from schedules.covering import cover, remove_cover
from schedules.editing import Changed, difference
from schedules.models import (
    Rotation,
    RotationMember,
    RotationWindow,
    ScheduleChange,
    User,
)
from schedules.oncall import PlannedShift
from schedules.people import switch_off
from schedules.signals import schedule_changed

pytestmark = pytest.mark.django_db

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
# Alice's turns begin on 2, 16 and 30 November, bob's on 9 and 23 November: he has it at NOON.
SPRING, AUTUMN = at("2026-03-25 12:00"), at("2026-10-21 12:00")


@pytest.fixture
def people() -> list[User]:
    return [make_user(name, ntfy=False) for name in ("alice", "bob", "carol")]


@pytest.fixture
def rotation(people: list[User]) -> Rotation:
    team = make_team("Platform", leads=tuple(people))
    return make_rotation(team, *people[:2], time_zone="Europe/Berlin", starts_on=date(2025, 12, 29))


@pytest.fixture
def told() -> Iterator[list[list[int]]]:
    found: list[list[int]] = []

    def keep(*, rotation_ids: list[int], **_: Any) -> None:
        found.append(rotation_ids)

    schedule_changed.connect(keep)
    yield found
    schedule_changed.disconnect(keep)


def edit(rotation: Rotation, now: datetime, *, by: User | None = None, **fields: Any) -> Rotation:
    """What the form does: an instance read earlier, edited, saved whole."""
    edited = Rotation.objects.get(pk=rotation.pk)
    order: list[User] | None = fields.pop("order", None)
    windows: list[tuple[str, time, time]] | None = fields.pop("windows", None)
    for name, value in fields.items():
        setattr(edited, name, value)
    with transaction.atomic():
        change = editing.begin(edited, now=now)
        edited.save()
        if order is not None:
            edited.members.all().delete()
            for place, user in enumerate(order):
                RotationMember.objects.create(rotation=edited, user=user, position=place)
        if windows is not None:
            edited.windows.all().delete()
            for days, starts, ends in windows:
                RotationWindow.objects.create(rotation=edited, days=days, starts=starts, ends=ends)
        change.finish(by=by, now=now)
    return edited


def past(rotation: Rotation, until: datetime) -> list[tuple[Any, ...]]:
    """Who was on call when in the 60 days before."""
    fresh = Rotation.objects.get(pk=rotation.pk)
    start = until - 60 * DAY
    return [
        (s.person, max(s.starts_at, start), min(s.ends_at, until), s.is_cover, s.why)
        for s in oncall.plans([fresh], start, until)[rotation.pk]
    ]


def plan(rotation: Rotation, start: datetime, weeks: int) -> list[PlannedShift]:
    fresh = Rotation.objects.get(pk=rotation.pk)
    return oncall.plans([fresh], start, start + weeks * WEEK)[rotation.pk]


Edit = Callable[[list[User]], dict[str, Any]]
EDITS: dict[str, Edit] = {
    "members": lambda people: {"order": [people[2], *people[:2]]},
    "cadence": lambda people: {"unit": "days", "every": 2},
    "hand-over time": lambda people: {"handover_time": time(14, 30)},
    "zone": lambda people: {"time_zone": "America/New_York"},
    "windows": lambda people: {"windows": [("0123456", time(7), time(22))]},
    "months": lambda people: {"unit": "months"},
    "hours": lambda people: {"unit": "hours", "every": 12},
    "start moved to the future": lambda people: {"starts_on": date(2027, 1, 4)},
    "end": lambda people: {"ends_on": date(2027, 1, 4)},
}


@pytest.mark.parametrize("edited", EDITS)
@pytest.mark.parametrize("now", [NOON, SPRING, AUTUMN])
def test_whoever_is_on_call_stays_on_call(
    edited: str, now: datetime, rotation: Rotation, people: list[User]
) -> None:
    before = oncall.who_is_on_call(rotation, now)

    edit(rotation, now, **EDITS[edited](people))

    assert before is not None
    assert oncall.who_is_on_call(Rotation.objects.get(pk=rotation.pk), now) == before
    assert oncall.on_call_ids([rotation.pk], now) == {rotation.pk: before.pk}


@pytest.mark.parametrize("edited", EDITS)
@pytest.mark.parametrize("now", [NOON, SPRING, AUTUMN])
def test_the_past_stays_as_it_was(
    edited: str, now: datetime, rotation: Rotation, people: list[User]
) -> None:
    cover(rotation, people[2], now - 3 * DAY, now + DAY, by=people[0], now=now - 3 * DAY)
    before = past(rotation, now)

    edit(rotation, now, **EDITS[edited](people))

    assert past(rotation, now) == before


def test_the_past_stays_as_it_was_through_everything_together(
    rotation: Rotation, people: list[User]
) -> None:
    alice, bob, carol = people
    night = cover(rotation, carol, NOON - 2 * DAY, NOON + DAY, by=alice, now=NOON - 2 * DAY)
    before = past(rotation, NOON)

    remove_cover(night.override, by=alice, now=NOON)
    switch_off(bob, alice, now=NOON)
    edit(rotation, NOON, order=[carol], unit="days", starts_on=date(2026, 11, 20))
    edit(rotation, NOON, is_active=False)

    assert past(rotation, NOON) == before
    for (person, starts_at, ends_at, *_), after in zip(before, past(rotation, NOON), strict=True):
        assert after[:3] == (person, starts_at, ends_at)
        fresh = Rotation.objects.get(pk=rotation.pk)
        assert oncall.who_is_on_call(fresh, starts_at) == person
        assert oncall.people_on_call([rotation.pk], starts_at) == {rotation.pk: person}


def test_after_a_change_of_members_the_turn_ends_at_the_handover(
    rotation: Rotation, people: list[User]
) -> None:
    alice, bob, carol = people

    edit(rotation, NOON, order=[carol, bob, alice])

    found = plan(rotation, NOON, 3)
    assert [shift.person for shift in found] == [bob, alice, carol, bob][: len(found)]
    assert found[0].starts_at == at("2026-11-23 09:00", "Europe/Berlin")  # whole, with its past
    assert found[0].ends_at == at("2026-11-30 09:00", "Europe/Berlin")


@pytest.mark.parametrize("now", [SPRING, AUTUMN])
def test_the_turn_ends_at_the_handover_over_summer_time(
    now: datetime, rotation: Rotation, people: list[User]
) -> None:
    [before, *_] = plan(rotation, now, 1)

    edit(rotation, now, order=[people[2], people[1], people[0]])

    [after, *_] = plan(rotation, now, 1)
    assert (after.person, after.starts_at, after.ends_at) == (
        before.person,
        before.starts_at,
        before.ends_at,
    )


def test_whoever_is_removed_is_followed_at_once(rotation: Rotation, people: list[User]) -> None:
    alice, bob, carol = people
    edit(rotation, NOON - DAY, order=[alice, bob, carol])

    edit(rotation, NOON, order=[alice, carol])

    found = plan(rotation, NOON, 1)
    assert [(shift.person, shift.starts_at) for shift in found] == [
        (carol, NOON),
        (alice, at("2026-11-30 09:00", "Europe/Berlin")),
    ]
    [duty, *_] = oncall.duties([Rotation.objects.get(pk=rotation.pk)], NOON, NOON + DAY)[
        rotation.pk
    ]
    assert (duty.person, duty.starts_at) == (carol, NOON)


def test_a_start_moved_to_the_future_keeps_the_person_until_then(
    rotation: Rotation, people: list[User]
) -> None:
    alice, bob, _ = people

    edit(rotation, NOON, starts_on=date(2026, 12, 9))

    first = at("2026-12-09 09:00", "Europe/Berlin")
    assert [(s.person, s.ends_at) for s in plan(rotation, NOON, 3)][:2] == [
        (bob, first),
        (alice, first + WEEK),
    ]
    stored = Rotation.objects.get(pk=rotation.pk)
    assert (stored.kept_user, stored.kept_until, stored.offset) == (bob, first, 0)


def test_a_form_opened_before_another_edit_does_not_undo_what_no_form_knows(
    rotation: Rotation, people: list[User]
) -> None:
    alice, bob, carol = people
    stale = Rotation.objects.get(pk=rotation.pk)
    edit(rotation, NOON - WEEK, order=[carol, alice, bob])
    known = Rotation.objects.get(pk=rotation.pk)

    with transaction.atomic():
        change = editing.begin(stale, now=NOON)
        stale.name = "first line"
        stale.save()
        change.finish(by=alice, now=NOON)

    stored = Rotation.objects.get(pk=rotation.pk)
    assert (stored.name, stored.offset) == ("first line", known.offset)
    assert stored.recorded_until == NOON
    assert stored.revision == known.revision + 1 == stale.revision


def test_a_new_rotation_has_no_past(people: list[User]) -> None:
    team = make_team()
    made = Rotation(team=team, name="new", starts_on=date(2026, 11, 2))

    with transaction.atomic():
        change = editing.begin(None, now=NOON)
        made.save()
        RotationMember.objects.create(rotation=made, user=people[0])
        change.finish(by=people[1], now=NOON, rotation=made)

    [shift] = oncall.plans([made], NOON - 30 * DAY, NOON + DAY)[made.pk]
    assert (shift.person, shift.starts_at) == (people[0], NOON)
    assert [str(line) for line in ScheduleChange.objects.filter(team=team)] == [
        "new is new: a new person every week, Mondays at 09:00 (UTC) from 2026-11-02, "
        "in the order alice."
    ]


def test_the_history_says_what_changed_and_who_did_it(
    rotation: Rotation, people: list[User], told: list[list[int]]
) -> None:
    alice, bob, carol = people

    edit(
        rotation,
        NOON,
        by=carol,
        name="first line",
        order=[alice, bob, carol],
        every=2,
        windows=[("01234", time(9), time(17))],
        ends_on=date(2027, 6, 1),
    )

    lines = ScheduleChange.objects.filter(rotation=rotation).order_by("pk")
    assert [line.text for line in lines] == [
        "primary is now called first line.",
        "first line now has a new person every 2 weeks, Mondays at 09:00 (Europe/Berlin); "
        "before: a new person every week, Mondays at 09:00 (Europe/Berlin).",
        "first line now ends on 2027-06-01; before: no day.",
        "first line now has somebody on call Mon-Fri 09:00-17:00; before: always.",
        "first line now goes by the order alice, bob, carol; before: alice, bob.",
    ]
    assert {(line.actor, line.at, line.team) for line in lines} == {(carol, NOON, rotation.team)}
    assert Rotation.objects.get(pk=rotation.pk).revision == 1
    assert told == [[rotation.pk]]


def test_saving_without_a_change_leaves_no_line_and_tells_nobody(
    rotation: Rotation, told: list[list[int]]
) -> None:
    edit(rotation, NOON)

    assert not ScheduleChange.objects.exists()
    assert told == []
    assert Rotation.objects.get(pk=rotation.pk).revision == 0


def test_a_preview_is_an_edit_that_is_rolled_back(rotation: Rotation, people: list[User]) -> None:
    before = plan(rotation, NOON, 2)

    with transaction.atomic():
        edit(rotation, NOON, order=[people[1], people[2]])
        after = plan(rotation, NOON, 2)
        transaction.set_rollback(True)

    assert plan(rotation, NOON, 2) == before
    changed = difference(before, after)
    assert [(one.before, one.after) for one in changed] == [(people[0], people[2])]
    assert changed[0].starts_at == at("2026-11-30 09:00", "Europe/Berlin")


def test_a_rotation_switched_off_for_a_while_has_a_hole_in_its_past(
    rotation: Rotation, people: list[User]
) -> None:
    edit(rotation, NOON, is_active=False)
    edit(rotation, NOON + 2 * DAY, is_active=True)

    found = plan(rotation, NOON - DAY, 1)

    assert [(shift.person, shift.starts_at, shift.ends_at) for shift in found][1:3] == [
        (people[1], at("2026-11-23 09:00", "Europe/Berlin"), NOON),
        (people[1], NOON + 2 * DAY, at("2026-11-30 09:00", "Europe/Berlin")),
    ]


# --- Differences ----------------------------------------------------------------------------------


def shift(rotation: Rotation, person: User | None, start: float, end: float) -> PlannedShift:
    return PlannedShift(rotation, person, NOON + start * DAY, NOON + end * DAY, False)


def test_a_difference_is_cut_to_where_people_differ(rotation: Rotation, people: list[User]) -> None:
    alice, bob, carol = people
    before = [shift(rotation, alice, -3, 2), shift(rotation, bob, 2, 9)]
    after = [
        shift(rotation, alice, 0, 1),
        shift(rotation, carol, 1, 3),
        shift(rotation, bob, 3, 4),
        shift(rotation, None, 4, 12),
    ]

    assert difference(before, after) == [
        Changed(NOON + DAY, NOON + 2 * DAY, alice, carol),
        Changed(NOON + 2 * DAY, NOON + 3 * DAY, bob, carol),
        Changed(NOON + 4 * DAY, NOON + 9 * DAY, bob, None),
    ]


def test_plans_that_say_the_same_do_not_differ(rotation: Rotation, people: list[User]) -> None:
    whole = [shift(rotation, people[0], 0, 9)]
    parts = [shift(rotation, people[0], 0, 4), shift(rotation, people[0], 4, 9)]

    assert difference(whole, parts) == difference(parts, whole) == difference([], []) == []


def test_a_rotation_that_is_switched_off_takes_everybody_away(
    rotation: Rotation, people: list[User]
) -> None:
    before = [shift(rotation, people[0], 0, 2), shift(rotation, None, 2, 3)]

    assert difference(before, []) == [Changed(NOON, NOON + 2 * DAY, people[0], None)]
    assert difference([], before) == [Changed(NOON, NOON + 2 * DAY, None, people[0])]


def test_a_hole_counts_as_nobody(rotation: Rotation, people: list[User]) -> None:
    before = [shift(rotation, people[0], 0, 6)]
    after = [shift(rotation, people[0], 0, 2), shift(rotation, people[0], 4, 6)]

    assert difference(before, after) == [Changed(NOON + 2 * DAY, NOON + 4 * DAY, people[0], None)]
