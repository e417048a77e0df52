"""A worker process that has worked and rests asks to be replaced."""

from __future__ import annotations

import time

import pytest
from django_q.conf import Conf
from django_q.worker import rss_check

from pagerpal import freshness, worker


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(freshness, "_worked_at", None)
    monkeypatch.setattr(Conf, "MAX_RSS", None)
    return now


def take(func: str) -> None:
    worker._task_started(task={"func": func})


def test_a_process_that_never_worked_stays(clock: list[float]) -> None:
    take("pagerpal.freshness.beat")
    clock[0] += 10 * freshness.REST
    freshness.beat()

    assert not rss_check()


def test_one_that_has_worked_stays_while_it_may_be_needed_and_goes_when_it_has_rested(
    clock: list[float],
) -> None:
    take("incidents.tasks.run_due_steps")
    clock[0] += freshness.REST
    take("pagerpal.freshness.beat")
    freshness.beat()
    stays = not rss_check()
    clock[0] += 1
    freshness.beat()

    assert stays
    assert rss_check()


def test_work_in_between_begins_the_rest_anew(clock: list[float]) -> None:
    for _ in range(3):
        take("notifications.tasks.send_due")
        clock[0] += freshness.REST
        freshness.beat()

    assert not rss_check()
