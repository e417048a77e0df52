"""Requests that wait at the same time are stored together, and none costs another anything."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from alertsources import intake
from alertsources.gathering import Gathering
from alertsources.intake import Delivery, Taken
from alertsources.models import Alert, AlertSource, OpenGroup, ReceivedPayload
from alertsources.reading import read
from incidents.models import Incident, TimelineEntry
from pagerpal.testing import NOON, make_source, make_team, minutes
from schedules.inserts import insert

COUNT = 6


def gather(handle: Callable[[Sequence[int]], Sequence[int | None]], *, most: int) -> list[Any]:
    """What each of COUNT threads gets, when all but the first come while that one is handled."""
    first_is_in, all_are_there = threading.Event(), threading.Event()

    def patient(items: Sequence[int]) -> Sequence[int | None]:
        if 0 in items:
            first_is_in.set()
            assert all_are_there.wait(10)
        return handle(items)

    gathering = Gathering(patient, most=most)
    with ThreadPoolExecutor(COUNT) as pool:
        futures = [pool.submit(gathering.join, 0)]
        assert first_is_in.wait(10)
        futures += [pool.submit(gathering.join, number) for number in range(1, COUNT)]
        while len(gathering._waiting) < COUNT - 1:
            pass
        all_are_there.set()
        return [future.exception() or future.result() for future in futures]


def test_those_who_wait_are_handled_together_and_each_gets_its_own_fact() -> None:
    batches: list[int] = []

    def handle(items: Sequence[int]) -> list[int | None]:
        batches.append(len(items))
        return [10 * item for item in items]

    facts = gather(handle, most=8)

    assert facts == [0, 10, 20, 30, 40, 50]
    assert batches == [1, COUNT - 1]


def test_no_more_than_the_most_are_handled_at_once() -> None:
    batches: list[int] = []

    def handle(items: Sequence[int]) -> list[int | None]:
        batches.append(len(items))
        return list(items)

    gather(handle, most=2)

    assert batches == [1, 2, 2, 1]


def test_an_error_is_for_whoever_handled_and_leaves_the_others_to_themselves() -> None:
    def handle(items: Sequence[int]) -> list[int | None]:
        if len(items) > 1:
            raise ZeroDivisionError
        return list(items)

    facts = gather(handle, most=8)

    assert facts[0] == 0
    assert sum(isinstance(fact, ZeroDivisionError) for fact in facts) == 1
    assert facts.count(None) == COUNT - 2


@pytest.fixture
def source(db: None) -> AlertSource:
    return make_source(make_team(), name="prod")


def delivery(source: AlertSource, *titles: str, **more: Any) -> Delivery:
    alerts = [{"title": title, "external_id": title, **more} for title in titles]
    body = json.dumps(alerts).encode()
    return Delivery(source, body, read(body, source, kind="generic", now=NOON).alerts)


def take_together(*deliveries: Delivery) -> list[Taken | None]:
    return intake._take_together([(one, NOON) for one in deliveries])


def test_news_of_several_requests_and_sources_is_stored_in_one_transaction(
    source: AlertSource, django_assert_max_num_queries: Any
) -> None:
    other = make_source(make_team("Web"), name="web", key="w" * 32)
    requests = [delivery(source, "a"), delivery(other, "b", "c"), delivery(source, "d")]

    with django_assert_max_num_queries(14):
        taken = take_together(*requests)

    incidents = {row.title: row for row in Incident.objects.select_related("team")}
    assert [one and one.incidents for one in taken] == [
        [incidents["a"].pk],
        [incidents["b"].pk, incidents["c"].pk],
        [incidents["d"].pk],
    ]
    assert incidents["c"].team.name == "Web"
    assert {row.title: row.incident_id for row in Alert.objects.all()} == {
        title: incident.pk for title, incident in incidents.items()
    }
    assert TimelineEntry.objects.count() == OpenGroup.objects.count() == 4
    assert [bytes(row.body) for row in ReceivedPayload.objects.order_by("pk")] == [
        one.body for one in requests
    ]


def test_repeats_are_counted_with_the_news_and_told_apart(
    source: AlertSource, django_assert_max_num_queries: Any
) -> None:
    intake.take(delivery(source, "known", "other"), now=NOON)
    repeats = [delivery(source, "known"), delivery(source, "other", "known")]

    with django_assert_max_num_queries(20):
        taken = take_together(repeats[0], delivery(source, "new"), repeats[1])

    assert [one and one.note for one in taken] == [
        "1 known already: counted.",
        f"Opened #{Incident.objects.get(title='new').pk}.",
        "2 known already: counted.",
    ]
    counts = dict(Alert.objects.values_list("title", "count"))
    assert counts == {"known": 3, "other": 2, "new": 1}
    assert ReceivedPayload.objects.count() == 4


def test_a_repeat_asks_what_it_meets_once(
    source: AlertSource, django_assert_num_queries: Any
) -> None:
    intake.take(delivery(source, "known"), now=NOON)

    # What it meets, its incident, its row, the count, the raw body; and begin and end of it all.
    with django_assert_num_queries(7):
        [taken] = take_together(delivery(source, "known"))

    assert taken
    assert taken.note == "1 known already: counted."


def test_a_repeat_whose_alert_moved_after_it_was_looked_up_is_left_to_its_own_request(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake.take(delivery(source, "known", "elsewhere"), now=NOON)
    rows = {row.title: row for row in Alert.objects.all()}
    was = {rows["known"].live_key or "": {rows["elsewhere"].incident_id or 0}}
    monkeypatch.setattr(intake, "known", lambda alerts: was)

    assert take_together(delivery(source, "known")) == [None]
    assert intake.take(delivery(source, "known"), now=NOON).incidents == [rows["known"].incident_id]


def test_what_ends_an_alert_or_makes_it_worse_is_left_to_its_own_request(
    source: AlertSource,
) -> None:
    intake.take(delivery(source, "known", severity="warning"), now=NOON)
    end = delivery(source, "known", status="resolved")
    worse = delivery(source, "known", severity="critical")
    new = delivery(source, "new")

    taken = take_together(end, worse, new, new)

    assert [one is None for one in taken] == [True, True, False, True]
    assert Alert.objects.get(title="known").severity == "warning"


def test_the_last_of_several_repeats_gives_the_words(source: AlertSource) -> None:
    intake.take(delivery(source, "known", labels={"disk": "a"}), now=NOON)
    changes = [delivery(source, "known", labels={"disk": disk}) for disk in "ba"]

    take_together(*changes)

    assert Alert.objects.get().labels == {"disk": "a"}


def test_a_request_that_cannot_be_stored_costs_the_others_nothing(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_one(*rows: Any) -> None:
        if any(isinstance(row, Alert) and row.title == "bad" for row in rows):
            raise ZeroDivisionError
        insert(*rows)

    monkeypatch.setattr("alertsources.admission.insert", refuse_one)

    together = take_together(delivery(source, "good"), delivery(source, "bad"))
    alone = intake.take(delivery(source, "good"), now=NOON + minutes(1))

    assert together == [None, None]
    assert Incident.objects.get().pk == alone.incidents[0]


@pytest.mark.django_db(transaction=True)
def test_the_same_new_alert_from_many_threads_makes_one_incident_and_counts() -> None:
    source = make_source(make_team(), name="prod")
    start = threading.Barrier(COUNT)

    def send(number: int) -> Taken:
        try:
            start.wait(10)
            return intake.take(delivery(source, "same", f"own {number}"), now=NOON)
        finally:
            connection.close()

    with ThreadPoolExecutor(COUNT) as pool:
        taken = list(pool.map(send, range(COUNT)))

    assert Alert.objects.get(title="same").count == COUNT
    assert Incident.objects.count() == COUNT + 1
    assert all(one.result == "taken" for one in taken)
