"""What opens and closes again and again becomes one incident that is held open."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction
from django.test import Client

from alertsources.models import AlertSource, OpenGroup
from alertsources.tests.bodies import post
from alertsources.tests.test_looking import set_up
from alertsources.tests.test_silences import fire, look, send
from incidents import lifecycle
from incidents.lifecycle import Actor
from incidents.models import Incident
from pagerpal.testing import NOON, make_admin, make_source, make_team, minutes

pytestmark = pytest.mark.django_db


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), name="prod")


def flap(source: AlertSource, *, times: int, since: datetime = NOON, **fields: Any) -> datetime:
    """Open and close it each two minutes; says when it closed last."""
    now = since
    for _ in range(times):
        send(source, fire("x", **fields), now=now)
        now += minutes(1)
        send(source, fire("x", status="resolved", **fields), now=now)
        now += minutes(1)
    return now - minutes(1)


def states() -> list[str]:
    return list(Incident.objects.order_by("pk").values_list("state", flat=True))


def test_the_third_end_within_minutes_holds_the_incident_open(source: AlertSource) -> None:
    flap(source, times=3)

    assert states() == ["resolved", "resolved", "triggered"]
    last = Incident.objects.latest("pk").timeline.first()
    assert last
    assert last.text.startswith("Flapping: it opened and closed 3 times within 15 minutes.")


def test_what_comes_then_joins_the_one_incident(source: AlertSource) -> None:
    flap(source, times=12)

    assert states() == ["resolved", "resolved", "triggered"]
    held = Incident.objects.latest("pk")
    assert held.alerts.count() == 10
    assert held.timeline.filter(text__startswith="Flapping").count() == 1


def test_it_is_resolved_when_it_has_been_quiet(source: AlertSource) -> None:
    ended = flap(source, times=4)

    look(ended + minutes(9))
    assert states()[-1] == "triggered"
    look(ended + minutes(10))

    assert states()[-1] == "resolved"
    assert not OpenGroup.objects.exists()
    last = Incident.objects.latest("pk").timeline.first()
    assert last
    assert last.text == "Resolved by PagerPal: quiet for 10 minutes."


def test_while_it_fires_it_stays_open(source: AlertSource) -> None:
    ended = flap(source, times=3)
    send(source, fire("x"), now=ended + minutes(5))

    look(ended + minutes(11))

    assert states()[-1] == "triggered"
    send(source, fire("x", status="resolved"), now=ended + minutes(30))
    assert states()[-1] == "triggered"
    look(ended + minutes(40))
    assert states()[-1] == "resolved"


def test_a_human_ends_it_at_once(source: AlertSource) -> None:
    ended = flap(source, times=3)
    held = Incident.objects.latest("pk")

    lifecycle.resolve(held.pk, Actor(None, "alice", "page"), now=ended)
    look(ended + minutes(10))

    assert states()[-1] == "resolved"


def test_what_opens_again_after_a_while_is_not_flapping(source: AlertSource) -> None:
    for number in range(4):
        flap(source, times=1, since=NOON + minutes(20 * number))

    assert states() == ["resolved"] * 4


def test_many_alerts_of_one_group_that_end_together_are_not_flapping(source: AlertSource) -> None:
    set_up(source, group_by="labels", group_labels=["job"])
    source.refresh_from_db()
    titles = [fire(f"x{number}", labels={"job": "a"}) for number in range(10)]

    send(source, titles)
    send(source, [title | {"status": "resolved"} for title in titles], now=NOON + minutes(1))

    assert states() == ["resolved"]


def test_a_source_may_have_it_switched_off(source: AlertSource) -> None:
    source.flapping_times = 0

    flap(source, times=4)

    assert states() == ["resolved"] * 4


def test_a_source_says_how_often_how_close_together_and_how_long(source: AlertSource) -> None:
    hours = timedelta(hours=2)
    set_up(source, flapping_times=2, flapping_within=hours, flapping_quiet_for=hours)
    source.refresh_from_db()

    last = flap(source, times=2)

    assert states() == ["resolved", "triggered"]
    held = Incident.objects.latest("pk")
    assert "opened and closed 2 times within 120 minutes" in held.timeline.all()[0].text
    look(last + hours - minutes(1))
    assert states() == ["resolved", "triggered"]
    look(last + hours)
    assert states() == ["resolved", "resolved"]
    assert "quiet for 120 minutes" in held.timeline.all()[0].text


def test_where_it_was_switched_off_before_it_stays_off(source: AlertSource) -> None:
    migration = import_module("alertsources.migrations.0014_source_flapping")
    set_up(source, settings={"flapping": False, "mapping": {}})

    migration.keep_off(apps, None)
    source.refresh_from_db()
    after = source.flapping_times, source.settings
    migration.keep_off_as_before(apps, None)
    source.refresh_from_db()

    assert after == (0, {"mapping": {}})
    assert source.settings == {"flapping": False, "mapping": {}}


def test_the_settings_count_for_what_comes_in_by_the_key(source: AlertSource) -> None:
    set_up(source, flapping_times=1)

    for status in ("firing", "resolved"):
        post({"title": "x", "external_id": "x", "status": status})

    assert states() == ["triggered"]


@pytest.mark.parametrize(
    "setting",
    [
        {"flapping_times": 101},
        {"flapping_within": timedelta(seconds=59)},
        {"flapping_quiet_for": timedelta(days=1, seconds=1)},
    ],
)
def test_settings_out_of_bounds_are_refused_by_the_database(
    source: AlertSource, setting: dict[str, Any]
) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        set_up(source, **setting)


def test_the_page_of_the_incident_says_that_it_flaps(source: AlertSource) -> None:
    client = Client()
    client.force_login(make_admin())
    flap(source, times=2)
    url = f"/incidents/{Incident.objects.latest('pk').pk}/alerts"
    assert "Flapping" not in client.get(url).content.decode()

    flap(source, times=1, since=NOON + minutes(5))

    url = f"/incidents/{Incident.objects.latest('pk').pk}/alerts"
    assert "Flapping" in client.get(url).content.decode()
