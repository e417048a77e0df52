"""The note to whoever comes on, at the hand-over itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from incidents import handovers
from notifications.models import Notification, TeamChannel
from pagerpal.testing import (
    Recorder,
    at,
    make_incident,
    make_rotation,
    make_team,
    make_user,
    minutes,
    run_worker,
    seconds,
)
from schedules.models import Override, Rotation, Team, User

pytestmark = pytest.mark.django_db

# alice is on call from 23 November, bob from the 30th; 09:00 UTC.
HANDOVER = at("2026-11-30 09:00")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def team(bob: User) -> Team:
    return make_team("Platform", make_user("alice"), bob)


@pytest.fixture
def rotation(team: Team, bob: User) -> Rotation:
    return make_rotation(team, bob, team.members.get(name="alice"))


@pytest.fixture
def room(team: Team) -> TeamChannel:
    return TeamChannel.objects.create(
        team=team, name="#ops", channel="ntfy", address="ops-room", wants_handovers=True
    )


def tell(now: datetime) -> None:
    handovers.tell(now)
    run_worker(now)


def cover(rotation: Rotation, user: User | None, start: datetime, end: datetime) -> Override:
    return Override.objects.create(rotation=rotation, user=user, starts_at=start, ends_at=end)


def test_whoever_comes_on_is_told_at_that_moment_and_once(
    rotation: Rotation, recorder: Recorder, settings: Any
) -> None:
    tell(HANDOVER - seconds(1))
    recorder.expect_none()

    for number in range(300):
        tell(HANDOVER + number * seconds(30))

    message = recorder.take("topic-bob")
    assert message.title == "You are on call for Platform until Mon 7 Dec 09:00"
    assert message.body.splitlines()[1:] == ["alice hands over.", "No open incidents."]
    assert message.open_url == f"{settings.PAGERPAL_BASE_URL}/incidents?team={rotation.team_id}"
    assert message.priority == 3


def test_it_names_the_teams_open_incidents_the_worst_first(
    rotation: Rotation, team: Team, recorder: Recorder
) -> None:
    soon: dict[str, Any] = {"now": HANDOVER - minutes(30), "urgency": "none"}
    make_incident(make_team("Others"), title="Not theirs", **soon)
    make_incident(team, title="Over", state="resolved", **soon)
    make_incident(team, title="A test", is_test=True, **soon)
    slow = make_incident(team, title="Slow", severity="warning", **soon)
    full = make_incident(team, title="Disk full", severity="critical", **soon)

    tell(HANDOVER)

    body = recorder.take("topic-bob").body
    assert f"Open incidents: #{full.pk} Disk full, #{slow.pk} Slow." in body


def test_a_discreet_team_hears_only_how_bad_it_is(team: Team, rotation: Rotation) -> None:
    Team.objects.update(is_discreet=True)
    incident = make_incident(team, title="Disk full", severity="critical")

    handovers.tell(HANDOVER)

    context = Notification.objects.get().context
    assert context["incidents"] == [f"#{incident.pk} critical"]


def test_of_many_incidents_ten_are_named(
    rotation: Rotation, team: Team, recorder: Recorder
) -> None:
    for number in range(13):
        make_incident(team, title=f"Number {number}", urgency="none")

    tell(HANDOVER)

    body = recorder.take("topic-bob").body
    assert body.count("#") == 10
    assert "and 3 more." in body


def test_the_teams_channels_that_want_it_are_told_too(
    rotation: Rotation, room: TeamChannel, recorder: Recorder
) -> None:
    quiet = {"channel": "ntfy", "team": room.team}
    TeamChannel.objects.create(name="quiet", address="quiet", **quiet)
    TeamChannel.objects.create(
        name="off", address="off", wants_handovers=True, is_on=False, **quiet
    )

    for number in range(5):
        tell(HANDOVER + number * minutes(1))

    assert recorder.take("ops-room").title == "bob is on call for Platform until Mon 7 Dec 09:00"
    recorder.take("topic-bob")


def test_who_wants_no_note_gets_none_but_the_channel_does(
    rotation: Rotation, room: TeamChannel, recorder: Recorder
) -> None:
    User.objects.update(wants_handover_note=False)

    tell(HANDOVER)

    recorder.take("ops-room")


def test_a_shift_that_continues_tells_nobody(team: Team, bob: User, recorder: Recorder) -> None:
    make_rotation(team, bob)
    make_rotation(team, bob, bob, unit="days", name="twice")

    tell(HANDOVER)

    assert not Notification.objects.exists()


@pytest.mark.parametrize(("late", "is_told"), [(119, True), (120, False)])
def test_after_the_worker_was_down_it_is_told_up_to_two_hours_late(
    rotation: Rotation, recorder: Recorder, late: int, is_told: bool
) -> None:
    tell(HANDOVER + minutes(late))

    if is_told:
        recorder.take("topic-bob")
    assert Notification.objects.exists() is is_told


def test_nothing_is_told_of_a_shift_that_has_ended_meanwhile(
    rotation: Rotation, recorder: Recorder
) -> None:
    carol = make_user("carol")
    cover(rotation, carol, HANDOVER, HANDOVER + minutes(30))

    tell(HANDOVER + minutes(40))

    recorder.take("topic-bob")  # who came back at half past nine
    assert [row.recipient for row in Notification.objects.all()] == ["bob"]


def test_a_note_that_could_not_go_out_is_not_sent_two_hours_later(
    rotation: Rotation, recorder: Recorder
) -> None:
    handovers.tell(HANDOVER)

    run_worker(HANDOVER + minutes(120))

    assert [row.state for row in Notification.objects.all()] == ["cancelled"]


def test_an_edit_takes_back_a_note_that_has_not_gone_out(
    rotation: Rotation, room: TeamChannel, recorder: Recorder
) -> None:
    carol = make_user("carol")
    handovers.tell(HANDOVER)

    cover(rotation, carol, HANDOVER + seconds(10), HANDOVER + minutes(60))
    tell(HANDOVER + seconds(20))

    recorder.take("topic-carol")
    assert recorder.take("ops-room").title.startswith("carol is on call")


def test_an_earlier_note_goes_out_though_another_rotation_has_none(
    rotation: Rotation, team: Team, recorder: Recorder
) -> None:
    make_rotation(team, make_user("dave", ntfy=False), name="secondary", starts_on=HANDOVER.date())

    tell(HANDOVER)

    recorder.take("topic-bob")


def test_a_team_that_is_switched_off_hears_nothing(
    rotation: Rotation, team: Team, recorder: Recorder
) -> None:
    Team.objects.update(is_active=False)

    tell(HANDOVER)

    assert not Notification.objects.exists()


def test_summer_time_moves_the_note_with_the_clock(recorder: Recorder) -> None:
    zone = "Europe/Berlin"
    people = [make_user(name, time_zone=zone) for name in ("ann", "ben")]
    make_rotation(make_team("Ops", *people), *people, time_zone=zone)
    moment = at("2027-03-29 09:00", zone)  # a Monday; clocks went forward the day before

    tell(moment - minutes(1))
    recorder.expect_none()
    tell(moment)

    assert recorder.take("topic-ben").title == "You are on call for Ops until Mon 5 Apr 09:00"


def test_where_nobody_comes_on_little_is_asked_and_nothing_written(
    team: Team, bob: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        make_rotation(team, bob, *team.members.filter(name="alice"), name=f"number {number}")

    with django_assert_max_num_queries(8) as seen:
        handovers.tell(HANDOVER - timedelta(days=1))

    asked = [query["sql"].lstrip("(") for query in seen.captured_queries]
    assert all(sql.startswith("SELECT") for sql in asked)


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_write_one_note_each(
    team: Team, bob: User, room: TeamChannel, recorder: Recorder
) -> None:
    for number in range(3):
        make_rotation(team, bob, team.members.get(name="alice"), name=f"number {number}")
    start = threading.Barrier(3)

    def work() -> None:
        try:
            start.wait(10)
            tell(HANDOVER)
        finally:
            connection.close()

    calls: list[Callable[[], None]] = [work] * 3
    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(call) for call in calls]:
            future.result(30)
    run_worker(HANDOVER)

    assert len(recorder.take_all()) == 6
    assert Notification.objects.count() == 6
