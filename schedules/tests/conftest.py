"""What the tests of the pages share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client

from pagerpal.testing import NOON, make_admin, make_user
from schedules.models import Team, User
from schedules.signals import person_left


@pytest.fixture
def monday_noon() -> Iterator[None]:
    # Pages read the clock themselves.
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def alice() -> User:
    return make_user("alice", time_zone="Europe/Berlin")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def root() -> User:
    return make_admin()


@pytest.fixture
def browser(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture
def left() -> Iterator[list[tuple[User, Team | None]]]:
    """Who left what, as person_left told it."""
    found: list[tuple[User, Team | None]] = []

    def keep(*, user: User, team: Team | None, **_: Any) -> None:
        found.append((user, team))

    person_left.connect(keep)
    yield found
    person_left.disconnect(keep)
