"""Who is written to, when, and what is taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError

from notifications import outbox
from notifications.models import ContactMethod, Notification, NotificationRule
from notifications.outbox import Outcome, Written
from notifications.tests.pages import FACTS, first, page, rows, stored
from pagerpal.testing import NOON, Recorder, make_user, minutes, seconds

pytestmark = pytest.mark.django_db


def planned(ref: str = "page:981") -> list[tuple[str, float]]:
    """(channel, seconds after noon) of what waits."""
    return [
        (row.channel, (row.due_at - NOON).total_seconds()) for row in rows(ref=ref, state="pending")
    ]


def add_rule(method: ContactMethod, **fields: Any) -> NotificationRule:
    return NotificationRule.objects.create(user=method.user, contact_method=method, **fields)


def test_by_default_push_rings_six_times_and_mail_follows() -> None:
    alice = make_user(email=True)

    written = page(alice)

    assert planned() == [
        *[("ntfy", 60.0 * number) for number in range(6)],
        ("email", 300.0),
    ]
    assert written == Written(7, rows()[0].pk, NOON)


def test_by_default_low_urgency_rings_once() -> None:
    alice = make_user(email=True)

    page(alice, urgency="low")

    assert planned() == [("ntfy", 0.0), ("email", 300.0)]


def test_whoever_has_only_mail_gets_it_at_once() -> None:
    alice = make_user(ntfy=False, email=True)

    page(alice)

    assert planned() == [("email", 0.0)]


def test_a_person_without_an_address_gets_nothing() -> None:
    alice = make_user(ntfy=False)

    assert page(alice) == Written(0, None, None)


def test_a_person_who_is_switched_off_gets_nothing() -> None:
    assert page(make_user(is_active=False)) == Written(0, None, None)


def test_rules_say_when_and_how_often() -> None:
    alice = make_user(email=True)
    ntfy, mail = alice.contact_methods.order_by("channel").reverse()
    add_rule(mail, delay=minutes(1))
    add_rule(ntfy, delay=minutes(2), repeats=2, repeat_every=seconds(30))
    add_rule(ntfy, urgency="low", delay=minutes(9))

    page(alice)

    assert planned() == [("email", 60.0), ("ntfy", 120.0), ("ntfy", 150.0), ("ntfy", 180.0)]


def test_one_address_may_have_two_rules() -> None:
    alice = make_user()
    method = alice.contact_methods.get()
    add_rule(method)
    add_rule(method, delay=minutes(10))

    page(alice)

    assert planned() == [("ntfy", 0.0), ("ntfy", 600.0)]


def test_a_rule_whose_address_is_off_is_skipped() -> None:
    alice = make_user(email=True)
    ntfy, mail = alice.contact_methods.order_by("channel").reverse()
    add_rule(ntfy)
    add_rule(mail)
    ContactMethod.objects.filter(pk=ntfy.pk).update(is_on=False)

    page(alice)

    assert planned() == [("email", 0.0)]


def test_rules_that_lead_nowhere_give_way_to_the_defaults() -> None:
    alice = make_user(email=True)
    ntfy = alice.contact_methods.get(channel="ntfy")
    add_rule(ntfy)
    ContactMethod.objects.filter(pk=ntfy.pk).update(is_on=False)

    page(alice)

    assert planned() == [("email", 0.0)]


def test_a_rule_for_mail_that_is_not_set_up_gives_way_to_push(settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED, settings.SMTP_HOST = True, ""
    alice = make_user(email=True)
    add_rule(alice.contact_methods.get(channel="email"))

    page(alice, urgency="low")

    assert planned() == [("ntfy", 0.0), ("email", 300.0)]


@pytest.mark.parametrize("purpose", ["growth", "notice", "ask_owner"])
def test_only_pages_are_repeated(purpose: str) -> None:
    page(make_user(), purpose=purpose)

    assert planned() == [("ntfy", 0.0)]


def test_the_same_page_is_written_once() -> None:
    alice = make_user(email=True)
    page(alice)

    again = page(alice)

    assert again == Written(0, None, None)
    assert Notification.objects.count() == 7


def test_keys_name_what_is_sent() -> None:
    alice = make_user()
    method = alice.contact_methods.get()

    row = first(alice, urgency="low")

    assert row.key == f"page:981/method:{method.pk}/repeat:0"


def test_an_unknown_channel_is_a_failed_row_and_harms_no_other() -> None:
    alice = make_user()
    ContactMethod.objects.create(user=alice, channel="pigeon", address="loft-3")

    written = page(alice, urgency="low")

    (failed,) = rows(state="failed")
    assert written.rows == 1
    assert failed.channel == "pigeon"
    assert failed.outcome == "PagerPal has no channel called pigeon."
    assert failed.settled_at == NOON
    assert planned() == [("ntfy", 0.0)]


def test_a_rule_without_a_time_is_a_failed_row_and_harms_no_other() -> None:
    alice = make_user(email=True)
    ntfy, mail = alice.contact_methods.order_by("channel").reverse()
    add_rule(ntfy, delay=timedelta(days=100_000_000))
    add_rule(mail)

    page(alice)

    assert [row.channel for row in rows(state="failed")] == ["ntfy"]
    assert planned() == [("email", 0.0)]


def test_a_row_the_database_refuses_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    alice = make_user(email=True)
    make = outbox._row

    def bad_row(message: Any, call: Any, number: int, **fields: Any) -> Notification:
        row = make(message, call, number, **fields)
        if row.channel == "ntfy":
            row.state = "nonsense"
        return row

    monkeypatch.setattr(outbox, "_row", bad_row)

    written = page(alice, urgency="low")

    (failed,) = rows(state="failed")
    assert written.rows == 1
    assert failed.channel == "ntfy"
    assert failed.outcome.startswith("could not be written")
    assert planned() == [("email", 300.0)]


def test_facts_with_characters_no_database_stores_are_cleaned() -> None:
    row = first(make_user(), context={**FACTS, "title": "a\x00b \ud800"})

    assert stored(row).context["title"] == "a b ?"


def test_planning_calls_no_channel(recorder: Recorder) -> None:
    page(make_user())

    recorder.expect_none()


def test_reachable_is_who_has_a_usable_address(settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED, settings.SMTP_HOST = True, ""
    alice, bob = make_user("alice"), make_user("bob", ntfy=False, email=True)
    carol, dave = make_user("carol", is_active=False), make_user("dave", ntfy=False)
    erin = make_user("erin")
    erin.contact_methods.update(is_on=False)
    frank = make_user("frank", ntfy=False)
    ContactMethod.objects.create(user=frank, channel="pigeon", address="loft-3")
    everybody = [user.pk for user in (alice, bob, carol, dave, erin, frank)]

    assert outbox.reachable(everybody, "high") == {alice.pk}


def test_safe_mode_does_not_ask_what_a_channel_needs(settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED, settings.SMTP_HOST = False, ""
    bob = make_user("bob", ntfy=False, email=True)

    assert outbox.reachable([bob.pk], "high") == {bob.pk}


def test_cancel_ends_the_named_purposes_of_one_thread_only() -> None:
    alice = make_user()
    page(alice, urgency="low")
    page(alice, ref="growth:1", purpose="growth")
    page(alice, ref="page:2", thread="thing:9", urgency="low")

    ended = outbox.cancel("thing:412", purposes=["page"], now=NOON, reason="alice has it")

    (cancelled,) = rows(state="cancelled")
    assert ended == 1
    assert (cancelled.ref, cancelled.outcome) == ("page:981", "alice has it")
    assert (cancelled.cancelled_at, cancelled.settled_at) == (NOON, NOON)
    assert len(rows(state="pending")) == 2


def test_cancel_only_marks_a_row_that_a_provider_is_called_for() -> None:
    row = first(make_user(), urgency="low")
    Notification.objects.filter(pk=row.pk).update(state="sending", lease_until=NOON + seconds(30))

    ended = outbox.cancel(row.thread, purposes=["page"], now=NOON, reason="alice has it")

    assert ended == 1
    assert (stored(row).state, stored(row).cancelled_at) == ("sending", NOON)


def test_a_second_cancel_changes_nothing() -> None:
    row = first(make_user(), urgency="low")
    outbox.cancel(row.thread, purposes=["page"], now=NOON, reason="first")

    assert outbox.cancel(row.thread, purposes=["page"], now=NOON + seconds(5), reason="later") == 0
    assert stored(row).cancelled_at == NOON


def test_only_the_leaving_persons_messages_are_cancelled() -> None:
    alice, bob = make_user("alice"), make_user("bob")
    page(alice, ref="page:1", urgency="low")
    page(bob, ref="page:2", urgency="low")

    assert outbox.cancel_person("thing:412", bob, now=NOON, reason="bob has left") == 1
    assert [row.user for row in rows(state="pending")] == [alice]


def test_late_pages_are_superseded_and_others_are_not() -> None:
    alice = make_user()
    page(alice, urgency="low", now=NOON - minutes(11))
    page(alice, ref="page:2", urgency="low", now=NOON)

    assert outbox.supersede("thing:412", due_before=NOON - minutes(10), now=NOON) == 1
    assert [row.ref for row in rows(state="pending")] == ["page:2"]
    assert "superseded" in rows(state="cancelled")[0].outcome


def test_what_went_out_by_push_is_taken_off_the_phones_once() -> None:
    alice = make_user(email=True)
    page(alice, urgency="low")
    Notification.objects.update(state="sent", settled_at=NOON)

    first_time = outbox.clear_taken("thing:412", now=NOON)
    second_time = outbox.clear_taken("thing:412", now=NOON)

    (order,) = rows(purpose="update")
    sent = rows(channel="ntfy", purpose="page")[0]
    assert (first_time, second_time) == (1, 0)
    assert order.key == f"clear:{sent.key}"
    assert order.context == {"clears": sent.key}
    assert (order.channel, order.address, order.rank) == ("ntfy", sent.address, 3)
    assert order.due_at == NOON


def test_the_outcome_counts_rows_by_how_they_fared() -> None:
    alice = make_user(email=True)
    page(alice)
    states = ["sent", "delivered", "held", "failed", "cancelled"]
    for row, state in zip(rows(), states, strict=False):
        done = {"settled_at": NOON, "cancelled_at": NOON if state == "cancelled" else None}
        Notification.objects.filter(pk=row.pk).update(state=state, **done)

    assert outbox.outcome(["page:981", "page:0"]) == Outcome(taken=3, unfinished=2, failed=1)


def test_five_tries_in_vain_count_as_failed_but_the_fifth_itself_does_not() -> None:
    alice = make_user(email=True)
    page(alice, urgency="low")
    Notification.objects.filter(channel="ntfy").update(attempts=5)
    Notification.objects.filter(channel="email").update(
        attempts=5, state="sending", lease_until=NOON
    )

    assert outbox.outcome(["page:981"]) == Outcome(taken=0, unfinished=1, failed=1)


def test_due_counts_what_waits_unless_sending_is_switched_off(settings: Any) -> None:
    page(make_user())

    assert outbox.has_due(NOON + seconds(59)) == 1
    assert outbox.has_due(NOON + seconds(60)) == 2
    assert outbox.has_due(NOON - seconds(1)) == 0
    settings.NOTIFICATION_RETRY_WORKER_ENABLED = False
    assert outbox.has_due(NOON + seconds(60)) == 0


def test_send_again_makes_a_new_message_each_time() -> None:
    alice = make_user()
    row = first(alice, urgency="low")
    Notification.objects.update(state="held", settled_at=NOON)

    one = outbox.send_again(row, alice, now=NOON)
    two = outbox.send_again(one, alice, now=NOON)

    assert (one.key, two.key) == (f"{row.key}/again:1", f"{row.key}/again:2")
    assert one.context["again_by"] == "alice"
    assert (one.state, one.due_at) == ("pending", NOON)
    assert row.events.get().text == "sent again by alice"


def test_the_database_refuses_a_pending_row_that_is_cancelled() -> None:
    row = first(make_user())

    with pytest.raises(IntegrityError):
        Notification.objects.filter(pk=row.pk).update(cancelled_at=NOON)
