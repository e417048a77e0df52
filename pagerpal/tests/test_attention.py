"""Gaps to come and silent sources, on the dashboard and on the admin's first page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from alertsources.models import AlertSource
from incidents import gaps
from pagerpal import attention
from pagerpal.testing import (
    NOON,
    make_admin,
    make_policy,
    make_rotation,
    make_source,
    make_team,
    make_user,
    minutes,
)
from schedules.models import Membership, Rotation, User

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def alice() -> User:
    return make_user("alice", time_zone="Europe/Berlin")


@pytest.fixture
def rotation(alice: User) -> Rotation:
    """Until 1 December, and somebody pages it."""
    team = make_team("Platform", alice)
    made = make_rotation(team, alice, ends_on=date(2026, 12, 1))
    make_policy(team, made)
    return made


@pytest.fixture
def page(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_a_gap_is_on_the_dashboard_with_a_link_that_closes_it(
    page: Client, rotation: Rotation
) -> None:
    text = words(page.get("/"))

    assert "Gaps in the next 30 days" in text
    assert ">Tue 1 Dec 10:00</time></strong> with no end in sight:" in text
    assert "Nobody is on call: the rotation has ended." in text
    assert f"/calendar/cover?rotation={rotation.pk}&amp;from=2026-12-01T09:00:00Z" in text


def test_without_gaps_nothing_is_said(page: Client, rotation: Rotation) -> None:
    Rotation.objects.update(ends_on=None)

    assert "Gaps in the next" not in words(page.get("/"))


def test_observers_see_it_and_strangers_do_not(
    client: Client, page: Client, rotation: Rotation
) -> None:
    Membership.objects.update(role=Membership.Role.OBSERVER)
    observed = words(page.get("/"))
    client.force_login(make_user("carol"))

    assert "the rotation has ended" in observed
    assert "/calendar/cover?" not in observed
    assert "the rotation has ended" not in words(client.get("/"))


def test_a_gap_that_comes_up_changes_the_live_part(page: Client, rotation: Rotation) -> None:
    Rotation.objects.update(ends_on=None)
    seen = page.get("/").context["seen"]
    same = page.get(f"/dashboard?seen={seen}", headers=HTMX)

    Rotation.objects.update(ends_on=date(2026, 12, 2))
    changed = page.get(f"/dashboard?seen={seen}", headers=HTMX)

    assert (same.status_code, changed.status_code) == (204, 200)
    assert "Gaps in the next 30 days" in words(changed)


def test_who_cannot_be_reached_leads_to_their_page(client: Client, rotation: Rotation) -> None:
    dave = make_user("dave", ntfy=False)
    rotation.members.create(user=dave, position=1)
    client.force_login(make_admin())

    text = words(client.get("/"))

    assert "dave is on call, but has no working contact method." in text
    assert reverse("admin:schedules_user_change", args=[dave.pk]) in text


def test_the_admins_first_page_lists_what_needs_attention(
    client: Client, rotation: Rotation
) -> None:
    client.force_login(make_admin())

    text = words(client.get("/admin/"))
    Rotation.objects.update(ends_on=None)
    quiet = words(client.get("/admin/"))

    assert "Needs attention" in text
    assert "Platform: primary" in text
    assert "the rotation has ended" in text
    assert "the rotation has ended" not in quiet


def test_gaps_beyond_a_screenful_are_counted(client: Client, rotation: Rotation) -> None:
    for number in range(9):
        make_policy(
            rotation.team,
            make_rotation(rotation.team, name=f"number {number}"),
            name=f"number {number}",
            is_default=False,
        )
    client.force_login(make_admin())

    assert "Calendar (2 more)" in words(client.get("/"))
    assert "2 more gaps in the next 30 days" in words(client.get("/admin/"))


def test_gaps_that_cannot_be_told_take_no_page_along(
    page: Client, rotation: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(gaps, "coming", fail)

    response = page.get("/")

    assert response.status_code == 200
    assert "They cannot be told just now" in words(response)


# --- Silent sources ------------------------------------------------------------------------------


@pytest.fixture
def backups(rotation: Rotation) -> AlertSource:
    """Silent for a day, expected every hour."""
    values: dict[str, Any] = {
        "warn_if_silent_for": timedelta(hours=1),
        "created_at": NOON - timedelta(days=1),
    }
    return make_source(rotation.team, name="backups", **values)


def test_a_silent_source_is_on_the_dashboard_of_its_team_alone(
    page: Client, backups: AlertSource
) -> None:
    make_source(make_team("Web"), key="w" * 32, name="theirs", warn_if_silent_for=minutes(5))

    text = words(page.get("/"))

    assert "<bdi>backups</bdi></strong>: silent for 24 hours, expected every 60 minutes" in text
    assert "theirs" not in text


def test_a_silent_source_is_on_the_admins_first_page(client: Client, backups: AlertSource) -> None:
    client.force_login(make_admin())

    text = words(client.get("/admin/"))

    assert f"/admin/alertsources/alertsource/{backups.pk}/change/" in text
    assert "Silent for 24 hours, expected every 60 minutes; it has never sent anything." in text


def test_that_silence_cannot_be_told_takes_no_page_along(
    page: Client, backups: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "silent_sources", lambda *args: 1 / 0)

    assert "Gaps in the next 30 days" in words(page.get("/"))
