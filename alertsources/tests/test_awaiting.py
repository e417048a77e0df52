"""A test that somebody has announced: the next message that fires is it, and pages them only."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alertsources import awaiting
from alertsources.models import Alert, AlertSource, ReceivedPayload
from alertsources.tests.bodies import KEY, post, recorded
from alertsources.tests.test_silences import look
from alertsources.trying import NotTried
from incidents.models import Incident
from pagerpal.testing import Recorder, make_policy, make_source, make_team, make_user, minutes
from schedules.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def source(alice: User) -> AlertSource:
    """Whose policy pages bob, not alice."""
    bob = make_user("bob")
    team = make_team("Shop", bob, leads=(alice,))
    make_policy(team, bob)
    return make_source(team, kind="checkly", name="checkly")


def await_test(source: AlertSource, by: User, *, ago: int = 0) -> None:
    awaiting.await_test(source, by, now=timezone.now() - minutes(ago))


def send(case: str, kind: str = "checkly") -> Any:
    answer = recorded(kind, case).send(f"/api/v1/alerts/{kind}", key=KEY)
    assert answer.status_code == 202
    return answer.json()


def real() -> int:
    return Incident.objects.filter(is_test=False).count()


def test_what_fires_next_pages_who_announced_it_and_nobody_else(
    source: AlertSource, alice: User, recorder: Recorder
) -> None:
    await_test(source, alice)

    answer = send("failure")

    incident = Incident.objects.get()
    assert (incident.is_test, incident.urgency) == (True, "none")
    assert "Paging alice, and nobody else." in incident.timeline.values_list("text", flat=True)
    assert answer["incident"] == incident.pk
    assert ReceivedPayload.objects.get().is_test


def test_only_one_message_is_the_test_and_meets_no_real_alert(
    source: AlertSource, alice: User
) -> None:
    await_test(source, alice)

    send("failure")
    send("failure")

    assert (Incident.objects.count(), real()) == (2, 1)
    assert Alert.objects.firing().count() == 2


def test_it_ends_by_itself(source: AlertSource, alice: User) -> None:
    await_test(source, alice)
    send("failure")

    look(timezone.now() + minutes(16))

    assert not Incident.objects.open().exists()


def test_an_announcement_holds_for_10_minutes(source: AlertSource, alice: User) -> None:
    await_test(source, alice, ago=11)

    send("failure")

    assert real() == 1


def test_it_can_be_taken_back_and_ends_with_who_made_it(source: AlertSource, alice: User) -> None:
    await_test(source, alice)
    awaiting.stop(source)
    send("failure")
    await_test(source, alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)

    send("degraded")

    assert (Incident.objects.count(), real()) == (1, 1)


def test_what_ends_or_cannot_be_read_or_fires_already_is_no_test(
    source: AlertSource, alice: User
) -> None:
    send("failure")
    await_test(source, alice)

    send("failure")
    send("recovery")
    post(b"junk", "/api/v1/alerts/checkly")

    assert (Incident.objects.count(), real()) == (2, 2)
    send("failure")
    assert Incident.objects.filter(is_test=True).count() == 1


def test_a_whole_group_is_one_test(source: AlertSource, alice: User) -> None:
    AlertSource.objects.update(kind="alertmanager")
    await_test(source, alice)

    send("mixed_two_firing_one_resolved", "alertmanager")

    assert Incident.objects.get().is_test
    assert Alert.objects.firing().count() == 2


def test_a_sender_that_marks_its_tests_uses_up_no_announcement(
    source: AlertSource, alice: User
) -> None:
    AlertSource.objects.update(kind="grafana")
    await_test(source, alice)

    send("test_button", "grafana")
    send("firing_one", "grafana")

    assert Incident.objects.get().is_test


def test_a_source_that_is_off_waits_for_none(source: AlertSource, alice: User) -> None:
    source.is_active = False

    with pytest.raises(NotTried, match="switched off"):
        await_test(source, alice)


def test_it_is_announced_and_taken_back_on_the_page(source: AlertSource, alice: User) -> None:
    client = Client()
    client.force_login(alice)
    path = f"/alert-sources/{source.pk}"

    said = client.post(f"{path}/test", {"how": "await"}, follow=True).content.decode()
    assert "that fires within 10 minutes is a test and pages you only" in said
    assert "Waiting for a test of its sender" in said
    said = client.post(f"{path}/test", {"how": "stop"}, follow=True).content.decode()

    assert "Waiting for a test of its sender" not in said
    send("failure")
    assert real() == 1
