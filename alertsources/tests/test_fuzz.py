"""Hostile bodies of every kind: 500 here, as many as FUZZ_BODIES says by `make fuzz`."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from itertools import islice

import psutil
import pytest
from django.db import transaction
from django.test import Client

from alertsources.models import ReceivedPayload
from alertsources.sources.base import registry
from alertsources.tests.mutator import Hostile, hostile, key_of
from alertsources.tests.sns import FakeAmazon
from pagerpal.testing import make_policy, make_source, make_team

BODIES = int(os.environ.get("FUZZ_BODIES", "500"))
SEED = int(os.environ.get("FUZZ_SEED", "4"))
# So many at a time, then the tables are emptied again.
BATCH = 100
# What caches may still take once each kind has been read.
GROWTH = 48 * 1024 * 1024


def send(request: Hostile) -> str:
    """What is wrong with the answer; nothing if it is as it should be."""
    answer = Client(raise_request_exception=False).generic(
        "POST",
        request.path,
        request.body,
        content_type=request.content_type,
        headers=request.headers,
    )
    if answer.status_code == 202:
        return "" if ReceivedPayload.objects.exists() else "taken and not stored"
    # Nothing at all, or signed by nobody; larger than allowed does not come here.
    expected = {400} if not request.body else {403}
    return "" if answer.status_code in expected else f"answered {answer.status_code}"


@pytest.fixture
def _few_words() -> Iterator[None]:
    """What is logged below an error would be kept to the end, each with its request."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.django_db
@pytest.mark.usefixtures("_few_words")
def test_no_body_is_answered_by_an_error(
    caplog: pytest.LogCaptureFixture, amazon: FakeAmazon
) -> None:
    caplog.set_level(logging.ERROR)
    team = make_team()
    make_policy(team)
    for kind in registry:
        make_source(team, kind=kind, name=kind, key=key_of(kind))
    requests = hostile(SEED)
    process, sizes = psutil.Process(), []

    for _ in range(0, BODIES, BATCH):
        empty = transaction.savepoint()
        for request in islice(requests, BATCH):
            trouble = send(request)
            assert not trouble, f"{trouble}: {request}"
            assert not caplog.records, f"{caplog.text}: {request}"
        transaction.savepoint_rollback(empty)
        transaction.savepoint_commit(empty)  # else SQLite keeps what each one changed
        sizes.append(process.memory_info().rss)

    settled = sizes[len(sizes) // 3 :]
    said = f"MB after a third: {settled[0] >> 20}, at most: {max(sizes) >> 20}"
    print(f"\n{BODIES} bodies, none answered by an error. {said}, at the end: {sizes[-1] >> 20}")
    assert settled[-1] - settled[0] < GROWTH, f"Megabytes: {[size >> 20 for size in sizes]}"


def test_the_same_seed_makes_the_same_bodies() -> None:
    assert list(islice(hostile(1), 20)) == list(islice(hostile(1), 20))
