"""Times in which nobody would be paged, by mistake: found, shown and told."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from incidents import gaps
from incidents.gaps import Gap, coming
from notifications.models import Notification
from pagerpal.testing import (
    NOON,
    Recorder,
    at,
    make_admin,
    make_policy,
    make_rotation,
    make_team,
    make_user,
    minutes,
    run_worker,
)
from schedules.models import Membership, Override, Rotation, RotationMember, Team, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def team(alice: User) -> Team:
    return make_team("Platform", leads=(alice,))


@pytest.fixture
def rotation(team: Team, alice: User) -> Rotation:
    made = make_rotation(team, alice)
    make_policy(team, made)
    return made


def found(now: datetime = NOON) -> list[Gap]:
    return coming(Team.objects.filter(is_active=True), now)


def said(now: datetime = NOON) -> list[tuple[str, str, str]]:
    """(from, until, why), the times as days."""
    return [
        ("now" if gap.is_now else f"{gap.starts_at:%d %b}", f"{gap.ends_at or ''}"[:10], gap.why)
        for gap in found(now)
    ]


def test_a_rotation_with_somebody_reachable_has_none(rotation: Rotation) -> None:
    assert found() == []


def test_a_rotation_without_members_is_one_without_an_end(rotation: Rotation) -> None:
    RotationMember.objects.all().delete()

    assert said() == [("now", "", "Nobody is on call: the rotation has no members.")]


def test_a_rotation_that_ends_or_begins_later_leaves_a_gap(
    rotation: Rotation, team: Team, alice: User
) -> None:
    Rotation.objects.update(ends_on=date(2026, 12, 1))
    make_policy(
        team, make_rotation(team, alice, name="b", starts_on=date(2026, 12, 7)),
        is_default=False, name="b",
    )  # fmt: skip

    assert said() == [
        ("now", "2026-12-07", "Nobody is on call: the first shift has not begun."),
        ("01 Dec", "", "Nobody is on call: the rotation has ended."),
    ]


def test_who_is_switched_off_or_unreachable_leaves_a_gap(
    rotation: Rotation, team: Team, alice: User
) -> None:
    dave = make_user("dave", ntfy=False)
    RotationMember.objects.create(rotation=rotation, user=dave, position=1)
    RotationMember.objects.create(
        rotation=rotation, user=make_user("erin", is_active=False), position=2
    )

    assert said() == [
        ("30 Nov", "2026-12-07", "dave is on call, but has no working contact method."),
        ("07 Dec", "2026-12-14", "Nobody is on call: erin is switched off."),
        ("21 Dec", "2026-12-28", "dave is on call, but has no working contact method."),
    ]
    assert [gap.people for gap in found()] == [[dave], [], [dave]]


def test_a_contact_method_that_is_off_or_not_set_up_does_not_count(
    rotation: Rotation, alice: User, settings: Any
) -> None:
    alice.contact_methods.update(is_on=False)
    off = len(found())
    alice.contact_methods.create(channel="email", address="alice@example.org")
    settings.SMTP_HOST = ""
    in_safe_mode = len(found())
    settings.NOTIFICATION_SENDING_ENABLED = True

    assert (off, in_safe_mode, len(found())) == (1, 0, 1)


def test_gaps_on_purpose_stay_quiet(rotation: Rotation) -> None:
    rotation.windows.create(days="01234", starts=time(9), ends=time(17))
    Override.objects.create(
        rotation=rotation, user=None, starts_at=NOON, ends_at=NOON + timedelta(days=3)
    )

    assert found() == []


def test_a_rotation_that_no_policy_of_an_active_team_pages_is_nobodys_concern(
    team: Team, alice: User
) -> None:
    make_rotation(team)
    other = make_team("Others", is_active=False)
    make_policy(other, make_rotation(team, name="of others"))

    assert found() == []


def test_another_teams_policy_counts_too_and_each_team_sees_its_own_rotations(
    team: Team, alice: User
) -> None:
    other = make_team("Others")
    make_policy(other, make_rotation(team))

    assert len(coming([team], NOON)) == 1
    assert coming([other], NOON) == []


def test_a_rotation_that_is_switched_off_though_a_policy_pages_it_is_a_gap(
    rotation: Rotation,
) -> None:
    Rotation.objects.update(is_active=False)

    assert said() == [
        ("now", "", "Nobody is on call: the rotation is switched off, but a policy pages it.")
    ]


def test_what_lies_beyond_thirty_days_is_not_looked_at(rotation: Rotation) -> None:
    Rotation.objects.update(ends_on=date(2026, 12, 23))

    assert len(found()) == 1
    assert len(found(NOON - minutes(4 * 60))) == 0


def test_a_gap_leads_to_where_it_is_closed(rotation: Rotation) -> None:
    Rotation.objects.update(starts_on=date(2026, 12, 1))

    assert found()[0].cover_path == (
        f"/calendar/cover?rotation={rotation.pk}"
        "&from=2026-11-23T12:00:00Z&until=2026-12-01T09:00:00Z"
    )


def test_many_rotations_cost_no_more_queries_than_one(
    team: Team, alice: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        name = f"number {number}"
        make_policy(team, make_rotation(team, alice, name=name), name=name, is_default=False)

    with django_assert_max_num_queries(7):
        coming([team], NOON)


# --- Told ----------------------------------------------------------------------------------------
def tell(now: datetime) -> None:
    gaps.tell_leads(now)
    run_worker(now)


def end_on(day: date) -> None:
    Rotation.objects.update(ends_on=day)


def test_the_leads_are_told_once_a_day_from_the_hours_of_their_team_on(
    rotation: Rotation, team: Team, recorder: Recorder
) -> None:
    Team.objects.update(time_zone="America/New_York", hours_start=time(8, 30))
    end_on(date(2026, 11, 26))
    opens = at("2026-11-23 08:30", "America/New_York")

    tell(opens - minutes(1))
    recorder.expect_none()
    for number in range(96):
        tell(opens + number * minutes(15))

    message = recorder.take("topic-alice")
    recorder.expect_none()
    tell(opens + timedelta(days=1))
    recorder.take("topic-alice")
    assert message.title == "Platform: nobody would be paged at some time in the next 7 days"
    assert message.body.splitlines()[0] == (
        "Thu 26 Nov 09:00 with no end in sight: primary: Nobody is on call: the rotation has ended."
    )
    assert message.open_url.endswith(f"/calendar?team={team.pk}")


def test_one_message_lists_them_all(rotation: Rotation, team: Team, recorder: Recorder) -> None:
    end_on(date(2026, 11, 26))
    make_policy(team, make_rotation(team, name="b"), is_default=False, name="b")

    tell(NOON)

    lines = recorder.take("topic-alice").body.splitlines()
    assert [line.partition(":")[0] for line in lines[:2]] == [
        "Now with no end in sight",
        "Thu 26 Nov 09",
    ]


def test_a_gap_of_next_week_waits_for_its_time(rotation: Rotation, recorder: Recorder) -> None:
    end_on(date(2026, 12, 1))

    tell(NOON)
    recorder.expect_none()
    tell(NOON + timedelta(days=1))

    recorder.take("topic-alice")


def test_every_lead_is_told_and_nobody_else(rotation: Rotation, recorder: Recorder) -> None:
    make_admin().contact_methods.create(channel="ntfy", address="topic-root")
    for name, role in (("bob", "lead"), ("carol", "responder"), ("erin", "observer")):
        user = make_user(name)
        Membership.objects.create(team=rotation.team, user=user, role=role)
    end_on(date(2026, 11, 26))

    tell(NOON)

    assert sorted(to for _, to, _ in recorder.take_all()) == ["topic-alice", "topic-bob"]


@pytest.mark.parametrize("how", ["no lead", "cannot be reached", "switched off"])
def test_without_a_lead_who_can_be_reached_the_admins_are_told(
    rotation: Rotation, alice: User, recorder: Recorder, how: str
) -> None:
    make_admin().contact_methods.create(channel="ntfy", address="topic-root")
    if how == "no lead":
        Membership.objects.all().delete()
    elif how == "cannot be reached":
        alice.contact_methods.update(is_on=False)
    else:
        User.objects.filter(pk=alice.pk).update(is_active=False)
    end_on(date(2026, 11, 26))

    tell(NOON)

    recorder.take("topic-root")


def test_who_is_told_tomorrow_is_not_told_today_again_by_another_worker(
    rotation: Rotation, recorder: Recorder
) -> None:
    end_on(date(2026, 11, 26))

    gaps.tell_leads(NOON)
    tell(NOON)

    recorder.take("topic-alice")
    assert Notification.objects.count() == 1
