"""Who may read /metrics, and that its figures are those of the tables."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as all_settings
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ
from prometheus_client.parser import text_string_to_metric_families

from alertsources.models import Refusal, SourceMinute
from notifications.models import Notification, ProviderState
from pagerpal import metrics
from pagerpal.metrics_views import may_read
from pagerpal.models import WorkerHeartbeat
from pagerpal.testing import (
    NOON,
    make_incident,
    make_source,
    make_team,
    make_user,
    minutes,
    seconds,
)

TOKEN = "t" * 16
HERE, NEAR, FAR = "127.0.0.1", "10.1.2.3", "93.184.216.34"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("peer", "headers", "changed", "is_let_in"),
    [
        (HERE, {}, {}, True),
        (FAR, {}, {}, False),
        (NEAR, {}, {}, False),
        ("", {}, {}, False),
        # A proxy on this machine, that says it is one, or that serves a public address.
        (HERE, {"X-Forwarded-For": FAR}, {}, False),
        (HERE, {"Via": "1.1 proxy"}, {}, False),
        (HERE, {}, {"PAGERPAL_BASE_URL": "https://pager.example.org"}, False),
        # A token closes the door for all others.
        (FAR, BEARER, {"METRICS_TOKEN": TOKEN}, True),
        (HERE, {}, {"METRICS_TOKEN": TOKEN}, False),
        (FAR, {"Authorization": "Bearer "}, {"METRICS_TOKEN": TOKEN}, False),
        (FAR, {"Authorization": f"Bearer {TOKEN}x"}, {"METRICS_TOKEN": TOKEN}, False),
        (FAR, {"Authorization": "Bearer t\u00e9"}, {"METRICS_TOKEN": TOKEN}, False),
        (FAR, {"Authorization": f"Basic {TOKEN}"}, {"METRICS_TOKEN": TOKEN}, False),
        (FAR, {"Authorization": "Bearer "}, {}, False),
        # Networks are named.
        (NEAR, {}, {"METRICS_ALLOWED_NETWORKS": ["10.0.0.0/8"]}, True),
        (NEAR, {}, {"METRICS_ALLOWED_NETWORKS": ["private"]}, True),
        (FAR, {}, {"METRICS_ALLOWED_NETWORKS": ["private"]}, False),
        (HERE, {}, {"METRICS_ALLOWED_NETWORKS": ["10.0.0.0/8"]}, False),
        (FAR, {"X-Forwarded-For": NEAR}, {"METRICS_ALLOWED_NETWORKS": ["10.0.0.0/8"]}, False),
        (FAR, BEARER, {"METRICS_ALLOWED_NETWORKS": ["10.0.0.0/8"], "METRICS_TOKEN": TOKEN}, True),
    ],
)
def test_when_in_doubt_nobody_is_let_in(
    peer: str, headers: dict[str, str], changed: dict[str, Any], is_let_in: bool, settings: Any
) -> None:
    settings.PAGERPAL_BASE_URL = "http://127.0.0.1:8000"
    for name, value in changed.items():
        setattr(settings, name, value)

    request = RequestFactory().get("/metrics", REMOTE_ADDR=peer, headers=headers)

    assert may_read(request) is is_let_in


def test_who_lacks_the_token_is_told_so_and_others_find_nothing(
    client: Client, settings: Any
) -> None:
    settings.METRICS_TOKEN = TOKEN
    asked = client.get("/metrics", REMOTE_ADDR=FAR)
    settings.METRICS_TOKEN = ""
    unknown = client.get("/metrics", REMOTE_ADDR=FAR)

    assert (asked.status_code, asked["WWW-Authenticate"][:6]) == (401, "Bearer")
    assert unknown.status_code == 404


def figures() -> dict[str, float]:
    """`name{label values}`: value, as Prometheus' own parser reads it."""
    return {
        f"{sample.name}{list(sample.labels.values()) or ''}": sample.value
        for family in text_string_to_metric_families(metrics.scrape(NOON).decode())
        for sample in family.samples
    }


def a_message(key: str, **fields: Any) -> None:
    values: dict[str, Any] = {
        "purpose": "page",
        "thread": "incident:1",
        "channel": "ntfy",
        "address": "t",
    }
    values |= {"due_at": NOON, "created_at": NOON, "settled_at": NOON, **fields}
    Notification.objects.create(key=key, **values)


@pytest.mark.django_db
def test_the_figures_are_those_of_the_tables() -> None:
    team, user = make_team("Platform"), make_user()
    source = make_source(team, name="Alertmanager")
    make_incident(team, severity="critical", escalate_at=NOON + minutes(5))
    make_incident(
        team,
        severity="warning",
        urgency="low",
        escalate_at=NOON + minutes(5),
        nobody_reached_at=NOON,
    )
    make_incident(team, state="resolved")
    a_message("due", user=user, due_at=NOON - seconds(90), settled_at=None)
    a_message("sent", user=user, state="sent")
    a_message("long ago", user=user, state="sent", created_at=NOON - minutes(61))
    WorkerHeartbeat.objects.create(
        name="host:1", started_at=NOON, beat_at=NOON - seconds(3), sweep_ms=12
    )
    SourceMinute.objects.create(source=source, minute=NOON - minutes(2), received=9, refused=2)
    SourceMinute.objects.create(source=source, minute=NOON - minutes(62), received=9)
    Refusal.objects.create(source=source, reason="key", hour=NOON, count=4, last_at=NOON)
    OrmQ.objects.create(key="pagerpal", payload="x", lock=NOON)
    ProviderState.objects.create(provider="ntfy", probe_at=NOON, last_taken_at=NOON - minutes(1))

    found = figures()

    assert found == {
        "pagerpal_paging_works": 1,
        "pagerpal_sending_is_held": 1,
        "pagerpal_database_violations": 0,
        "pagerpal_open_incidents['critical', 'triggered']": 1,
        "pagerpal_open_incidents['warning', 'triggered']": 1,
        "pagerpal_oldest_due_page_seconds": 90,
        "pagerpal_nobody_reached_incidents": 1,
        "pagerpal_queue_length": 1,
        "pagerpal_notifications_last_hour['ntfy', 'pending']": 1,
        "pagerpal_notifications_last_hour['ntfy', 'sent']": 1,
        "pagerpal_ingest_last_hour['taken', 'Alertmanager', 'Platform']": 7,
        "pagerpal_ingest_last_hour['beyond the limit', 'Alertmanager', 'Platform']": 2,
        "pagerpal_ingest_refused['key', 'Alertmanager', 'Platform']": 4,
        "pagerpal_worker_age_seconds['host:1']": 3,
        "pagerpal_sweep_seconds['host:1']": 0.012,
        "pagerpal_provider_is_silent['ntfy']": 1,
        "pagerpal_provider_taken_seconds_ago['ntfy']": 60,
    }


@pytest.mark.django_db
def test_an_empty_house_has_figures_too() -> None:
    assert figures()["pagerpal_paging_works"] == 0


@pytest.mark.django_db
def test_a_scrape_reads_no_table_of_the_past_as_a_whole() -> None:
    with CaptureQueriesContext(connection) as seen:
        metrics.scrape(NOON)

    asked = [one["sql"] for one in seen if "notifications_notification" in one["sql"]]
    assert asked
    assert all("WHERE" in one for one in asked)
    assert len(seen) < 40


def test_nothing_but_a_scrape_loads_the_library() -> None:
    code = "import django, sys; django.setup(); import pagerpal.urls; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=all_settings.BASE_DIR,
    )  # fmt: skip

    assert "prometheus_client" not in done.stdout.split()
