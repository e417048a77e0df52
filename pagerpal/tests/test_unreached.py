"""Whom nothing would reach, wherever they are or may come on call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from notifications.models import ContactMethod, Notification
from pagerpal.testing import NOON, make_admin, make_policy, make_rotation, make_team, make_user
from schedules.models import Rotation, User
from schedules.signals import people_shown

pytestmark = pytest.mark.django_db
WHY = "has only contact methods that fail"


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def alice() -> User:
    """Her only address fails."""
    user = make_user("alice")
    method = user.contact_methods.get()
    Notification.objects.create(
        key="k", user=user, contact_method=method, channel="ntfy", address=method.address,
        attempts=5, state="failed", due_at=NOON, settled_at=NOON,
    )  # fmt: skip
    return user


@pytest.fixture
def rotation(alice: User) -> Rotation:
    bob = make_user("bob")
    team = make_team("Platform", alice, bob)
    made = make_rotation(team, bob, alice)
    make_policy(team, made)
    return made


@pytest.fixture
def root(client: Client, rotation: Rotation) -> Client:
    client.force_login(make_admin())
    return client


def words(client: Client, path: str) -> str:
    return " ".join(client.get(path).content.decode().split())


def test_who_is_on_call_and_not_to_be_reached_is_red_on_the_pages(root: Client) -> None:
    dashboard = words(root, "/")
    calendar = words(root, "/calendar")

    assert f'<bdi>alice</bdi></strong> <strong class="nobody">{WHY}</strong>' in dashboard
    assert f'<strong class="nobody"><bdi>alice</bdi></strong> {WHY}.' in dashboard
    assert calendar.count(WHY) == 2


def test_who_may_come_on_call_needs_attention(root: Client, rotation: Rotation) -> None:
    Rotation.objects.update(offset=1)  # bob first
    listed = words(root, "/")
    first_page = words(root, reverse("admin:index"))
    ContactMethod.objects.filter(user__name="alice").update(address="another-topic")

    assert listed.count(WHY) == 1
    assert WHY.capitalize() in first_page
    assert WHY not in words(root, "/")


def test_a_team_and_a_rotation_in_the_admin_say_it(root: Client, rotation: Rotation) -> None:
    page, team_page = (
        words(root, reverse(f"admin:schedules_{name}_change", args=[pk]))
        for name, pk in (("rotation", rotation.pk), ("team", rotation.team_id))
    )

    assert f'<strong class="gap">alice {WHY}.</strong>' in page
    assert f'alice <span class="gap">{WHY}</span>' in team_page


def test_that_nobody_can_tell_takes_no_page_along(root: Client) -> None:
    def fails(**_: object) -> None:
        raise RuntimeError

    people_shown.connect(fails)

    try:
        assert root.get("/").status_code == 200
    finally:
        people_shown.disconnect(fails)
