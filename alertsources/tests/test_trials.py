"""The sender's own test button, and messages that come later than what they tell."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from alertsources.cleaning import clean
from alertsources.intake import Delivery, Taken, take
from alertsources.models import Alert, AlertSource
from alertsources.sources.base import ParsedAlert
from alertsources.tests.test_looking import set_up
from alertsources.tests.test_silences import look, open_titles
from incidents.models import Incident
from pagerpal.testing import (
    NOON,
    Recorder,
    make_policy,
    make_source,
    make_team,
    make_user,
    minutes,
    run_worker,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), name="prod")


def send(
    source: AlertSource, *, now: datetime = NOON, status: str = "firing", **fields: Any
) -> Taken:
    parsed = ParsedAlert(key="k", status=status, title="x", severity="critical", **fields)
    return take(Delivery(source, b"{}", [clean(parsed, source)]), now=now)


def test_a_test_without_a_test_person_is_only_recorded(source: AlertSource) -> None:
    assert send(source, is_test=True).note == "1 recorded only."
    assert not Incident.objects.exists()

    look(NOON + minutes(15))

    assert Alert.objects.get().status == "resolved"


def test_a_test_pages_the_test_person_and_nobody_else(
    source: AlertSource, recorder: Recorder
) -> None:
    make_policy(source.team, make_user("bob"))
    set_up(source, test_person=make_user("alice"))
    send(source, is_test=True)

    run_worker(NOON)

    incident = Incident.objects.get()
    assert (incident.is_test, incident.urgency, incident.escalate_at) == (True, "none", None)
    assert "TEST" in recorder.take("topic-alice").title


def test_a_test_closes_itself(source: AlertSource) -> None:
    set_up(source, test_person=make_user("alice"))
    send(source, is_test=True)

    look(NOON + minutes(14))
    assert open_titles() == ["x"]
    look(NOON + minutes(15))

    assert open_titles() == []


def test_a_test_person_who_has_left_is_not_paged(source: AlertSource) -> None:
    set_up(source, test_person=make_user("alice", is_active=False))

    assert send(source, is_test=True).note == "1 recorded only."


def test_a_test_never_joins_a_real_incident(source: AlertSource) -> None:
    set_up(source, test_person=make_user("alice"))
    send(source, group="g")
    parsed = ParsedAlert(key="t", status="firing", title="t", group="g", is_test=True)
    take(Delivery(source, b"{}", [clean(parsed, source)]), now=NOON)

    assert sorted(Incident.objects.values_list("is_test", flat=True)) == [False, True]


def test_what_its_sender_only_records_opens_nothing(source: AlertSource) -> None:
    send(source, is_record_only=True)

    assert Alert.objects.get().muted_reason == "Record only, as its sender says."
    assert not Incident.objects.exists()


def test_an_older_end_does_not_end_what_fired_after_it(source: AlertSource) -> None:
    send(source, occurred_at=NOON)

    taken = send(source, status="resolved", occurred_at=NOON - minutes(1), now=NOON + minutes(1))

    assert taken.note == "1 older than what is known: ignored."
    assert open_titles() == ["x"]


def test_an_older_start_does_not_open_what_has_ended(source: AlertSource) -> None:
    send(source, occurred_at=NOON)
    send(source, status="resolved", occurred_at=NOON + minutes(2), now=NOON + minutes(2))

    send(source, occurred_at=NOON + minutes(1), now=NOON + minutes(3))
    assert open_titles() == []
    send(source, occurred_at=NOON + minutes(4), now=NOON + minutes(4))

    assert open_titles() == ["x"]


def test_an_older_time_long_after_the_end_is_news(source: AlertSource) -> None:
    send(source, occurred_at=NOON)
    send(source, status="resolved", occurred_at=NOON + minutes(2), now=NOON + minutes(2))

    send(source, occurred_at=NOON, now=NOON + minutes(63))

    assert open_titles() == ["x"]
