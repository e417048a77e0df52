"""One attempt, the order of work, and the limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from notifications import dispatch, outbox
from notifications.channels.base import Message, SendError, registry
from notifications.models import (
    ContactMethod,
    Notification,
    NotificationRule,
    ProviderState,
)
from notifications.tests.pages import (
    cancel,
    events,
    first,
    page,
    rows,
    send,
    send_all,
    stored,
)
from pagerpal.testing import NOON, Recorder, make_team, make_user, minutes, seconds

pytestmark = pytest.mark.django_db


def test_a_due_message_is_sent_once(recorder: Recorder) -> None:
    row = first(make_user(), urgency="low")

    assert send(row)
    assert not send(row)

    message = recorder.take("topic-alice")
    sent = stored(row)
    assert message.title == "[critical] Disk full on db-6 (#412)"
    assert (sent.state, sent.attempts, sent.settled_at) == ("sent", 1, NOON)
    assert (sent.provider_id, sent.outcome, sent.lease_until) == ("id-1", "ok", None)
    assert sent.first_tried_at == NOON
    assert sent.rendered is not None
    assert sent.rendered["title"] == message.title
    assert events(row) == ["sent"]


def test_what_is_not_due_is_not_sent(recorder: Recorder) -> None:
    row = first(make_user())

    assert not send(row, now=NOON - seconds(1))
    assert stored(row).state == "pending"


def test_a_message_that_is_gone_is_not_sent(recorder: Recorder) -> None:
    assert not dispatch.send_one(4711, now=NOON, seconds=8)


def test_safe_mode_holds_the_whole_text_and_a_live_link(recorder: Recorder, settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = False
    settings.PAGERPAL_BASE_URL = "https://pager.example.org"
    row = first(make_user(), urgency="low")

    assert send(row)

    held = stored(row)
    assert held.state == "held"
    assert held.rendered is not None
    assert held.rendered["title"] == "[critical] Disk full on db-6 (#412)"
    assert "Next: bob at 12:05" in held.rendered["body"]
    assert held.rendered["answer_url"] == "https://pager.example.org/a/t0ken"
    assert events(row) == ["held"]


def test_nothing_is_claimed_while_this_half_is_switched_off(
    recorder: Recorder, settings: Any
) -> None:
    settings.NOTIFICATION_RETRY_WORKER_ENABLED = False
    row = first(make_user())

    assert not send(row)
    assert not dispatch.send_best_due(NOON, seconds=8)
    assert stored(row).attempts == 0


def test_after_an_acknowledgement_nothing_is_claimed(recorder: Recorder) -> None:
    row = first(make_user())
    outbox.cancel(row.thread, purposes=["page"], now=NOON, reason="alice has it")

    assert not send(row)
    assert send_all(NOON + minutes(10)) == 0


@pytest.mark.parametrize("what", ["channel", "address", "person", "settings"])
def test_what_cannot_be_sent_fails_without_a_call(
    recorder: Recorder, settings: Any, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    alice = make_user()
    row = first(alice, urgency="low")
    if what == "channel":
        Notification.objects.filter(pk=row.pk).update(channel="pigeon")
    elif what == "address":
        ContactMethod.objects.update(is_on=False)
    elif what == "person":
        alice.is_active = False
        alice.save()
    else:
        lacking = registry["ntfy"]
        monkeypatch.setattr(lacking, "needs", lambda: ["NTFY_X"])

    assert send(row)

    failed = stored(row)
    reason = {"channel": "pigeon", "address": "switched off", "person": "alice"}
    assert failed.state == "failed"
    assert reason.get(what, "set NTFY_X") in failed.outcome
    assert ProviderState.objects.get(provider=failed.channel).last_error == ""


def test_a_channel_with_a_bug_is_tried_again_and_tells_no_secret(recorder: Recorder) -> None:
    def explode(message: Message) -> None:
        raise KeyError("tk_secret")

    recorder.on_send = explode
    row = first(make_user(), urgency="low")

    send(row)

    assert stored(row).state == "pending"
    assert "KeyError" in stored(row).outcome
    assert "tk_secret" not in stored(row).outcome


def test_taken_although_cancelled_is_sent_and_cleared_from_the_phone(recorder: Recorder) -> None:
    row = first(make_user(), urgency="low")
    recorder.on_send = lambda _: cancel(row)

    send(row)

    (order,) = rows(purpose="update")
    assert (stored(row).state, stored(row).cancelled_at) == ("sent", NOON)
    assert order.context == {"clears": row.key}
    recorder.on_send = None
    recorder.take("topic-alice")
    assert send_all(NOON) == 1
    assert recorder.take("topic-alice").clears == row.key


@pytest.mark.parametrize("permanent", [False, True])
def test_not_taken_and_cancelled_is_never_tried_again(recorder: Recorder, permanent: bool) -> None:
    row = first(make_user(), urgency="high")
    recorder.broken["ntfy"] = SendError("HTTP 500", permanent=permanent)
    recorder.on_send = lambda _: cancel(row)

    send(row)

    assert stored(row).state == "cancelled"
    assert stored(row).settled_at == NOON
    assert events(row) == ["cancelled"]
    assert send_all(NOON + minutes(30)) == 0


def hold_in_flight(number: int) -> None:
    """So many calls to ntfy are under way."""
    for place in range(number):
        row = first(make_user(f"busy{place}"), ref=f"busy{place}", purpose="notice", urgency="low")
        Notification.objects.filter(pk=row.pk).update(
            state="sending", attempts=1, lease_until=NOON + seconds(30)
        )


def test_one_worker_stays_free_for_other_providers(recorder: Recorder, settings: Any) -> None:
    settings.WORKERS = 4
    hold_in_flight(3)
    push = first(make_user("alice"), urgency="low")
    mail = first(make_user("bob", ntfy=False, email=True), urgency="low", ref="b", now=NOON)

    assert not send(push)
    assert send_all(NOON) == 1

    assert (stored(push).state, stored(mail).state) == ("pending", "sent")
    recorder.take("bob@example.org", "email")


def test_a_dead_workers_call_does_not_count_as_under_way(recorder: Recorder, settings: Any) -> None:
    settings.WORKERS = 4
    hold_in_flight(3)
    push = first(make_user("alice"), urgency="low")

    assert send(push, now=NOON + seconds(31))

    recorder.take("topic-alice")


def test_the_worst_goes_first_then_the_newest(recorder: Recorder) -> None:
    for name, rank in [("low", 2), ("old", 0), ("high", 1), ("new", 0)]:
        page(make_user(name), ref=name, thread=name, rank=rank, urgency="low")

    send_all(NOON)

    order = [address for _, address, _ in recorder.take_all()]
    assert order == ["topic-new", "topic-old", "topic-high", "topic-low"]


def test_a_storm_in_one_team_does_not_starve_another(recorder: Recorder) -> None:
    loud, quiet = make_team("Loud"), make_team("Quiet")
    page(make_user("bob"), ref="quiet", thread="quiet", team_id=quiet.pk, urgency="low")
    for number in range(20):
        alice = make_user(f"alice{number}")
        page(alice, ref=f"n{number}", thread=f"t{number}", team_id=loud.pk, urgency="low")

    for _ in range(2):
        dispatch.send_best_due(NOON, seconds=8)

    assert "topic-bob" in [address for _, address, _ in recorder.take_all()]


def test_a_worse_row_of_any_team_goes_before_fairness(recorder: Recorder) -> None:
    loud, quiet = make_team("Loud"), make_team("Quiet")
    page(make_user("bob"), ref="q", thread="q", team_id=quiet.pk, rank=2, urgency="low")
    for number in range(3):
        alice = make_user(f"alice{number}")
        page(alice, ref=f"n{number}", thread=f"t{number}", team_id=loud.pk, urgency="low")

    send_all(NOON)

    assert [address for _, address, _ in recorder.take_all()][-1] == "topic-bob"


def test_the_number_of_queries_does_not_grow_with_the_storm(
    recorder: Recorder, django_assert_max_num_queries: Any
) -> None:
    team = make_team()
    for number in range(30):
        page(make_user(f"u{number}"), ref=f"n{number}", thread=f"t{number}", team_id=team.pk)
    dispatch.send_best_due(NOON, seconds=8)

    with django_assert_max_num_queries(20):
        dispatch.send_best_due(NOON, seconds=8)

    recorder.take_all()


def test_push_down_mail_up_reaches_the_person_at_once(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 503")
    page(make_user(email=True))

    send_all(NOON)

    assert recorder.take("alice@example.org", "email")
    assert outbox.outcome(["page:981"]).taken == 1


def test_rules_of_one_person_all_get_their_turn(recorder: Recorder) -> None:
    alice = make_user(email=True)
    ntfy, mail = alice.contact_methods.order_by("channel").reverse()
    for method, delay in [(mail, 0), (ntfy, 2)]:
        NotificationRule.objects.create(user=alice, contact_method=method, delay=minutes(delay))
    page(alice)

    send_all(NOON + minutes(1))
    recorder.take("alice@example.org", "email")
    recorder.expect_none()
    send_all(NOON + minutes(2))

    recorder.take("topic-alice")


def test_a_million_tries_do_not_overflow(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    row = first(make_user())
    Notification.objects.exclude(pk=row.pk).delete()
    Notification.objects.filter(pk=row.pk).update(attempts=F("attempts") + 1_000_000)

    send(row, now=NOON + timedelta(days=700))

    assert stored(row).attempts == 1_000_001
