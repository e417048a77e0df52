"""`manage.py demo`: what it makes, once."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from alertsources.models import Alert, AlertSource
from incidents import lifecycle
from incidents.lifecycle import Opening
from incidents.models import Incident, Page
from notifications.models import Notification
from pagerpal import sample
from pagerpal.testing import (
    NOON,
    make_policy,
    make_rotation,
    make_team,
    make_user,
    minutes,
    run_worker,
)
from schedules.models import Membership, Override, Team, User

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


def test_reset_takes_demo_people_out_of_other_teams_incidents_and_rotations() -> None:
    made()
    alice, bob = User.objects.get(name="alice"), User.objects.get(name="bob")
    dora = make_user("dora")
    other = make_team("Real team", dora)
    rotation = make_rotation(other, alice, dora)
    Override.objects.create(
        rotation=rotation, user=bob, starts_at=NOON, ends_at=NOON + minutes(60), created_by=dora
    )
    policy = make_policy(other, [alice, dora])
    incident = lifecycle.open_incident(Opening(team=other, title="x", policy=policy), now=NOON)
    run_worker(NOON)

    made("--reset")

    assert set(Page.objects.values_list("user", flat=True)) == {dora.pk}
    assert set(Notification.objects.values_list("user", flat=True)) == {dora.pk}
    assert Notification.objects.unfinished().exists()
    assert [place.user for place in rotation.members.all()] == [dora]
    assert not rotation.overrides.exists()
    assert list(other.incidents.all()) == [incident]


def test_reset_ends_what_still_goes_to_others_about_the_demos_incidents() -> None:
    made()
    demo_team = Team.objects.get(name=sample.TEAM)
    dora = make_user("dora")
    policy = make_policy(demo_team, dora, is_default=False, name="dora")
    lifecycle.open_incident(Opening(team=demo_team, title="x", policy=policy), now=NOON)
    run_worker(NOON)
    assert Notification.objects.unfinished().filter(user=dora).exists()

    made("--reset")

    assert not Notification.objects.unfinished().exists()
    assert not Incident.objects.exists()


def test_reset_remakes_people_who_have_left_the_demo_team() -> None:
    made()
    Membership.objects.filter(user__name="bob").delete()

    assert len(made("--reset")["users"]) == 3


def test_reset_leaves_alerts_of_a_source_that_has_gone_to_another_team(client: Client) -> None:
    first = made()
    post_alert(client, first["sources"][0]["key"])
    other = make_team("Real team", make_user("dora"))
    AlertSource.objects.filter(pk=first["sources"][0]["id"]).update(team=other, policy=None)

    made("--reset")

    assert Alert.objects.get().incident is None


def test_it_refuses_to_run_in_production(settings: Any) -> None:
    settings.PRODUCTION = True

    with pytest.raises(CommandError, match="production"):
        demo()


@pytest.mark.parametrize("command", [["demo"], ["create_admin", "--email", "a@example.org"]])
def test_a_new_user_may_run_it_before_anything_has_made_the_tables(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    migrated: list[int] = []
    monkeypatch.setattr("pagerpal.migrating.bring_up_to_date", lambda **_: migrated.append(1))

    call_command(*command, stdout=StringIO())

    assert migrated == [1]
