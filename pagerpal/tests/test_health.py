"""Tests of the verdict on whether a page would go out, and of its two addresses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from incidents.models import Incident
from notifications.models import Notification, ProviderState
from pagerpal import health, migrating
from pagerpal.models import WorkerHeartbeat
from pagerpal.testing import NOON, make_incident, make_user, minutes, seconds

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sending(settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = True


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not yet seen a migrated database."""
    monkeypatch.setattr(health, "_is_migrated", False)


def a_worker(now: datetime = NOON, name: str = "host:1") -> WorkerHeartbeat:
    return WorkerHeartbeat.objects.create(name=name, started_at=now, beat_at=now)


def a_message(now: datetime = NOON, name: str = "alice") -> Notification:
    user = make_user(name)
    return Notification.objects.create(
        purpose="page",
        thread="incident:1",
        key=f"k-{name}",
        user=user,
        contact_method=user.contact_methods.get(),
        channel="ntfy",
        address=f"topic-{name}",
        due_at=now,
    )


def refuse(*args: Any, **kwargs: Any) -> Any:
    raise OperationalError('connection to server at "10.0.0.7", user "pager" failed')


def test_all_is_well_with_a_living_worker_and_nothing_late() -> None:
    a_worker()

    found = health.verdict(NOON)

    assert found.ok
    assert found.notes == []


def test_the_verdict_writes_nothing() -> None:
    worker = a_worker()
    WorkerHeartbeat.objects.update(waiting=7)

    health.verdict(NOON)

    worker.refresh_from_db()
    assert worker.waiting == 7


def test_without_a_worker_no_page_goes_out() -> None:
    found = health.verdict(NOON)

    assert found.troubles == ["No worker has ever run here: start manage.py worker."]


def test_a_worker_that_is_silent_for_20_seconds_is_dead() -> None:
    a_worker(NOON)
    a_worker(NOON - minutes(30), "host:2")

    assert health.verdict(NOON + seconds(20)).ok
    found = health.verdict(NOON + seconds(21))
    assert found.troubles == ["No worker is alive: the last sign was at 2026-11-23 12:00:00 UTC."]


def test_a_sign_of_life_from_the_future_is_none() -> None:
    """A worker whose clock is an hour ahead, or was before it was set right and died."""
    a_worker(NOON + minutes(60))

    [trouble] = health.verdict(NOON).troubles

    assert trouble.startswith("The clock of the worker is ahead of this one: its last sign was at")
    a_worker(NOON, name="host:2")
    assert health.verdict(NOON).ok
    [trouble] = health.verdict(NOON + seconds(21)).troubles
    assert trouble.startswith("No worker is alive")


def test_a_step_over_two_minutes_late_is_trouble() -> None:
    incident = make_incident(now=NOON)
    a_worker(NOON + minutes(2))

    assert health.verdict(NOON + minutes(2) - seconds(1)).ok
    a_worker(NOON + minutes(3), name="host:2")
    [trouble] = health.verdict(NOON + minutes(3)).troubles
    assert "Escalation is behind" in trouble
    Incident.objects.filter(pk=incident.pk).update(
        state="acknowledged", escalate_at=None, acknowledged_at=NOON, ask_at=NOON
    )
    [trouble] = health.verdict(NOON + minutes(3)).troubles
    assert "Escalation is behind" in trouble
    Incident.objects.filter(pk=incident.pk).delete()


def test_a_message_over_two_minutes_late_is_trouble() -> None:
    a_message(NOON)
    a_worker(NOON + minutes(3))

    [trouble] = health.verdict(NOON + minutes(3)).troubles

    assert "1 message," in trouble


def test_what_waits_because_of_a_setting_is_a_note_and_no_trouble(settings: Any) -> None:
    settings.ESCALATION_WORKER_ENABLED = False
    settings.NOTIFICATION_RETRY_WORKER_ENABLED = False
    settings.NOTIFICATION_SENDING_ENABLED = False
    make_incident(now=NOON)
    a_message(NOON)
    a_worker(NOON + minutes(9))

    found = health.verdict(NOON + minutes(9))

    assert found.ok
    named = " ".join(found.notes)
    assert "ESCALATION_WORKER_ENABLED" in named
    assert "NOTIFICATION_RETRY_WORKER_ENABLED" in named
    assert "NOTIFICATION_SENDING_ENABLED" in named


def test_a_database_that_cannot_be_written_is_trouble_without_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_worker()
    monkeypatch.setattr(WorkerHeartbeat.objects, "update", refuse)

    found = health.verdict(NOON)

    assert found.troubles == ["The database cannot be written; the log of this process says why."]


def test_a_missing_migration_is_named(forgetful: None) -> None:
    a_worker()
    MigrationRecorder.Migration.objects.filter(app="incidents", name="0001_initial").delete()

    found = health.verdict(NOON)

    assert found.troubles == [
        "1 migrations are not applied, first incidents.0001_initial: run manage.py migrate."
    ]


