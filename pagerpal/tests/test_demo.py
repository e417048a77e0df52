"""`manage.py demo`: what it makes, once."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from alertsources.models import AlertSource
from incidents.models import Incident
from pagerpal.testing import make_team, make_user
from schedules.models import Team, User

pytestmark = pytest.mark.django_db


def demo(*flags: str) -> str:
    out = StringIO()
    call_command("demo", *flags, stdout=out)
    return out.getvalue()


def made(*flags: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(demo("--json", *flags))
    return found


def post_alert(client: Client, key: str) -> int:
    body = {"title": "Disk 96% full", "severity": "critical"}
    answer = client.post(
        "/api/v1/alerts", body, content_type="application/json", headers={"X-API-Key": key}
    )
    return answer.status_code


def test_the_sample_can_be_signed_into_and_takes_alerts(client: Client) -> None:
    sample = made()

    assert [source["kind"] for source in sample["sources"]] == ["generic", "alertmanager"]
    assert len(sample["users"]) == 3
    assert client.login(email=sample["admin"]["email"], password=sample["admin"]["password"])
    assert post_alert(client, sample["sources"][0]["key"]) == 202
    assert Incident.objects.get().policy is not None


def test_a_second_run_adds_nothing_and_says_that_keys_are_shown_once() -> None:
    demo()
    before = User.objects.count(), Team.objects.count(), AlertSource.objects.count()

    again = demo()

    assert "shown once" in again
    assert (User.objects.count(), Team.objects.count(), AlertSource.objects.count()) == before
    assert [source["key"] for source in made()["sources"]] == [None, None]


def test_reset_remakes_it_and_touches_nothing_else(client: Client) -> None:
    other = make_team("Real team", make_user("dora"))
    first = made()
    post_alert(client, first["sources"][0]["key"])

    second = made("--reset")

    assert second["sources"][0]["key"] != first["sources"][0]["key"]
    assert post_alert(client, first["sources"][0]["key"]) == 403
    assert post_alert(client, second["sources"][0]["key"]) == 202
    assert other.members.count() == 1


def test_it_refuses_to_run_in_production(settings: Any) -> None:
    settings.PRODUCTION = True

    with pytest.raises(CommandError, match="production"):
        demo()
