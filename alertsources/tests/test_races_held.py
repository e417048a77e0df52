"""Posts, people and the worker at the same moment while silences and rules are in force."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alertsources import looking, silences
from alertsources.models import Alert, AlertSource, RoutingRule
from alertsources.tests.test_races import (  # noqa: F401  fixtures are found by their names
    HUMAN,
    ROUNDS,
    _nothing_fails,
    expect_order,
    sender,
    source,
    together,
)
from alertsources.tests.test_silences import look
from incidents import lifecycle
from incidents.models import Incident
from pagerpal.testing import NOON, make_team, minutes

pytestmark = pytest.mark.django_db(transaction=True)

LATER = NOON + timedelta(hours=1)


def silence() -> int:
    one = silences.create(
        reason="deploying", starts_at=NOON, ends_at=LATER, now=NOON, label="alice"
    )
    return one.pk


def test_no_alert_stays_muted_by_a_silence_that_is_over(
    source: AlertSource,  # noqa: F811
    together: Any,  # noqa: F811
) -> None:
    for number in range(ROUNDS):
        pk = silence()

        together(
            sender(source, f"g{number}", "a", "b"),
            lambda pk=pk: silences.end(pk, "alice", now=NOON),
            sender(source, f"g{number}", "c"),
        )
        look(NOON)

        assert Alert.objects.filter(incident__isnull=False).count() == 3 * (number + 1)
        assert Incident.objects.count() == number + 1
        expect_order()


def test_workers_and_posts_that_judge_the_same_alert_open_one_incident(
    source: AlertSource,  # noqa: F811
    together: Any,  # noqa: F811
) -> None:
    for number in range(ROUNDS):
        pk = silence()
        post = sender(source, f"g{number}", "a", "b")
        post()
        silences.end(pk, "alice", now=NOON)

        together(
            lambda: looking.look_again(NOON),
            lambda: looking.look_again(NOON),
            post,
            sender(source, f"g{number}", "a", status="resolved"),
        )
        look(NOON)

        assert Incident.objects.open().count() == number + 1
        expect_order()


def test_the_worker_that_ends_alerts_and_posts_that_repeat_them_agree(
    source: AlertSource,  # noqa: F811
    together: Any,  # noqa: F811
) -> None:
    AlertSource.objects.update(auto_resolve_after=minutes(60))
    for number in range(ROUNDS):
        post = sender(source, f"g{number}", "a")
        [pk] = post().incidents

        together(
            lambda: looking.look_again(LATER),
            post,
            lambda pk=pk: lifecycle.resolve(pk, HUMAN, now=LATER),
            sender(source, f"g{number}", "b"),
        )
        expect_order()
        look(LATER + timedelta(hours=2))

        assert not Incident.objects.open().exists()
        assert not Alert.objects.firing().exists()


def test_posts_at_once_with_rules_make_one_incident_in_each_team(
    source: AlertSource,  # noqa: F811
    together: Any,  # noqa: F811
) -> None:
    rule = {"labels": [{"label": "alertname", "is": "=", "value": "a"}]}
    RoutingRule.objects.create(source=source, team=make_team("Network"), **rule)
    for number in range(ROUNDS):
        group = f"g{number}"

        together(*(sender(source, group, *keys) for keys in ("a", "ab", "b", "ba")))

        assert Incident.objects.count() == 2 * (number + 1)
        expect_order()
