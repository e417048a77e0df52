"""The source that a key opens, with the settings that intake asks for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from alertsources.models import Alert, AlertSource
from alertsources.senders import DURATIONS, JSON_FIELDS, PLAIN, sender_of
from alertsources.tests.bodies import KEY, post
from pagerpal.testing import make_source, make_team, make_user

pytestmark = pytest.mark.django_db

DISK = {"title": "Disk full", "severity": "critical"}


def test_the_source_of_a_key_has_its_settings_without_another_query(
    django_assert_num_queries: Any,
) -> None:
    source = make_source(make_team())
    AlertSource.objects.update(
        test_person=make_user("Ada"),
        signing_secret="s",
        settings={"a": [1]},
        group_labels=["b"],
        wait_for=timedelta(minutes=5),
        is_active=False,
    )
    source.refresh_from_db()

    with django_assert_num_queries(1):
        sender = sender_of([KEY], now=timezone.now())
        assert sender
        found = [getattr(sender.source, name) for name in [*PLAIN, *JSON_FIELDS, *DURATIONS]]

    assert found == [getattr(source, name) for name in [*PLAIN, *JSON_FIELDS, *DURATIONS]]
    assert sender.source.team.name == source.team.name


@pytest.mark.django_db(transaction=True)
def test_an_alert_is_stored_though_the_server_ended_the_connection_meanwhile() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server")
    make_source(make_team())
    server = connection.copy()
    with connection.cursor() as ours, server.cursor() as another:
        another.execute("SELECT pg_terminate_backend(%s)", [ours.connection.info.backend_pid])
    server.close()

    assert post(DISK).status_code == 202
    assert Alert.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_who_sends_is_asked_without_asking_first_whether_the_server_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server")
    make_source(make_team())
    connection.health_check_done = False  # type: ignore[attr-defined]  # a request begins
    monkeypatch.setattr(connection, "is_usable", lambda: pytest.fail("the server was asked"))

    assert post(DISK).status_code == 202
