"""A source is tried out by whoever looks after it: the test pages them only, or runs the policy."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client

from alertsources import trying
from alertsources.intake import Taken
from alertsources.models import AlertSource, ReceivedPayload
from alertsources.reprocessing import NotNow, reprocess
from alertsources.sources.base import registry
from alertsources.tests.bodies import post
from alertsources.tests.test_looking import set_up
from alertsources.tests.test_silences import look, open_titles
from alertsources.trying import NotTried
from incidents import lifecycle
from incidents.lifecycle import Actor
from incidents.models import Incident
from pagerpal.testing import (
    NOON,
    Recorder,
    make_admin,
    make_policy,
    make_source,
    make_team,
    make_user,
    minutes,
    run_worker,
    seconds,
)
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
    return make_source(team, name="prod")


def try_out(source: AlertSource, by: User, *, now: datetime = NOON, policy: bool = False) -> Taken:
    source.refresh_from_db()
    return trying.try_out(source, by, runs_policy=policy, now=now)


def test_by_default_it_pages_who_asked_and_nobody_else(
    source: AlertSource, alice: User, recorder: Recorder
) -> None:
    try_out(source, alice)

    run_worker(NOON)

    message = recorder.take("topic-alice")
    assert (message.title[:4], "This is a test" in message.body) == ("TEST", True)
    incident = Incident.objects.get()
    assert (incident.is_test, incident.urgency, incident.team) == (True, "none", source.team)
    said = incident.timeline.values_list("text", flat=True)
    assert "Paging alice, and nobody else." in said
    assert "Opened by prod. alice tries the source out." in said


def test_the_policy_pages_whom_it_would_page_for_a_real_alert(
    source: AlertSource, alice: User, recorder: Recorder
) -> None:
    try_out(source, alice, policy=True)

    run_worker(NOON)

    assert recorder.take("topic-bob").title.startswith("TEST [critical]")
    assert Incident.objects.get().is_test


def test_it_is_a_message_of_the_sources_kind_that_is_kept_and_marked(
    source: AlertSource, alice: User
) -> None:
    taken = try_out(source, alice)

    payload = ReceivedPayload.objects.get()
    assert (payload.is_test, payload.result) == (True, "taken")
    assert payload.incident_id == taken.incidents[0]
    assert b"Disk full on db1" in payload.body


@pytest.mark.parametrize("kind", sorted(registry))
@pytest.mark.parametrize("policy", [False, True])
def test_every_kind_can_be_tried(source: AlertSource, alice: User, kind: str, policy: bool) -> None:
    set_up(source, kind=kind)

    taken = try_out(source, alice, policy=policy)

    assert taken.result == "taken"
    assert Incident.objects.get().is_test


@pytest.mark.parametrize("policy", [False, True])
def test_it_closes_itself(source: AlertSource, alice: User, policy: bool) -> None:
    try_out(source, alice, policy=policy)
    lifecycle.acknowledge(Incident.objects.get().pk, Actor.person(alice, "page"), now=NOON)

    look(NOON + minutes(14))
    assert open_titles() == ["Disk full on db1"]
    look(NOON + minutes(15))

    assert open_titles() == []


def test_it_meets_neither_the_real_alert_nor_the_test_before(
    source: AlertSource, alice: User
) -> None:
    post(registry["generic"].example)
    try_out(source, alice)
    try_out(source, alice, now=NOON + seconds(30))
    try_out(source, alice, policy=True)

    tests = Incident.objects.order_by("pk").values_list("is_test", flat=True)
    assert list(tests) == [False, True, True, True]


def test_two_taps_in_a_hurry_are_one_test(source: AlertSource, alice: User) -> None:
    first, second = (try_out(source, alice, now=NOON + seconds(n)) for n in (0, 1))

    assert second.incidents == first.incidents
    assert Incident.objects.count() == 1


def test_with_the_policy_rules_and_waiting_hold_as_for_a_real_alert(
    source: AlertSource, alice: User, recorder: Recorder
) -> None:
    set_up(source, wait_for=minutes(5))

    assert "1 waiting" in try_out(source, alice, policy=True).note
    assert open_titles() == []
    look(NOON + minutes(5))
    run_worker(NOON + minutes(5))

    assert recorder.take("topic-bob").title.startswith("TEST")


def test_a_source_that_is_switched_off_says_so(source: AlertSource, alice: User) -> None:
    set_up(source, is_active=False)

    with pytest.raises(NotTried, match="prod is switched off"):
        try_out(source, alice)

    assert not ReceivedPayload.objects.exists()


def test_an_example_that_ends_something_is_no_test(source: AlertSource, alice: User) -> None:
    set_up(source, kind="any-json", settings={"mapping": {"state": "'resolved'"}})

    with pytest.raises(NotTried, match="nothing in it fires"):
        try_out(source, alice)


def test_who_cannot_be_reached_sees_why(source: AlertSource) -> None:
    try_out(source, make_user("carol", ntfy=False))

    said = Incident.objects.get().timeline.values_list("text", flat=True)
    assert "carol could not be paged: no working contact method." in said


def test_a_test_is_not_taken_in_once_more(source: AlertSource, alice: User) -> None:
    try_out(source, alice)

    with pytest.raises(NotNow, match="was a test"):
        reprocess(ReceivedPayload.objects.get(), alice, NOON)


def test_its_incident_is_labelled_on_its_page_and_in_lists(
    source: AlertSource, alice: User, client: Client
) -> None:
    number = try_out(source, alice).incidents[0]
    client.force_login(alice)

    pages = [client.get(path).content.decode() for path in (f"/incidents/{number}", "/incidents")]

    assert f"<title>#{number} TEST triggered" in pages[0]
    assert "A test: no policy runs for it" in pages[0]
    assert all(
        "<strong>TEST</strong>" in page for page in [*pages, client.get("/").content.decode()]
    )


@pytest.mark.parametrize(("how", "urgency"), [("me", "none"), ("policy", "high")])
def test_the_admin_has_its_buttons(
    source: AlertSource, client: Client, how: str, urgency: str
) -> None:
    client.force_login(make_admin())
    change = f"/admin/alertsources/alertsource/{source.pk}/change/"
    form = client.get(change).content.decode()
    assert "Send test alert: page me only" in form
    assert f'href="/alert-sources/{source.pk}"' in form

    answer = client.post(change.replace("change", "test"), {"how": how}, follow=True)

    incident = Incident.objects.get()
    assert (incident.is_test, incident.urgency) == (True, urgency)
    assert f"TEST #{incident.pk}</a> is open" in answer.content.decode()


def test_the_admin_tries_no_source_that_is_off(source: AlertSource, client: Client) -> None:
    client.force_login(make_admin())
    set_up(source, is_active=False)

    answer = client.post(f"/admin/alertsources/alertsource/{source.pk}/test/", follow=True)

    assert "is switched off: what it sends is refused" in answer.content.decode()


def test_the_admin_tries_nothing_by_a_link_and_for_nobody_else(
    source: AlertSource, client: Client
) -> None:
    path = f"/admin/alertsources/alertsource/{source.pk}/test/"
    client.force_login(make_user("sam", is_staff=True))
    assert client.post(path).status_code == 404
    client.force_login(make_admin())
    assert (
        client.get(path).status_code,
        client.post(path.replace("/test", "9/test")).status_code,
    ) == (405, 404)
    assert not Incident.objects.exists()
