"""Tests of how many calls to one provider several workers make together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from notifications import claims
from pagerpal import fellows
from pagerpal.models import WorkerHeartbeat

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _unknown() -> Iterator[None]:
    fellows.forget()
    yield
    fellows.forget()


def beat(name: str, *, seconds_ago: int) -> None:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    WorkerHeartbeat.objects.create(name=name, started_at=at, beat_at=at)


def test_each_worker_keeps_one_process_free(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WORKERS = 4
    alone = claims.most_in_flight()
    beat("one:1", seconds_ago=1)
    beat("two:1", seconds_ago=4)
    beat("gone:1", seconds_ago=60)
    monkeypatch.setattr(claims, "count_workers", fellows.count)

    assert (alone, claims.most_in_flight()) == (3, 6)


def test_a_worker_that_has_not_written_its_row_yet_counts_itself() -> None:
    assert fellows.count() == 1


def test_it_is_asked_now_and_then_only(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        assert [fellows.count() for _ in range(20)] == [1] * 20
