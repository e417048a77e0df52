"""One reminder for each person before each of their duties, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from notifications import reminders
from notifications.channels.base import SendError
from notifications.health import health
from notifications.models import Notification
from notifications.tests.pages import rows, send_all
from pagerpal.testing import NOON, Recorder, at, make_rotation, make_team, make_user, minutes
from schedules import people
from schedules.models import Override, Rotation, RotationMember, Team, User
from schedules.signals import person_left, schedule_changed

pytestmark = pytest.mark.django_db

# alice is on call from 23 November, bob from the 30th, alice again from 7 December; 09:00 UTC.
SHIFT = at("2026-11-30 09:00")
DUE = SHIFT - timedelta(hours=24)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def team(alice: User, bob: User) -> Team:
    return make_team("Platform", alice, bob)


@pytest.fixture
def rotation(team: Team, alice: User, bob: User) -> Rotation:
    return make_rotation(team, bob, alice)


def run(now: datetime) -> None:
    reminders.plan(now)
    send_all(now)


def cover(rotation: Rotation, user: User | None, start: datetime, end: datetime) -> Override:
    return Override.objects.create(rotation=rotation, user=user, starts_at=start, ends_at=end)


def changed(rotation: Rotation, now: datetime) -> None:
    """What whoever edits a schedule does at the end of it."""
    with transaction.atomic():
        schedule_changed.send(sender=Rotation, rotation_ids=[rotation.pk], now=now)


def to_come() -> list[tuple[str, str]]:
    """Whom for which start."""
    return [(row.recipient, row.key.split("/")[2]) for row in rows(state="pending")]


def test_it_comes_a_day_before_the_shift_and_says_all_about_it(
    rotation: Rotation, recorder: Recorder
) -> None:
    run(DUE - minutes(1))
    recorder.expect_none()

    run(DUE)

    message = recorder.take("topic-bob")
    assert message.title == "On call from Mon 30 Nov 09:00: Platform"
    assert "ends Mon 7 Dec 09:00 (UTC)" in message.body
    assert "alice hands over to you." in message.body
    assert message.open_url.endswith(f"/calendar?team={rotation.team_id}")


def test_it_is_written_shortly_before_it_is_due_and_that_is_no_trouble(
    rotation: Rotation,
) -> None:
    reminders.plan(DUE - hours(2))
    assert not rows()

    reminders.plan(DUE - minutes(59))

    (row,) = rows()
    assert (row.state, row.due_at, row.void_at) == ("pending", DUE, SHIFT)
    assert row.key == f"reminder:{rotation.pk}/{row.user_id}/2026-11-30T09:00:00Z/0"
    assert health(DUE - minutes(59)) == []


def test_there_is_one_however_often_it_is_planned(rotation: Rotation, recorder: Recorder) -> None:
    for number in range(50):
        run(DUE - hours(1) + number * minutes(30))

    recorder.take("topic-bob")


def test_each_shift_has_its_own(rotation: Rotation, recorder: Recorder) -> None:
    for day in range(21):
        run(DUE + timedelta(days=day))

    got = [(to, message.title) for _, to, message in recorder.take_all()]
    assert got == [
        ("topic-bob", "On call from Mon 30 Nov 09:00: Platform"),
        ("topic-alice", "On call from Mon 7 Dec 09:00: Platform"),
        ("topic-bob", "On call from Mon 14 Dec 09:00: Platform"),
    ]


@pytest.mark.parametrize(("wanted", "sent_at"), [(1, SHIFT - hours(1)), (168, SHIFT - hours(168))])
def test_each_person_says_how_long_before(
    rotation: Rotation, recorder: Recorder, bob: User, wanted: int, sent_at: datetime
) -> None:
    User.objects.update(remind_hours=0)
    User.objects.filter(pk=bob.pk).update(remind_hours=wanted)

    run(sent_at - minutes(1))
    recorder.expect_none()
    run(sent_at)

    recorder.take("topic-bob")


def test_who_wants_none_gets_none(rotation: Rotation, recorder: Recorder, bob: User) -> None:
    User.objects.update(remind_hours=0)

    run(DUE)

    assert not rows()


def test_late_but_before_the_shift_when_the_worker_was_down(
    rotation: Rotation, recorder: Recorder
) -> None:
    run(SHIFT - minutes(1))

    recorder.take("topic-bob")
    assert health(SHIFT - minutes(1)) == []


def test_nothing_is_said_once_the_shift_has_begun(rotation: Rotation, recorder: Recorder) -> None:
    reminders.plan(DUE - minutes(1))

    run(SHIFT)

    assert [row.state for row in rows()] == ["cancelled"]


def test_a_shift_that_continues_reminds_nobody(
    team: Team, alice: User, bob: User, recorder: Recorder
) -> None:
    make_rotation(team, alice, alice, bob, name="twice")
    make_rotation(team, alice, name="always")

    for day in range(20):  # alice from 2 November for two weeks, bob from the 16th, alice the 23rd
        run(at("2026-11-02 10:00") + timedelta(days=day))

    got = [(to, message.title) for _, to, message in recorder.take_all()]
    assert got == [("topic-bob", "On call from Mon 16 Nov 09:00: Platform")]


def test_the_first_shift_ever_has_nobody_who_hands_over(
    team: Team, bob: User, recorder: Recorder
) -> None:
    make_rotation(team, bob, starts_on=SHIFT.date())

    run(DUE)

    body = recorder.take("topic-bob").body
    assert "hands over" not in body
    assert "has no end planned" in body


def test_who_was_on_before_the_weekend_hands_over(rotation: Rotation, recorder: Recorder) -> None:
    rotation.windows.create(days="01234", starts=time(9), ends=time(17))

    run(DUE)

    assert "alice hands over to you." in recorder.take("topic-bob").body


def test_nobody_hands_over_after_a_gap(rotation: Rotation, recorder: Recorder) -> None:
    cover(rotation, None, SHIFT - hours(2), SHIFT)

    run(DUE)

    assert "hands over" not in recorder.take("topic-bob").body


def test_safe_mode_holds_it(rotation: Rotation) -> None:
    run(DUE)

    assert [row.state for row in rows()] == ["held"]
    assert "alice hands over to you." in (rows()[0].rendered or {})["body"]


@pytest.mark.parametrize(
    ("now", "shift"),
    [
        # Clocks go forward in the night: 24 elapsed hours before 09:00 are 08:00 on the day before.
        ("2027-03-27 08:00", "Sun 28 Mar 09:00"),
        # Clocks go back: 24 elapsed hours before 09:00 are 10:00 on the day before.
        ("2027-10-30 10:00", "Sun 31 Oct 09:00"),
    ],
)
def test_hours_are_elapsed_hours_over_a_change_of_clocks(
    recorder: Recorder, now: str, shift: str
) -> None:
    zone = "Europe/Berlin"
    both = [make_user(name, time_zone=zone) for name in ("ann", "ben")]
    due = at(now, zone)
    make_rotation(make_team("Ops", *both), *both, unit="days", time_zone=zone)

    run(due - minutes(1))
    before = [message.title for _, _, message in recorder.take_all()]
    run(due)

    after = [message.title for _, _, message in recorder.take_all()]
    assert after == [f"On call from {shift}: Ops"]
    assert after[0] not in before


# --- Edits ---------------------------------------------------------------------------------------
def test_an_edit_cancels_what_has_not_gone_out_and_writes_the_new(
    rotation: Rotation, alice: User, recorder: Recorder
) -> None:
    reminders.plan(DUE - minutes(30))

    cover(rotation, alice, SHIFT - hours(3), SHIFT + hours(4))
    changed(rotation, DUE - minutes(20))

    assert to_come() == []  # alice continues, and bob's now begins at 13:00
    assert [row.outcome for row in rows(state="cancelled")] == ["this shift is gone"]
    run(SHIFT + hours(4) - hours(24))
    assert recorder.take("topic-bob").title == "On call from Mon 30 Nov 13:00: Platform"


def test_another_person_in_the_same_shift_is_reminded_instead(
    rotation: Rotation, recorder: Recorder
) -> None:
    carol = make_user("carol")
    reminders.plan(DUE - minutes(30))

    cover(rotation, carol, SHIFT, SHIFT + timedelta(days=7))
    changed(rotation, DUE - minutes(20))

    assert to_come() == [("carol", "2026-11-30T09:00:00Z")]
    run(DUE)
    recorder.take("topic-carol")


def test_a_shift_that_an_edit_creates_within_the_day_is_reminded_of_at_once(
    rotation: Rotation, recorder: Recorder
) -> None:
    carol, now = make_user("carol"), DUE - timedelta(days=3)
    cover(rotation, carol, now + hours(2), now + hours(5))

    changed(rotation, now)
    send_all(now)

    # Whoever comes back after the cover comes on anew.
    got = [(to, message.title) for _, to, message in recorder.take_all()]
    assert sorted(got) == [
        ("topic-alice", "On call from Thu 26 Nov 14:00: Platform"),
        ("topic-carol", "On call from Thu 26 Nov 11:00: Platform"),
    ]
    assert health(now) == []


def test_an_edit_that_is_taken_back_brings_the_reminder_back(
    rotation: Rotation, recorder: Recorder
) -> None:
    reminders.plan(DUE - minutes(30))
    override = cover(rotation, None, SHIFT, SHIFT + timedelta(days=7))
    changed(rotation, DUE - minutes(20))
    assert to_come() == []

    override.delete()
    changed(rotation, DUE - minutes(10))
    run(DUE)

    recorder.take("topic-bob")


def test_who_was_reminded_is_not_reminded_again_when_the_start_moves_later(
    rotation: Rotation, alice: User, recorder: Recorder
) -> None:
    run(DUE)
    recorder.take("topic-bob")

    cover(rotation, alice, SHIFT - hours(1), SHIFT + hours(6))
    changed(rotation, DUE + hours(1))
    for number in range(40):
        run(DUE + hours(1 + number))

    assert [row.recipient for row in rows()] == ["bob"]


def test_who_was_reminded_is_reminded_again_when_the_start_moves_earlier(
    rotation: Rotation, bob: User, recorder: Recorder
) -> None:
    run(DUE)
    recorder.take("topic-bob")

    cover(rotation, bob, SHIFT - hours(6), SHIFT)
    changed(rotation, DUE + hours(1))
    send_all(DUE + hours(1))

    assert recorder.take("topic-bob").title == "On call from Mon 30 Nov 03:00: Platform"


def test_who_comes_back_in_mid_shift_is_reminded_of_that_too(
    rotation: Rotation, alice: User, recorder: Recorder
) -> None:
    run(DUE)
    recorder.take("topic-bob")
    back = SHIFT + timedelta(days=2)

    cover(rotation, alice, back - hours(5), back)
    changed(rotation, DUE + hours(1))
    for number in range(100):
        run(DUE + hours(1 + number))

    got = [(to, message.title) for _, to, message in recorder.take_all()]
    assert (
        got
        == [
            ("topic-alice", "On call from Wed 2 Dec 04:00: Platform"),
            ("topic-bob", "On call from Wed 2 Dec 09:00: Platform"),
            ("topic-alice", "On call from Mon 7 Dec 09:00: Platform"),
        ][: len(got)]
    )
    assert len(got) == 2


def test_a_shift_after_one_that_was_taken_away_has_its_own_reminder(
    rotation: Rotation, alice: User, recorder: Recorder
) -> None:
    run(DUE)
    recorder.take("topic-bob")
    cover(rotation, alice, SHIFT, SHIFT + timedelta(days=7))
    changed(rotation, DUE + hours(1))

    run(DUE + timedelta(days=14))

    assert recorder.take("topic-bob").title == "On call from Mon 14 Dec 09:00: Platform"


def test_what_waits_follows_a_change_of_its_text_or_of_its_time(
    rotation: Rotation, bob: User, recorder: Recorder
) -> None:
    User.objects.filter(pk=bob.pk).update(remind_hours=25)
    make_user("carol")
    reminders.plan(DUE - minutes(90))
    assert [row.due_at for row in rows()] == [DUE - hours(1)]

    User.objects.filter(pk=bob.pk).update(remind_hours=24)
    cover(rotation, None, SHIFT - hours(1), SHIFT)
    reminders.plan(DUE - minutes(70))
    gone = [row.state for row in rows()]
    reminders.plan(DUE - minutes(59))

    assert gone == ["cancelled"]  # an hour and more before its time it is not written yet
    assert [(row.due_at, row.context["hands_over"]) for row in rows(state="pending")] == [(DUE, "")]


def test_a_person_in_reserve_stays_in_reserve_when_the_text_changes(
    rotation: Rotation, bob: User
) -> None:
    bob.contact_methods.create(channel="email", address="bob@example.org")
    reminders.plan(DUE - minutes(30))

    Rotation.objects.update(name="first")
    reminders.plan(DUE - minutes(29))

    assert [(row.due_at, row.context["rotation"]) for row in rows()] == [
        (DUE, "first"),
        (SHIFT, "first"),
    ]


@pytest.mark.parametrize("what", ["rotation", "team"])
def test_what_is_switched_off_reminds_nobody(rotation: Rotation, team: Team, what: str) -> None:
    reminders.plan(DUE - minutes(30))

    (Rotation if what == "rotation" else Team).objects.update(is_active=False)
    reminders.plan(DUE - minutes(20))

    assert [row.state for row in rows()] == ["cancelled"]


def test_who_leaves_is_told_nothing_any_more(rotation: Rotation, bob: User, team: Team) -> None:
    reminders.plan(DUE - minutes(30))

    person_left.send(sender=User, user=bob, team=make_team("Others"), now=DUE)
    before = [row.state for row in rows()]
    person_left.send(sender=User, user=bob, team=team, now=DUE)

    assert before == ["pending"]
    assert [(row.state, row.outcome) for row in rows()] == [("cancelled", "bob has left")]


def test_whoever_takes_over_from_a_person_who_leaves_is_reminded_instead(
    rotation: Rotation, alice: User, bob: User, recorder: Recorder
) -> None:
    carol = make_user("carol")
    rotation.team.memberships.create(user=carol)
    reminders.plan(DUE - minutes(30))

    people.switch_off(bob, alice, now=DUE - minutes(20), successor=carol)

    assert to_come() == [("carol", "2026-11-30T09:00:00Z")]
    run(DUE)
    recorder.take("topic-carol")


def test_an_edit_is_kept_even_if_its_reminders_fail(
    rotation: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(reminders, "_changes", fail)

    with transaction.atomic():
        RotationMember.objects.all().delete()
        schedule_changed.send(sender=Rotation, rotation_ids=[rotation.pk], now=DUE)

    assert not RotationMember.objects.exists()


# --- What it costs -------------------------------------------------------------------------------
def test_where_nothing_is_to_be_done_little_is_asked_and_nothing_written(
    team: Team, alice: User, bob: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        make_rotation(team, alice, bob, name=f"number {number}")
    reminders.plan(DUE)

    with django_assert_max_num_queries(14) as seen:
        reminders.plan(DUE)

    asked = [query["sql"].lstrip("(") for query in seen.captured_queries]
    assert all(sql.startswith("SELECT") for sql in asked)


# --- Failures, and two at once -------------------------------------------------------------------
def test_whom_the_first_address_does_not_reach_the_second_one_does(
    rotation: Rotation, bob: User, recorder: Recorder
) -> None:
    bob.contact_methods.create(channel="email", address="bob@example.org")
    recorder.broken["ntfy"] = SendError("HTTP 500")

    run(DUE)
    recorder.broken.clear()
    for number in range(30):
        run(DUE + number * minutes(1))

    recorder.take("bob@example.org", "email")


def at_once(*calls: Callable[[], object]) -> None:
    start = threading.Barrier(len(calls))

    def work(call: Callable[[], object]) -> None:
        try:
            start.wait(10)
            call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        for future in [pool.submit(work, call) for call in calls]:
            future.result(30)


@pytest.mark.django_db(transaction=True)
def test_two_workers_and_an_edit_at_once_make_one_reminder(
    team: Team, alice: User, bob: User, recorder: Recorder
) -> None:
    made = [make_rotation(team, bob, alice, name=f"number {number}") for number in range(5)]

    at_once(
        lambda: run(DUE),
        lambda: run(DUE),
        *(lambda one=one: changed(one, DUE) for one in made[:2]),
    )
    run(DUE)

    assert len(recorder.take_all()) == 5
    assert Notification.objects.count() == 5


def test_noon_is_no_special_time(rotation: Rotation) -> None:
    run(NOON)

    assert not rows()
