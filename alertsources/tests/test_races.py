"""Requests and people at the same moment, in real threads on a real database."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection

from alertsources import awaiting
from alertsources.intake import Delivery, Taken, take
from alertsources.keys import change_key, hashed
from alertsources.models import Alert, AlertSource, OpenGroup
from alertsources.reading import read
from alertsources.senders import Sender
from alertsources.trying import try_out
from incidents import lifecycle
from incidents.lifecycle import Actor, Refused
from incidents.models import Incident
from pagerpal.testing import NOON, make_source, make_team, make_user, minutes

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 8
HUMAN = Actor(None, "alice", "page")


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), name="prod")


@pytest.fixture
def together() -> Iterator[Callable[..., list[Any]]]:
    """Runs functions at the same moment, each in a thread with a connection of its own."""
    with ThreadPoolExecutor(4) as pool:

        def run(*functions: Callable[[], Any]) -> list[Any]:
            start = threading.Barrier(len(functions))

            def alone(function: Callable[[], Any]) -> Any:
                try:
                    start.wait(10)
                    return function()
                finally:
                    connection.close()

            return [future.result() for future in [pool.submit(alone, f) for f in functions]]

        yield run


@pytest.fixture(autouse=True)
def _nothing_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The second chance for unexpected errors must not be what makes these tests pass."""
    yield
    assert not [record for record in caplog.get_records("call") if record.exc_info]


def sender(
    source: AlertSource, group: str, *keys: str, status: str = "firing", start: str = "10:00"
) -> Callable[[], Taken]:
    """Posts one message of Alertmanager."""
    alerts = [
        {
            "fingerprint": f"{group}/{key}",
            "status": status,
            "labels": {"alertname": key},
            "startsAt": f"2026-11-23T{start}:00Z",
        }
        for key in keys
    ]
    body = json.dumps({"groupKey": group, "alerts": alerts}).encode()

    def send() -> Taken:
        reading = read(body, source, kind="alertmanager", now=NOON)
        return take(Delivery(source, body, reading.alerts), now=NOON)

    return send


def expect_order() -> None:
    """What holds after every race: no alert lost in a closed incident, no group kept by one."""
    closed = Incident.objects.filter(state="resolved")
    assert not Alert.objects.firing().filter(incident__in=closed, answered_at=None).exists()
    assert not OpenGroup.objects.filter(incident__in=closed).exists()
    assert not Alert.objects.firing().filter(incident=None).exists()


def test_firing_posts_at_once_make_one_incident(source: AlertSource, together: Any) -> None:
    for number in range(ROUNDS):
        group = f"g{number}"

        together(*(sender(source, group, *keys) for keys in ("a", "a", "b", "cba")))

        assert Incident.objects.count() == number + 1
        assert Alert.objects.count() == 3 * (number + 1)
        expect_order()


def test_the_last_alerts_that_end_at_once_resolve_the_incident(
    source: AlertSource, together: Any
) -> None:
    for number in range(ROUNDS):
        group = f"g{number}"
        sender(source, group, "a", "b", "c")()

        together(*(sender(source, group, key, status="resolved") for key in "abc"))

        assert Incident.objects.open().count() == 0
        expect_order()


def test_an_alert_that_fires_while_the_last_one_ends_is_in_an_open_incident(
    source: AlertSource, together: Any
) -> None:
    for number in range(ROUNDS):
        group = f"g{number}"
        sender(source, group, "a")()

        together(sender(source, group, "b"), sender(source, group, "a", status="resolved"))

        assert Alert.objects.firing().filter(incident__state="triggered").count() == number + 1
        expect_order()


def test_an_alert_never_ends_unanswered_in_an_incident_that_a_human_closes(
    source: AlertSource, together: Any
) -> None:
    for number in range(ROUNDS):
        group = f"g{number}"
        [pk] = sender(source, group, "a")().incidents

        together(
            sender(source, group, "a", start="11:00"),
            sender(source, group, "b"),
            lambda pk=pk: lifecycle.resolve(pk, HUMAN, now=NOON + minutes(1)),
        )

        assert Incident.objects.get(pk=pk).state == "resolved"
        expect_order()