def test_migrations_are_looked_at_only_until_all_are_there(
    forgetful: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_worker()
    health.verdict(NOON)
    monkeypatch.setattr(migrating, "missing", refuse)

    assert health.verdict(NOON).ok


def test_a_floor_that_cannot_be_judged_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    a_worker()
    monkeypatch.setattr("incidents.health.health", lambda now: 1 / 0)

    [trouble] = health.verdict(NOON).troubles

    assert trouble == "The health of incidents cannot be judged; the log of this process says why."


def test_health_answers_200_and_says_what_is_held(client: Client, settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = False
    a_worker(timezone.now())

    answer = client.get("/health")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain"
    assert answer["Cache-Control"].startswith("max-age=0")
    assert answer.content.decode().splitlines()[0] == "OK"
    assert "NOTIFICATION_SENDING_ENABLED=false" in answer.content.decode()


def test_health_answers_503_with_a_reason_a_line(client: Client) -> None:
    answer = client.get("/health")

    assert answer.status_code == 503
    assert answer.content.decode() == "No worker has ever run here: start manage.py worker.\n"


def test_live_asks_only_for_this_process_and_its_database(client: Client) -> None:
    answer = client.get("/health/live")

    assert (answer.status_code, answer.content) == (200, b"OK\n")


def test_live_answers_503_without_a_database(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pagerpal.health.connection.cursor", refuse)

    answer = client.get("/health/live")

    assert answer.status_code == 503
    assert b"10.0.0.7" not in answer.content


@pytest.mark.parametrize("path", ["/health", "/health/live"])
def test_health_is_only_read(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
    assert client.head(path).content == b""


def test_the_verdict_of_an_idle_house_asks_few_questions(
    django_assert_max_num_queries: Any,
) -> None:
    a_worker()
    health.verdict(NOON)

    with django_assert_max_num_queries(15):
        health.verdict(NOON)


def refused(pk: int, state: str = "failed", **fields: Any) -> None:
    Notification.objects.filter(pk=pk).update(
        state=state, attempts=3, first_tried_at=NOON, settled_at=NOON, **fields
    )


def make_it_late(settings: Any) -> None:
    a_message(NOON)


def make_it_lapse(settings: Any) -> None:
    Notification.objects.filter(pk=a_message(NOON).pk).update(state="sending", lease_until=NOON)


def make_a_step_late(settings: Any) -> None:
    make_incident(now=NOON)


def make_a_plan_fail(settings: Any) -> None:
    make_incident(now=NOON, escalate_at=NOON + minutes(60), planning_failed_at=NOON)


def let_nobody_carry_mail(settings: Any) -> None:
    settings.SMTP_HOST = ""
    make_user(ntfy=False, email=True)


def silence_every_provider(settings: Any) -> None:
    make_user()
    ProviderState.objects.create(provider="ntfy", timeouts=3, probe_at=NOON)


def refuse_everything(settings: Any) -> None:
    for name in ("alice", "bob"):
        refused(a_message(NOON + minutes(1), name).pk)


def break_off_again_and_again(settings: Any) -> None:
    for name in ("alice", "bob"):
        row = a_message(NOON + minutes(1), name)
        Notification.objects.filter(pk=row.pk).update(
            attempts=3, first_tried_at=NOON, due_at=NOON + minutes(9)
        )


def fill_the_disk(settings: Any) -> None:
    settings.DATA_DIR = "/proc"  # where not a byte is free


def stop_the_worker(settings: Any) -> None:
    WorkerHeartbeat.objects.update(beat_at=NOON)


@pytest.mark.parametrize(
    ("happens", "says"),
    [
        (make_it_late, "Nobody sends what is due"),
        (make_it_lapse, "A worker has died"),
        (make_a_step_late, "Escalation is behind"),
        (make_a_plan_fail, "Planning failed"),
        (let_nobody_carry_mail, "No message can go out: set SMTP_HOST"),
        (silence_every_provider, "No provider answers: ntfy."),
        (refuse_everything, "No provider takes anything: 2 messages tried"),
        (break_off_again_and_again, "No provider takes anything: 2 messages tried"),
        (fill_the_disk, "The disk is full: 0 MB"),
        (stop_the_worker, "No worker is alive"),
    ],
)
def test_whatever_keeps_a_page_back_is_said_within_two_minutes(
    happens: Any, says: str, settings: Any
) -> None:
    later = NOON + minutes(2) + seconds(1)
    a_worker(later)
    happens(settings)
    if happens is fill_the_disk and connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's disk is not ours")
    Notification.objects.update(created_at=NOON)

    found = health.verdict(later)

    assert [one for one in found.troubles if one.startswith(says)], found.troubles


def test_one_message_that_is_taken_ends_the_doubt_about_providers() -> None:
    a_worker()
    refused(a_message(NOON + minutes(5)).pk, created_at=NOON)
    row = a_message(NOON + minutes(5), "bob")
    refused(row.pk, created_at=NOON)
    assert not health.verdict(NOON).ok

    refused(row.pk, "sent")

    assert health.verdict(NOON).ok


def test_one_bad_address_says_nothing_of_the_provider_however_often_it_is_tried() -> None:
    a_worker()
    refused(a_message(NOON + minutes(5)).pk, created_at=NOON)
    Notification.objects.update(attempts=9)

    assert health.verdict(NOON).ok


def test_an_hour_without_a_try_ends_it_too() -> None:
    for name in ("alice", "bob"):
        refused(a_message(NOON, name).pk)
    Notification.objects.update(created_at=NOON)
    a_worker(NOON + minutes(61))

    assert health.verdict(NOON + minutes(61)).ok
