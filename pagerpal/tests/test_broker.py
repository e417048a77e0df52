"""Tests of the broker: what it hands to the pool, and what a bad database or row does to it."""

from __future__ import annotations

import pickle
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from django_q.tasks import async_task

from pagerpal import pulse
from pagerpal.broker import BEAT, PAUSES, SturdyORM

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker() -> SturdyORM:
    """One that has just beaten."""
    found = SturdyORM()
    found.dequeue()
    return found


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waiting takes no time; the lengths are kept."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def queue_row(payload: str) -> OrmQ:
    row: OrmQ = OrmQ.objects.create(
        key=Conf.CLUSTER_NAME, payload=payload, lock=timezone.now() - timedelta(seconds=1)
    )
    return row


def fail_with(error: Exception) -> Any:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise error

    return fail


def test_the_first_thing_is_a_beat_that_belongs_to_no_row() -> None:
    async_task("time.monotonic")

    [(pk, payload)] = SturdyORM().dequeue()

    assert pk is None
    assert SignedPackage.loads(payload)["func"] == BEAT
    assert OrmQ.objects.get().lock <= timezone.now()


def test_after_the_beat_come_queued_tasks(broker: SturdyORM) -> None:
    async_task("notifications.tasks.send_due")

    [(pk, payload)] = broker.dequeue()

    assert pk == OrmQ.objects.get().pk
    assert SignedPackage.loads(payload)["func"] == "notifications.tasks.send_due"


def test_the_next_beat_comes_when_it_is_time(broker: SturdyORM) -> None:
    broker._next_beat = time.monotonic()

    [(pk, _)] = broker.dequeue()

    assert pk is None


def test_two_brokers_never_claim_the_same_row(broker: SturdyORM) -> None:
    other = SturdyORM()
    other.dequeue()
    async_task("time.monotonic")

    claimed = broker.dequeue() + other.dequeue()

    assert len(claimed) == 1


@pytest.mark.parametrize("error", [OperationalError("locked"), InterfaceError("closed")])
def test_a_database_error_costs_half_a_second(
    broker: SturdyORM,
    monkeypatch: pytest.MonkeyPatch,
    no_waiting: list[float],
    error: Exception,
) -> None:
    monkeypatch.setattr(SturdyORM, "_claimed", fail_with(error))
    monkeypatch.setattr("pagerpal.broker.connections", {Conf.ORM: Closable()})

    claimed = broker.dequeue()

    assert claimed == []
    assert no_waiting == [0.5]


class Closable:
    def close(self) -> None:
        return


def test_a_task_that_cannot_be_unpacked_is_dropped(broker: SturdyORM) -> None:
    queue_row(signed_pickle_of_a_module_that_is_gone())

    claimed = broker.dequeue()

    assert claimed == []
    assert not OrmQ.objects.exists()


def signed_pickle_of_a_module_that_is_gone() -> str:
    from django_q import core_signing

    class Raw:
        @staticmethod
        def dumps(value: bytes) -> bytes:
            return value

    raw = pickle.dumps(timedelta).replace(b"datetime", b"gone_mod")
    with pytest.raises(ModuleNotFoundError):
        pickle.loads(raw)
    return str(core_signing.dumps(raw, key=Conf.SECRET_KEY, salt=Conf.PREFIX, serializer=Raw))


def test_a_task_signed_with_another_key_is_left_to_the_pusher(broker: SturdyORM) -> None:
    row = queue_row("not:signed:by-us")

    claimed = broker.dequeue()

    assert claimed == [(row.pk, "not:signed:by-us")]


def test_acknowledging_deletes_the_row(broker: SturdyORM) -> None:
    row = queue_row("x")

    broker.acknowledge(row.pk)

    assert not OrmQ.objects.exists()


def test_acknowledging_outlives_a_database_that_stays_away(
    broker: SturdyORM, monkeypatch: pytest.MonkeyPatch, no_waiting: list[float]
) -> None:
    monkeypatch.setattr(broker, "delete", fail_with(OperationalError("gone")))
    monkeypatch.setattr("pagerpal.broker.connections", {Conf.ORM: Closable()})

    broker.acknowledge(1)

    assert no_waiting == list(PAUSES)


def test_the_sentinels_rounds_are_a_sign_of_life(
    broker: SturdyORM, monkeypatch: pytest.MonkeyPatch
) -> None:
    signs = [0.0, 0.0, 0.0]
    monkeypatch.setattr(pulse, "_signs", signs)

    broker.set_stat("key", "value", 3)

    assert signs[pulse.GUARDED] == pytest.approx(time.monotonic(), abs=5)
    assert signs[pulse.STARTED] == 0