def test_a_repeat_while_a_human_closes_pages_nobody(source: AlertSource, together: Any) -> None:
    for number in range(ROUNDS):
        send = sender(source, f"g{number}", "a")
        [pk] = send().incidents

        together(send, lambda pk=pk: lifecycle.resolve(pk, HUMAN, now=NOON + minutes(1)), send)

        assert not Incident.objects.open().exists()
        expect_order()


def test_posts_that_fire_anew_at_once_make_one_new_incident(
    source: AlertSource, together: Any
) -> None:
    for number in range(ROUNDS):
        [pk] = sender(source, f"g{number}", "a")().incidents
        lifecycle.resolve(pk, HUMAN, now=NOON + minutes(1))

        together(*[sender(source, f"g{number}", "a", start="13:00")] * 3)

        assert Incident.objects.count() == 2 * (number + 1)
        assert Incident.objects.open().count() == number + 1
        expect_order()


def test_reopening_and_a_new_alert_never_share_a_group_between_two_incidents(
    source: AlertSource, together: Any
) -> None:
    def reopen(pk: int) -> bool:
        try:
            return lifecycle.reopen(pk, HUMAN, now=NOON + minutes(2)).changed
        except Refused:
            return False

    for number in range(ROUNDS):
        group = f"g{number}"
        [pk] = sender(source, group, "a")().incidents
        lifecycle.resolve(pk, HUMAN, now=NOON + minutes(1))

        together(
            sender(source, group, "a", start="13:00"),
            sender(source, group, "b"),
            lambda pk=pk: reopen(pk),
        )

        assert Incident.objects.open().count() == number + 1
        expect_order()


def test_messages_that_name_many_groups_in_other_orders_do_not_block_each_other(
    source: AlertSource, together: Any
) -> None:
    source.group_by = "alert"
    keys = [f"key{number}" for number in range(20)]

    for number in range(3):
        status = "resolved" if number == 1 else "firing"
        sends = [sender(source, "g", *order, status=status) for order in (keys, keys[::-1])]
        together(*sends, *sends)

    assert Incident.objects.open().count() == 20
    assert Incident.objects.count() == 40
    expect_order()


def test_two_taps_on_the_test_at_once_are_one_test(source: AlertSource, together: Any) -> None:
    alice = make_user("alice")

    for number in range(ROUNDS):
        now = NOON + minutes(number)
        tap = partial(try_out, source, alice, runs_policy=False, now=now)
        first, second = together(tap, tap)

        assert first.incidents == second.incidents
    assert Incident.objects.count() == ROUNDS


def test_of_two_messages_at_once_one_is_the_test(source: AlertSource, together: Any) -> None:
    alice = make_user("alice")

    for number in range(ROUNDS):
        awaiting.await_test(source, alice, now=NOON)
        reads = [
            read(body, source, kind="generic", now=NOON)
            for body in (f'{{"title": "{number} {name}"}}'.encode() for name in "ab")
        ]
        sender = Sender(source, None, awaits_test=True)
        made = together(*(partial(awaiting.alerts_of, sender, one, now=NOON) for one in reads))

        assert sorted(is_test for _, is_test in made) == [False, True]


def test_of_two_new_keys_at_once_one_is_made_and_the_old_key_works_on(
    source: AlertSource, together: Any
) -> None:
    for _ in range(ROUNDS):
        row = AlertSource.objects.get(pk=source.pk)
        asks = [
            partial(
                change_key, AlertSource.objects.get(), seen=row.key_hint, now=NOON, at_once=False
            )
            for _ in range(2)
        ]
        made = together(*asks)

        assert made.count(None) == 1
        after = AlertSource.objects.get(pk=source.pk)
        assert after.old_key_hash == row.key_hash
        assert after.key_hash == hashed(next(key for key in made if key))
