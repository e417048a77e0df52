"""How much a source may send in a minute, and what becomes of the rest."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alertsources import limits
from alertsources.limits import Meter
from alertsources.models import Alert, AlertSource, ReceivedPayload, SourceMinute
from alertsources.tests.test_silences import look, open_titles
from incidents.models import Incident
from pagerpal.testing import NOON, make_source, make_team, minutes, seconds

pytestmark = pytest.mark.django_db

KEY = "k" * 32


@pytest.fixture(autouse=True)
def _same_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that does not pass the minute in a test."""
    fixed = timezone.now().replace(second=20)
    monkeypatch.setattr("alertsources.ingest.timezone.now", lambda: fixed)


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), name="prod", key=KEY, limit_per_minute=3)


def post(title: str, kind: str = "generic") -> Any:
    body: Any = {"title": title}
    if kind == "alertmanager":
        body = {"groupKey": title, "alerts": [{"fingerprint": title, "status": "firing"}]}
    return Client().post(
        f"/api/v1/alerts/{kind}",
        json.dumps(body),
        content_type="application/json",
        headers={"X-API-Key": KEY},
    )


def test_what_a_sender_never_repeats_is_kept_unread(source: AlertSource) -> None:
    answers = [post(f"x{number}") for number in range(6)]

    assert [answer.status_code for answer in answers] == [202] * 6
    assert answers[-1].json()["status"] == "kept, not read"
    kept = ReceivedPayload.objects.filter(result="limited")
    assert [json.loads(bytes(one.body))["title"] for one in kept.order_by("pk")] == [
        *("x3", "x4", "x5")
    ]


def test_a_sender_that_comes_again_is_asked_to(source: AlertSource) -> None:
    AlertSource.objects.update(kind="alertmanager")
    answers = [post(f"x{number}", "alertmanager") for number in range(5)]

    assert [answer.status_code for answer in answers] == [202] * 3 + [503] * 2
    assert answers[-1]["Retry-After"] == "40"


def test_clients_of_opsgenie_are_asked_to_come_again(source: AlertSource) -> None:
    def create(number: int) -> Any:
        body = json.dumps({"message": f"x{number}", "alias": f"x{number}"})
        headers = {"Authorization": f"GenieKey {KEY}"}
        return Client().post(
            "/opsgenie/v2/alerts", body, content_type="application/json", headers=headers
        )

    answers = [create(number) for number in range(5)]

    assert [answer.status_code for answer in answers] == [202] * 3 + [503] * 2
    assert answers[-1]["Retry-After"] == "40"
    assert "send this later" in answers[-1].json()["message"]


def test_the_team_is_told_once_and_it_ends_by_itself(source: AlertSource) -> None:
    for number in range(8):
        post(f"x{number}")

    title = "prod sends more than 3 messages per minute"
    assert open_titles() == ["x0", "x1", "x2", title]
    alert = Alert.objects.get(title=title)
    assert alert.look_at
    look(alert.look_at)
    assert Incident.objects.get(title=title).state == "resolved"


def test_what_came_is_counted(source: AlertSource) -> None:
    for number in range(8):
        post(f"x{number}")

    one = SourceMinute.objects.get()
    assert (one.received, one.refused) == (8, 5)


def test_the_next_minute_begins_anew(source: AlertSource) -> None:
    meter = Meter()

    over = [meter.is_over(source, now=NOON + seconds(number)) for number in range(5)]

    assert over == [False] * 3 + [True] * 2
    assert not meter.is_over(source, now=NOON + minutes(1))


def test_processes_share_the_limit(source: AlertSource) -> None:
    one, other = Meter(), Meter()

    over = [meter.is_over(source, now=NOON) for meter in (one, other, one, other, one, other)]

    # Each knows of the other what was said before its own last message.
    assert over == [False] * 4 + [True] * 2


def test_no_limit_and_a_quiet_source_write_nothing(source: AlertSource) -> None:
    source.limit_per_minute = 0
    assert not any(limits.is_over(source, now=NOON) for _ in range(500))
    source.limit_per_minute = 30_000
    assert not any(limits.is_over(source, now=NOON) for _ in range(99))

    assert not SourceMinute.objects.exists()


def test_a_source_at_its_limit_hinders_no_other(source: AlertSource) -> None:
    other = make_source(source.team, key="o" * 32, limit_per_minute=3)
    for number in range(6):
        post(f"x{number}")

    assert not limits.is_over(other, now=NOON)


def test_a_count_that_fails_costs_no_alert(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr(limits, "_add", fail)

    assert post("x").status_code == 202
    assert open_titles() == ["x"]


def test_old_counts_are_forgotten(source: AlertSource) -> None:
    def count(now: datetime) -> None:
        Meter().is_over(source, now=now)

    count(NOON)
    count(NOON + timedelta(days=3))

    assert SourceMinute.objects.get().minute == NOON + timedelta(days=3)
