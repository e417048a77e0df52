"""Certificates and domains that will expire: told without a recovery, they end by themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from alertsources.models import Alert, AlertSource
from alertsources.tests.test_looking import set_up
from alertsources.tests.test_silences import look, open_titles, send, silence
from incidents.models import Incident
from pagerpal.testing import NOON, make_admin, make_source, make_team

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
CERTIFICATE = "[Shop][https://shop.example.com/] server certificate shop.example.com"
TITLE = "Server certificate shop.example.com of Shop expires in 21 days"
SSL = {"alert_type": "ALERT_SSL", "check_id": "c1", "event": "Certificate expires in 21 days"}


@pytest.fixture
def kuma() -> AlertSource:
    return make_source(make_team(), name="kuma", kind="uptime-kuma")


def notice(days: int) -> dict[str, Any]:
    message = f"{CERTIFICATE} will expire in {days} days"
    return {"heartbeat": None, "monitor": None, "msg": message}


def test_a_notice_ends_when_none_came_for_8_days(kuma: AlertSource) -> None:
    taken = send(kuma, notice(21), kind="uptime-kuma")

    look(NOON + 8 * DAY - timedelta(minutes=1))
    assert open_titles() == [TITLE]
    look(NOON + 8 * DAY)

    assert "ends when it was not repeated for 8 days" in taken.note
    assert open_titles() == []
    last = Incident.objects.get().timeline.first()
    assert last
    assert last.text == "Resolved by kuma: not repeated for 8 days, 0:00:00."


def test_the_next_threshold_keeps_the_same_incident_open(kuma: AlertSource) -> None:
    send(kuma, notice(21), kind="uptime-kuma")

    send(kuma, notice(14), kind="uptime-kuma", now=NOON + 7 * DAY)
    look(NOON + 14 * DAY)

    assert open_titles() == [TITLE]
    look(NOON + 15 * DAY)
    assert (Incident.objects.count(), open_titles()) == (1, [])


def test_the_time_of_the_source_itself_counts_before(kuma: AlertSource) -> None:
    set_up(kuma, auto_resolve_after=DAY)
    kuma.refresh_from_db()

    taken = send(kuma, notice(21), kind="uptime-kuma")
    look(NOON + DAY)

    assert "never tells its end" not in taken.note
    assert open_titles() == []


def test_what_was_muted_first_ends_in_its_time_too(kuma: AlertSource) -> None:
    silence()
    send(kuma, notice(21), kind="uptime-kuma")

    look(NOON + timedelta(hours=1))
    assert open_titles() == [TITLE]
    look(NOON + 8 * DAY)

    assert open_titles() == []


def test_checkly_tells_it_in_the_same_way_and_failures_go_on() -> None:
    source = make_source(make_team(), kind="checkly")
    send(source, SSL, kind="checkly")
    send(source, SSL | {"alert_type": "ALERT_FAILURE", "event": "Down"}, kind="checkly")

    look(NOON + 30 * DAY)

    assert open_titles() == ["Down"]
    assert Alert.objects.get(title="Down").look_at is None


@time_machine.travel(NOON, tick=False)
def test_the_page_of_the_incident_says_when_it_ends(kuma: AlertSource) -> None:
    send(kuma, notice(21), kind="uptime-kuma")
    client = Client()
    client.force_login(make_admin())

    page = client.get(f"/incidents/{Incident.objects.get().pk}/alerts").content.decode()

    assert ">Tue 1 Dec 12:00</time> unless it comes again" in page
