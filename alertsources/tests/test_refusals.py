"""What a source's messages were refused for is counted, as far as it is known whose they were."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from alertsources import refusals
from alertsources.keys import give_key
from alertsources.mail import taking
from alertsources.mail.addresses import address_of
from alertsources.models import AlertSource, Refusal
from alertsources.refusals import Tally
from alertsources.tests.bodies import KEY, post
from alertsources.tests.test_looking import set_up
from pagerpal.testing import NOON, make_source, make_team, minutes

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def source() -> AlertSource:
    refusals.tally.forget()
    return make_source(make_team(), key=KEY)


def counted(source: AlertSource) -> dict[str, int]:
    return dict(source.refusals.values_list("reason", "count"))


def test_a_key_that_was_replaced_is_counted_for_its_source(source: AlertSource) -> None:
    give_key(source, now=NOON - timedelta(days=400))

    assert [post({"title": "x"}).status_code for _ in range(2)] == [403, 403]
    assert counted(source) == {"key": 2}


def test_a_key_that_nobody_had_is_counted_nowhere(source: AlertSource) -> None:
    assert post({"title": "x"}, key="n" * 32).status_code == 403
    assert not Refusal.objects.exists()


@pytest.mark.parametrize(
    ("fields", "body", "status", "reason"),
    [
        ({"is_active": False}, b"{}", 403, "off"),
        ({}, b"", 400, "empty"),
        ({}, b"x" * (1024 * 1024 + 1), 413, "size"),
        ({"kind": "grafana", "signing_secret": "s"}, b"{}", 403, "signature"),
    ],
)
def test_each_reason_is_told(
    source: AlertSource, fields: dict[str, Any], body: bytes, status: int, reason: str
) -> None:
    set_up(source, **fields)

    answer = Client().post(f"/in/{KEY}", body, content_type="application/json")

    assert answer.status_code == status
    assert counted(source) == {reason: 1}


def test_what_comes_beyond_the_limit_of_a_sender_that_comes_again_is_counted(
    source: AlertSource,
) -> None:
    set_up(source, kind="alertmanager", limit_per_minute=1)

    answers = [post({"alerts": []}, f"/in/{KEY}").status_code for _ in range(4)]

    assert answers[-1] == 503
    assert counted(source)["limit"] == answers.count(503)


def test_only_the_last_day_is_shown(source: AlertSource) -> None:
    refusals.count(source.pk, "key", now=NOON - 30 * HOUR)
    refusals.count(source.pk, "key", now=NOON - HOUR)
    refusals.count(source.pk, "key", now=NOON)
    refusals.count(source.pk, "empty", now=NOON)

    [key, empty] = refusals.lately([source.pk], now=NOON)[source.pk]

    assert (key.reason, key.count, key.last_at) == ("an old key that works no longer", 2, NOON)
    assert (empty.reason, empty.count) == ("empty", 1)


def test_counts_of_old_are_deleted(source: AlertSource) -> None:
    refusals.count(source.pk, "key", now=NOON - 60 * HOUR)

    refusals.count(source.pk, "key", now=NOON)

    assert counted(source) == {"key": 1}


def test_a_sender_that_runs_wild_writes_little() -> None:
    tally = Tally()

    said = [tally.add(1, "key", now=NOON + minutes(n / 1000)) for n in range(5000)]

    assert said[:20] == [1] * 20
    assert len([number for number in said if number]) < 100
    assert sum(said) > 4500


def test_a_database_that_cannot_count_costs_no_answer(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_up(source, is_active=False)
    monkeypatch.setattr(refusals, "_write", None)

    assert post({"title": "x"}).status_code == 403
    assert "could not be counted" in caplog.text


def test_refused_mails_are_counted_too(source: AlertSource) -> None:
    to = address_of(source.name, KEY)
    set_up(source, is_active=False)
    [one] = taking.addressees([to], now=NOON)
    assert taking.is_switched_off(one, now=NOON)

    give_key(source, now=NOON - timedelta(days=2))
    assert taking.addressees([to], now=NOON) == []
    taking.count_unknown([to, "somebody@example.org"], now=NOON)

    assert counted(source) == {"off": 1, "key": 1}
