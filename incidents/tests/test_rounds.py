"""Jobs that one worker of all does, each in its own time."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from django.db import connection

from incidents import rounds
from incidents.models import Round
from incidents.rounds import Job
from pagerpal.testing import NOON, seconds

pytestmark = pytest.mark.django_db
EVERY = seconds(25)


def counting(name: str = "count") -> tuple[Job, list[datetime]]:
    calls: list[datetime] = []
    return Job(name, EVERY, calls.append), calls


def test_a_job_is_done_once_in_its_time() -> None:
    job, calls = counting()

    made = [rounds.make((job,), NOON + seconds(at)) for at in (0, 24, 25, 26, 50)]

    assert calls == [NOON, NOON + seconds(25), NOON + seconds(50)]
    assert made == [["count"], [], ["count"], [], ["count"]]


def test_one_that_fails_keeps_no_other_from_it_and_is_done_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(now: datetime) -> None:
        raise RuntimeError("no")

    job, calls = counting()
    jobs = (Job("broken", EVERY, fail), job)

    with caplog.at_level(logging.ERROR):
        made = rounds.make(jobs, NOON)
        rounds.make(jobs, NOON + EVERY)

    assert made == ["count"]
    assert len(calls) == 2
    assert [record.getMessage() for record in caplog.records] == ["round broken failed"] * 2


def test_a_clock_that_was_set_back_stops_nothing() -> None:
    job, calls = counting()
    rounds.make((job,), NOON)

    rounds.make((job,), NOON - seconds(3600))

    assert calls == [NOON, NOON - seconds(3600)]


def test_where_nothing_is_due_nothing_is_written(django_assert_num_queries: Any) -> None:
    job, _ = counting()
    rounds.make((job,), NOON)

    with django_assert_num_queries(1):
        rounds.make((job,), NOON + seconds(1))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_first", [True, False])
def test_of_many_workers_one_does_it(is_first: bool) -> None:
    job, calls = counting()
    if not is_first:
        Round.objects.create(name=job.name, next_at=NOON)
    start = threading.Barrier(4)

    def work() -> None:
        try:
            start.wait(10)
            rounds.make((job,), NOON)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(work) for _ in range(4)]:
            future.result(30)

    assert calls == [NOON]
