"""Two at once: the same message handed over twice, and two people who answer together."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from incidents.models import Incident, Page
from notifications import fetching, inbound
from notifications.channels.base import Deadline
from notifications.channels.inbound import Heard
from notifications.models import InboundMessage, Inbox, Notification
from notifications.tests.inbound import has_number, heard
from notifications.tests.pages import page
from notifications.tests.test_races import ROUNDS, at_once
from pagerpal.testing import NOON, make_incident, make_team, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_message_that_comes_twice_at_once_is_handled_once() -> None:
    method = has_number(make_user(ntfy=False))
    for number in range(ROUNDS):
        same = heard("12a", provider_id=f"SM{number}")

        def receive(one: Heard = same) -> int:
            return inbound.receive([one], now=NOON)

        assert sorted(map(bool, at_once(receive, receive, receive))) == [False, False, True]

    assert InboundMessage.objects.count() == ROUNDS
    assert Notification.objects.filter(address=method.address).count() == ROUNDS


def test_of_two_who_take_all_at_once_each_incident_has_one_owner() -> None:
    people = [make_user(name, ntfy=False) for name in ("alice", "bob")]
    team = make_team("Platform", *people)
    numbers = ["+41791234567", "+41791234568"]
    for user, number in zip(people, numbers, strict=True):
        user.contact_methods.create(channel="sms", address=number)
    incidents = [make_incident(team) for _ in range(6)]
    for incident in incidents:
        for user in people:
            called = Page.objects.create(
                incident=incident, episode=1, round=1, step="1", user=user, created_at=NOON
            )
            page(user, ref=called.ref, thread=incident.thread)
    Notification.objects.update(state="sent", first_tried_at=NOON, settled_at=NOON)

    def take(number: str) -> int:
        said = heard("all", provider_id=f"SM{number}")
        return inbound.receive([replace(said, number=number)], now=NOON)

    assert at_once(lambda: take(numbers[0]), lambda: take(numbers[1])) == [1, 1]

    owners = {one.owner_id for one in Incident.objects.filter(state="acknowledged")}
    assert Incident.objects.filter(state="acknowledged").count() == 6
    assert len(owners) == 1
    said = list(InboundMessage.objects.values_list("outcome", flat=True))
    assert sum("are yours" in text for text in said) == 1


def test_one_of_many_workers_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(cursor: str, deadline: Deadline, now: datetime) -> str:
        asked.append(cursor)
        return "m1"

    source = fetching.Source("ntfy", ("ntfy",), ask, fetching.LOOK_EVERY, fetching.LATER)
    monkeypatch.setattr(fetching, "_answerable", lambda now: [(source, NOON)])

    def fetch() -> list[str]:
        return fetching.fetch(NOON, seconds=5)

    at_once(fetch, fetch, fetch, fetch)

    assert asked == [""]
    assert Inbox.objects.get().cursor == "m1"
