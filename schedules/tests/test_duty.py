"""Who is on call now and who follows."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest

from pagerpal.testing import NOON, at, make_rotation, make_team, make_user
from schedules.duty import Duty, duties_at
from schedules.models import Override, Rotation, RotationWindow

pytestmark = pytest.mark.django_db


def duty(rotation: Rotation) -> Duty:
    [found] = duties_at([rotation], NOON)
    return found


def said(found: Duty) -> tuple[str, str, str]:
    then = found.then and (str(found.then.person) if found.then.person else found.then.why)
    following = found.following and str(found.following.person)
    return str(found.person), str(then), str(following)


def test_whoever_follows_may_be_a_year_away() -> None:
    alice, bob = make_user("alice"), make_user("bob")
    rotation = make_rotation(
        make_team("Platform"), alice, bob, unit="months", every=12, starts_on=date(2026, 11, 2)
    )

    found = duty(rotation)

    assert said(found) == ("alice", "bob", "bob")
    assert found.until == at("2027-11-02 09:00")


def test_one_person_alone_is_on_call_with_no_end() -> None:
    found = duty(make_rotation(make_team("Platform"), make_user("alice")))

    assert said(found) == ("alice", "None", "None")
    assert found.until is None


def test_an_end_that_is_planned_is_an_end() -> None:
    rotation = make_rotation(make_team("Platform"), make_user("alice"), ends_on=date(2027, 3, 1))

    found = duty(rotation)

    assert said(found) == ("alice", "after", "None")
    assert found.until == at("2027-03-01 09:00")


def test_past_the_hours_the_next_person_is_found() -> None:
    alice, bob = make_user("alice"), make_user("bob")
    rotation = make_rotation(make_team("Platform"), bob, alice)
    RotationWindow.objects.create(rotation=rotation, days="0", starts=time(9), ends=time(17))

    found = duty(rotation)

    assert said(found) == ("alice", "outside", "bob")
    assert found.following is not None
    assert found.following.starts_at == at("2026-11-30 09:00")


def test_without_members_it_is_a_gap_without_end() -> None:
    found = duty(make_rotation(make_team("Platform")))

    assert found.is_gap
    assert said(found) == ("None", "None", "None")


def test_a_cover_by_nobody_is_no_gap() -> None:
    rotation = make_rotation(make_team("Platform"), make_user("alice"))
    Override.objects.create(
        rotation=rotation, user=None, starts_at=NOON, ends_at=NOON + timedelta(hours=1)
    )

    found = duty(rotation)

    assert not found.is_gap
    assert said(found) == ("None", "alice", "alice")


def test_the_order_of_the_rotations_is_kept() -> None:
    team, alice = make_team("Platform"), make_user("alice")
    slow = make_rotation(team, alice, name="slow")
    quick = make_rotation(team, alice, make_user("bob"), name="quick", unit="days")

    assert [found.rotation for found in duties_at([slow, quick], NOON)] == [slow, quick]
    assert [found.rotation for found in duties_at([quick, slow], NOON)] == [quick, slow]
    assert duties_at([], NOON) == []
