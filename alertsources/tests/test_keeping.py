"""Raw messages are deleted when their source keeps them no longer, but for what is still shown."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from alertsources import keeping, tasks
from alertsources.models import AlertSource, ReceivedPayload
from incidents.models import Incident, Round
from pagerpal.testing import NOON, make_incident, make_source, make_team

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), keep_days=7)


def came(source: AlertSource, at: datetime, **fields: Any) -> ReceivedPayload:
    values = {"body": b"{}", "result": "taken", **fields}
    return ReceivedPayload.objects.create(source=source, received_at=at, **values)


def kept() -> set[ReceivedPayload]:
    return set(ReceivedPayload.objects.all())


def answered(source: AlertSource, **fields: Any) -> Incident:
    """An open incident with nothing due."""
    return make_incident(source.team, state="acknowledged", **fields)


def test_each_source_keeps_its_messages_for_its_own_time(source: AlertSource) -> None:
    patient = make_source(source.team, key="p" * 32, keep_days=30)
    came(source, NOON - 8 * DAY)
    young, old = came(source, NOON - 6 * DAY), came(patient, NOON - 8 * DAY)

    assert keeping.forget(NOON) == 1
    assert kept() == {young, old}


def test_the_newest_message_about_an_open_incident_stays(source: AlertSource) -> None:
    incident = answered(source)
    came(source, NOON - 9 * DAY, incident=incident)
    shown = came(source, NOON - 8 * DAY, incident=incident)
    newest = came(source, NOON)

    keeping.forget(NOON)

    assert kept() == {shown, newest}


def test_messages_about_resolved_incidents_go(source: AlertSource) -> None:
    over = make_incident(source.team, state="resolved", resolved_at=NOON - 8 * DAY)
    came(source, NOON - 9 * DAY, incident=over)
    newest = came(source, NOON)

    keeping.forget(NOON)

    assert kept() == {newest}


def test_the_last_word_of_a_silent_source_stays_and_its_tests_go(source: AlertSource) -> None:
    came(source, NOON - 10 * DAY)
    last = came(source, NOON - 9 * DAY)
    came(source, NOON - 8 * DAY, is_test=True)

    keeping.forget(NOON)

    assert kept() == {last}


def test_nothing_is_deleted_while_a_page_is_due(source: AlertSource) -> None:
    came(source, NOON - 8 * DAY)
    came(source, NOON)
    incident = make_incident(source.team)

    assert keeping.forget(NOON) == 0
    Incident.objects.filter(pk=incident.pk).update(escalate_at=NOON + DAY)
    assert keeping.forget(NOON) == 1


def test_what_was_taken_in_once_more_stays_as_long_as_its_copy(source: AlertSource) -> None:
    original = came(source, NOON - 8 * DAY)
    came(source, NOON - 2 * DAY, reprocessed_from=original)
    newest = came(source, NOON)

    assert keeping.forget(NOON) == 0
    keeping.forget(NOON + 6 * DAY)
    keeping.forget(NOON + 6 * DAY)

    assert kept() == {newest}


def delete(batches: list[int], pks: list[int]) -> None:
    batches.append(len(pks))
    ReceivedPayload.objects.filter(pk__in=pks).delete()


def test_a_batch_is_bounded_by_rows_and_by_bytes(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MOST_ROWS", 3)
    monkeypatch.setattr(keeping, "MOST_BYTES", 10)
    for place, size in enumerate((30, 4, 4, 4, 4)):
        came(source, NOON - 8 * DAY + timedelta(minutes=place), body=b"x" * size)
    came(source, NOON)
    batches: list[int] = []
    monkeypatch.setattr(keeping, "_delete", lambda pks: delete(batches, pks))

    assert keeping.forget(NOON) == 5
    assert batches == [1, 2, 2]


def test_a_round_takes_its_time_and_leaves_the_rest_to_the_next(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "TAKE_FOR", -1.0)
    came(source, NOON - 8 * DAY)
    came(source, NOON)

    assert keeping.forget(NOON) == 0


def test_the_look_around_that_the_worker_asks_for_makes_every_round() -> None:
    tasks.look_around()

    made = set(Round.objects.values_list("name", flat=True))
    assert made == {job.name for job in tasks.JOBS}
