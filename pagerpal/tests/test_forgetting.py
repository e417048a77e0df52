"""Tests of what is deleted when it is old, and of what never is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django_q.models import Task

from incidents.models import Incident, Page, Round, TimelineEntry
from notifications.models import Bundle, DeliveryEvent, Notification
from pagerpal import forgetting, tasks
from pagerpal.models import GivenAnswer, SignIn, TryCount
from pagerpal.testing import NOON, make_incident, make_team, make_user
from schedules.models import User

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LONG_AGO = NOON - 400 * DAY
KINDS = ("opened", "alert", "paged", "delivery", "acknowledged", "note", "resolved")


@pytest.fixture
def alice() -> User:
    return make_user("alice")


def make_message(user: User, incident: Incident, at: datetime, **fields: Any) -> Notification:
    [method] = user.contact_methods.all()[:1]
    values = {
        "purpose": "page",
        "thread": incident.thread,
        "key": f"page:{Notification.objects.count()}",
        "state": "sent",
        "due_at": at,
        "created_at": at,
        "settled_at": at,
        "channel": method.channel,
        "address": method.address,
    }
    row = Notification.objects.create(user=user, contact_method=method, **values | fields)
    DeliveryEvent.objects.create(notification=row, kind="sent", at=at)
    return row


def lived(team: Any, at: datetime, **fields: Any) -> Incident:
    """An incident of that time with a line of each kind, a page and a message about it."""
    over = {"state": "resolved", "resolved_at": at, "escalate_at": None}
    incident = make_incident(team, opened_at=at, now=at, **over | fields)
    for kind in KINDS:
        TimelineEntry.objects.create(incident=incident, kind=kind, text=kind, at=at)
    [user] = team.members.all()
    Page.objects.create(
        incident=incident, episode=1, round=0, step="1", user=user, label="step 1", created_at=at
    )
    make_message(user, incident, at)
    return incident


def left_of(incident: Incident) -> tuple[set[str], int, int]:
    kinds = set(incident.timeline.filter(text__in=KINDS).values_list("kind", flat=True))
    sent = Notification.objects.filter(thread=incident.thread).count()
    return kinds, sent, incident.pages.count()


def test_what_the_machine_wrote_goes_and_what_people_did_stays(alice: User) -> None:
    team = make_team("house", alice)
    old = lived(team, LONG_AGO)
    between = lived(team, NOON - 200 * DAY)  # messages go sooner than lines
    young = lived(team, NOON - 20 * DAY)

    forgetting.forget(NOON)

    assert left_of(old) == ({"opened", "acknowledged", "note", "resolved"}, 0, 1)
    assert left_of(between) == (set(KINDS), 0, 1)
    assert left_of(young) == (set(KINDS), 1, 1)
    assert DeliveryEvent.objects.count() == 1


def test_of_an_open_incident_nothing_goes_until_it_is_over(alice: User) -> None:
    team = make_team("house", alice)
    # Nothing is due for it, or nothing at all would be tidied up.
    fields = {"state": "acknowledged", "owner": alice, "acknowledged_at": LONG_AGO}
    incident = lived(team, LONG_AGO, resolved_at=None, **fields)

    forgetting.forget(NOON)
    while_open = left_of(incident)
    ended = NOON - 370 * DAY
    Incident.objects.update(state="resolved", resolved_at=ended, owner=None)
    forgetting.forget(NOON)
    passed = left_of(incident)
    forgetting.start_anew(NOON)
    forgetting.forget(NOON)

    assert while_open == passed == (set(KINDS), 1, 1)
    assert left_of(incident) == ({"opened", "acknowledged", "note", "resolved"}, 0, 1)


def test_the_settings_say_how_long(alice: User, settings: Any) -> None:
    settings.KEEP_MESSAGES_DAYS = settings.KEEP_TIMELINE_DAYS = 500
    old = lived(make_team("house", alice), LONG_AGO)

    assert forgetting.forget(NOON) == 0

    settings.KEEP_MESSAGES_DAYS = 399
    assert forgetting.forget(NOON) == 1
    assert left_of(old) == (set(KINDS), 0, 1)


def test_nothing_goes_while_anything_is_due(alice: User) -> None:
    team = make_team("house", alice)
    old = lived(team, LONG_AGO)
    make_incident(team, now=NOON)

    assert forgetting.forget(NOON) == 0
    assert left_of(old) == (set(KINDS), 1, 1)


def test_what_waits_or_is_being_sent_stays_however_old(alice: User) -> None:
    old = lived(make_team("house", alice), LONG_AGO)
    never = NOON + DAY
    make_message(alice, old, LONG_AGO, state="pending", settled_at=None, due_at=never)
    make_message(
        alice, old, LONG_AGO, state="sending", settled_at=None, due_at=never, lease_until=never
    )

    forgetting.forget(NOON)

    states = Notification.objects.values_list("state", flat=True)
    assert sorted(states) == ["pending", "sending"]


def test_one_that_was_sent_again_meanwhile_stays(alice: User) -> None:
    lived(make_team("house", alice), LONG_AGO)
    batch = forgetting.messages(NOON)
    Notification.objects.update(state="pending", settled_at=None)

    forgetting.take(batch)

    assert len(batch.pks) == 1
    assert Notification.objects.count() == 1


def test_a_message_that_told_of_several_goes_with_what_hangs_on_it(alice: User) -> None:
    team = make_team("house", alice)
    old, young = lived(team, LONG_AGO), lived(team, NOON)
    lead = Notification.objects.get(thread=old.thread)
    Bundle.objects.create(lead=lead, threads=[old.thread, young.thread], created_at=LONG_AGO)
    Notification.objects.filter(thread=young.thread).update(lead=lead)

    forgetting.forget(NOON)

    member = Notification.objects.get()
    assert (member.thread, member.lead) == (young.thread, None)
    assert not Bundle.objects.exists()


def test_it_goes_on_where_it_stopped(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "MOST_ROWS", 2)
    monkeypatch.setattr(forgetting, "LOOK_AT", 3)
    incident = lived(make_team("house", alice), LONG_AGO)
    for _ in range(8):
        make_message(alice, incident, LONG_AGO)

    sizes = []
    while (batch := forgetting.messages(NOON)).looked_at:
        sizes.append(len(batch.pks))
        forgetting.take(batch)

    assert sizes == [2, 2, 2, 2, 1]
    assert not Notification.objects.exists()


def test_a_round_takes_its_time_and_leaves_the_rest_to_the_next(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    lived(make_team("house", alice), LONG_AGO)
    monkeypatch.setattr(forgetting, "TAKE_FOR", -1.0)

    assert forgetting.forget(NOON) == 0


def test_what_has_an_end_of_its_own_goes_after_it(alice: User) -> None:
    for key, ends in (("old", NOON - DAY), ("young", NOON + DAY)):
        Session.objects.create(session_key=key, session_data="", expire_date=ends)
        SignIn.objects.create(user=alice, session_key=key, seen_at=NOON - 40 * DAY)
    for key, at in (("old", NOON - 2 * DAY), ("young", NOON)):
        TryCount.objects.create(key_hash=key, tries=1, began_at=at)
        GivenAnswer.objects.create(user=alice, route="x", key_hash=key, body_hash="", at=at)
    for key, at in (("old", NOON - 31 * DAY), ("young", NOON - DAY)):
        Task.objects.create(id=key, name=key, func="x", started=at, stopped=at)

    forgetting.forget(NOON)

    assert [row.session_key for row in Session.objects.all()] == ["young"]
    assert [row.session_key for row in SignIn.objects.all()] == ["young"]
    assert [row.key_hash for row in TryCount.objects.all()] == ["young"]
    assert [row.key_hash for row in GivenAnswer.objects.all()] == ["young"]
    assert [row.id for row in Task.objects.all()] == ["young"]


def test_the_worker_makes_the_rounds_of_the_whole_house() -> None:
    tasks.look_around()

    made = set(Round.objects.filter(reached=0).values_list("name", flat=True))
    assert made == {job.name for job in tasks.JOBS}
