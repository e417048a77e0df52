"""Several messages that are due together for one address go out as one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from notifications import bundles, dispatch, outbox, settling
from notifications.channels.base import Message, Report, SendError
from notifications.models import Bundle, DeliveryEvent, Notification, ProviderState
from notifications.receipts import receive
from notifications.signals import still_wanted
from notifications.tests.pages import (
    FACTS,
    cancel,
    claim,
    events,
    first,
    page,
    rows,
    send,
    send_all,
    stored,
    try_until_settled,
)
from pagerpal.testing import NOON, Recorder, make_channel, make_team, make_user, minutes, seconds
from schedules.models import User

pytestmark = pytest.mark.django_db
HIGH = {**FACTS, "severity": "high"}


def storm(
    user: User,
    number: int,
    *,
    now: datetime = NOON,
    rank: int = 1,
    urgency: str = "low",
    **facts: Any,
) -> list[Notification]:
    """So many things wrong at once, each with one message to this person; the oldest first."""
    for place in range(1, number + 1):
        said = {**HIGH, "number": place, "title": f"Disk {place} full", "urgency": urgency, **facts}
        page(
            user,
            ref=f"page:{place}",
            thread=f"thing:{place}",
            urgency=urgency,
            rank=rank,
            now=now,
            context=said,
        )
    return rows(due_at=now)


def states() -> list[str]:
    return [row.state for row in rows()]


def test_what_is_due_together_is_one_message(recorder: Recorder) -> None:
    found = storm(make_user(), 5, answer_path="/a/x")

    assert send_all(NOON) == 1

    message = recorder.take("topic-alice")
    assert message.title == "5 incidents: #5 Disk 5 full, #4 Disk 4 full and 3 more"
    assert message.body.splitlines() == [
        "5 high.",
        *(f"high: #{number} Disk {number} full" for number in (5, 4, 3, 2, 1)),
    ]
    assert message.answer_label == "Acknowledge all 5"
    assert "/a/all-" in message.answer_url
    assert states() == ["sent"] * 5
    assert [stored(row).outcome for row in found] == ["ok"] * 5
    assert {row.rendered["title"] for row in rows() if row.rendered} == {message.title}


def test_each_of_them_has_the_attempt_in_its_history(
    recorder: Recorder, heard: list[tuple[str, Any]]
) -> None:
    found = storm(make_user(), 3)

    send_all(NOON)

    assert [events(row) for row in found] == [["sent"]] * 3
    assert sorted(said for kind, said in heard if kind == "settled") == ["sent"] * 3
    touched = [thread for kind, said in heard if kind == "touched" for thread in said]
    assert set(touched) == {"thing:1", "thing:2", "thing:3"}
    recorder.take("topic-alice")


def test_what_comes_due_after_the_claim_is_not_in_it(recorder: Recorder) -> None:
    alice = make_user()
    storm(alice, 2, answer_path="/a/x")
    late: list[Notification] = []

    def open_another(_: Message) -> None:
        late.append(first(alice, thread="late", urgency="low"))

    recorder.on_send = open_another

    dispatch.send_best_due(NOON, seconds=8)

    assert stored(late[0]).state == "pending"
    assert Bundle.objects.get().threads == ["thing:2", "thing:1"]
    recorder.take("topic-alice")


def test_its_token_stands_for_exactly_what_it_said(recorder: Recorder) -> None:
    storm(make_user(), 3, answer_path="/a/x")
    send_all(NOON)
    token = recorder.take("topic-alice").answer_url.partition("/a/all-")[2]

    bundle = bundles.read_token(token)

    assert bundle is not None
    assert bundle.threads == ["thing:3", "thing:2", "thing:1"]
    assert str(bundle) == "3 in one: thing:3, thing:2, thing:1"
    assert bundles.read_token(f"{token}x") is None
    assert bundles.read_token(bundles._signer.sign("4711")) is None


def test_one_alone_reads_as_ever(recorder: Recorder) -> None:
    storm(make_user(), 1)

    send_all(NOON)

    assert recorder.take("topic-alice").title == "[high] Disk 1 full (#1)"
    assert not Bundle.objects.exists()


def test_of_one_thread_the_newest_speaks(recorder: Recorder) -> None:
    page(make_user(), ref="page:1", urgency="high", context={**HIGH, "urgency": "high"})

    send_all(NOON + minutes(3))

    assert recorder.take("topic-alice").title == "[high] Disk full on db-6 (#412)"
    assert not Bundle.objects.exists()


@pytest.mark.parametrize("other", ["person", "address", "purpose", "time", "again", "alone"])
def test_what_is_for_somebody_else_or_another_time_goes_by_itself(
    recorder: Recorder, other: str
) -> None:
    alice = make_user()
    row, odd = storm(alice, 2)
    changes: dict[str, dict[str, Any]] = {
        "person": {"user": make_user("bob", ntfy=False)},
        "address": {"address": "topic-else"},
        "purpose": {"purpose": "growth"},
        "time": {"due_at": NOON + minutes(1)},
        "again": {"key": "page:2/again:1"},
        "alone": {"goes_alone": True},
    }
    Notification.objects.filter(pk=odd.pk).update(**changes[other])

    send(row)

    assert stored(odd).state == "pending"
    assert recorder.take("topic-alice").title == "[high] Disk 1 full (#1)"


def test_a_room_hears_of_several_at_once_and_a_program_of_one_at_a_time(recorder: Recorder) -> None:
    team = make_team()
    for room in (make_channel(team), make_channel(team, "hook", channel="webhook", address="w")):
        for place in (1, 2):
            Notification.objects.create(
                purpose="page",
                thread=f"thing:{place}",
                key=f"{room.name}/{place}",
                team_channel=room,
                channel=room.channel,
                address=room.address,
                due_at=NOON,
                context={**HIGH, "number": place},
            )

    send_all(NOON)

    assert recorder.take("room-ops").title.startswith("2 incidents: #2")
    assert len(recorder.take_all()) == 2


def test_a_failed_one_falls_apart_and_each_is_tried_again(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    found = storm(make_user(email=True), 3)

    dispatch.send_best_due(NOON, seconds=8)

    after = [stored(row) for row in found if row.channel == "ntfy"]
    assert [(row.state, row.lead_id, row.attempts) for row in after] == [("pending", None, 1)] * 3
    assert all(seconds(4) <= row.due_at - NOON <= seconds(6) for row in after)
    assert [row.outcome for row in after] == ["HTTP 500"] * 3
    assert {row.due_at for row in rows(channel="email")} == {NOON}  # each one's next method
    dispatch.send_best_due(NOON, seconds=8)
    assert recorder.take("alice@example.org", "email").title.startswith("3 incidents")


def test_a_timeout_counts_once_for_the_breaker(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("no answer", timed_out=True)
    storm(make_user(), 5)

    dispatch.send_best_due(NOON, seconds=8)

    assert ProviderState.objects.get(provider="ntfy").timeouts == 1


def test_what_was_refused_for_good_is_tried_one_by_one(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 400", permanent=True)
    storm(make_user(), 3)
    dispatch.send_best_due(NOON, seconds=8)
    assert sorted(states()) == ["failed", "pending", "pending"]
    recorder.broken.clear()

    assert send_all(NOON) == 2

    assert [sent.title for _, _, sent in recorder.take_all()] == [
        "[high] Disk 2 full (#2)",
        "[high] Disk 1 full (#1)",
    ]


def test_a_cancelled_one_is_not_sent_again_and_the_others_are(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    found = storm(make_user(), 3)
    recorder.on_send = lambda _: cancel(found[2])  # the newest leads

    dispatch.send_best_due(NOON, seconds=8)

    assert states() == ["pending", "pending", "cancelled"]


def test_a_cancelled_member_is_over_when_the_call_fails(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    found = storm(make_user(), 3)
    recorder.on_send = lambda _: cancel(found[0])

    dispatch.send_best_due(NOON, seconds=8)

    assert states() == ["cancelled", "pending", "pending"]
    assert stored(found[0]).lead_id is None


def test_what_was_taken_although_one_is_over_stays_on_the_phone(recorder: Recorder) -> None:
    found = storm(make_user(), 3)
    recorder.on_send = lambda _: cancel(found[0])

    dispatch.send_best_due(NOON, seconds=8)

    assert states() == ["sent"] * 3
    assert not rows(purpose="update")
    recorder.take("topic-alice")


def test_a_crash_between_claim_and_result_repeats_the_same_message(recorder: Recorder) -> None:
    found = storm(make_user(), 3)
    claim(found[2])
    assert [stored(row).lead_id for row in found] == [found[2].pk, found[2].pk, None]
    later = NOON + seconds(31)

    assert dispatch.reset_lapsed(later) == 3

    assert [(row.state, row.lead_id) for row in rows()] == [("pending", None)] * 3
    assert [events(row) for row in found] == [["lapsed"]] * 3
    assert send_all(later) == 1
    message = recorder.take("topic-alice")
    assert message.title.startswith("3 incidents")
    assert message.key == Bundle.objects.get().key  # so it replaces what may have arrived


def test_a_repeat_that_says_more_is_another_message(recorder: Recorder) -> None:
    alice = make_user()
    claim(storm(alice, 2)[1])
    later = NOON + seconds(31)
    first(alice, ref="late", thread="late", urgency="low", now=later)

    dispatch.reset_lapsed(later)
    assert send_all(later) == 1

    old, new = Bundle.objects.order_by("pk")
    assert old.threads == ["thing:2", "thing:1"]  # what the first one said can still be answered
    assert set(new.threads) == {"thing:2", "thing:1", "late"}
    assert recorder.take("topic-alice").key == new.key


def test_what_a_provider_took_and_did_not_deliver_goes_by_another_name(recorder: Recorder) -> None:
    """It would know the old one."""
    found = storm(make_user(), 2)
    claim(found[1])
    Notification.objects.filter(pk=found[1].pk).update(provider_id="x")
    later = NOON + seconds(31)

    dispatch.reset_lapsed(later)
    send_all(later)

    assert recorder.take("topic-alice").key == Bundle.objects.latest("pk").key
    assert Bundle.objects.count() == 2


def test_a_crash_between_the_result_of_a_message_and_that_of_its_members_sends_nothing_again(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = storm(make_user(), 3)
    with monkeypatch.context() as patch:
        patch.setattr(settling, "settle_members", lambda *_, **__: None)
        dispatch.send_best_due(NOON, seconds=8)
    assert states() == ["sending", "sending", "sent"]

    assert dispatch.reset_lapsed(NOON + seconds(31)) == 2

    assert states() == ["sent"] * 3
    assert [events(row) for row in found] == [["sent"]] * 3
    assert len({str(row.rendered) for row in rows()}) == 1
    recorder.take("topic-alice")


def test_one_under_way_counts_once_for_its_provider(recorder: Recorder, settings: Any) -> None:
    settings.WORKERS = 3
    claim(storm(make_user(), 5)[4])
    row = first(make_user("bob"), ref="b", thread="b", urgency="low")

    assert send(row)

    recorder.take("topic-bob")


def test_nobody_is_in_the_message_whose_page_is_not_needed_any_more(recorder: Recorder) -> None:
    """A last hope that leads falls out; the others are still sent."""
    alice = make_user()
    found = storm(alice, 2, urgency="high")
    Notification.objects.exclude(pk__in=[row.pk for row in found]).delete()
    lead = found[1]
    Notification.objects.filter(pk=lead.pk).update(attempts=5)
    send(first(make_user("bob"), ref="page:9", thread=lead.thread))
    recorder.take("topic-bob")

    send(lead)
    try_until_settled(found[0])

    assert stored(lead).outcome.startswith("not needed")
    assert recorder.take("topic-alice").title == "[high] Disk 1 full (#1)"


def test_more_than_fifty_are_two_messages(recorder: Recorder) -> None:
    storm(make_user(), 60)

    assert send_all(NOON) == 2

    titles = [sent.title for _, _, sent in recorder.take_all()]
    assert [title.partition(":")[0] for title in titles] == ["50 incidents", "10 incidents"]
    assert set(states()) == {"sent"}


def test_a_receipt_is_for_all_of_them(recorder: Recorder) -> None:
    alice = make_user(ntfy=False)
    alice.contact_methods.create(channel="sms", address="+41790000001")
    storm(alice, 3)
    send_all(NOON)
    recorder.take_all()
    assert [row.look_at is None for row in rows()] == [True, True, False]

    (sent_id,) = {row.provider_id for row in rows()}
    receive([Report(sent_id, "here", is_delivered=True)], [rows()[0].provider], now=NOON)

    assert states() == ["delivered"] * 3


def test_a_text_message_names_the_worst_and_how_to_answer(recorder: Recorder) -> None:
    alice = make_user(ntfy=False)
    alice.contact_methods.create(channel="sms", address="+41790000001")
    storm(alice, 5, reply="12a")

    send_all(NOON)

    ((_, _, message),) = recorder.take_all()
    assert message.sms.startswith(
        "5 incidents: #5 HIGH Disk 5 full, #4 HIGH Disk 4 full and 3 more."
    )
    assert "Reply all" in message.sms


def test_a_discreet_team_stays_discreet(recorder: Recorder) -> None:
    storm(make_user(), 2, discreet=True)

    send_all(NOON)

    message = recorder.take("topic-alice")
    assert message.title == "2 incidents: #2 high, #1 high"
    assert "Disk" not in message.body


def test_mail_has_the_button_for_all(recorder: Recorder) -> None:
    storm(make_user(ntfy=False, email=True), 2, answer_path="/a/x")

    send_all(NOON)

    message = recorder.take("alice@example.org", "email")
    assert "Acknowledge all 2</a>" in message.html
    assert "high: #1 Disk 1 full" in message.html


def test_it_goes_from_the_phone_when_nothing_of_it_waits(recorder: Recorder) -> None:
    found = storm(make_user(), 2)
    send_all(NOON)
    key = recorder.take("topic-alice").key
    over: set[str] = set()

    def is_wanted(*, notification: Notification, **_: Any) -> bool:
        return notification.thread not in over

    still_wanted.connect(is_wanted)
    try:
        for row in found:
            over.add(row.thread)
            written = outbox.clear_taken(row.thread, now=NOON)
    finally:
        still_wanted.disconnect(is_wanted)

    assert written == 1
    assert [row.context for row in rows(purpose="update")] == [{"clears": key}]


def test_safe_mode_holds_all_of_them(recorder: Recorder, settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = False
    storm(make_user(), 3, answer_path="/a/x")

    send_all(NOON)

    assert states() == ["held"] * 3
    assert all("/a/all-" in row.rendered["answer_url"] for row in rows() if row.rendered)


def test_each_is_sent_again_by_hand_as_itself(recorder: Recorder) -> None:
    alice = make_user()
    found = storm(alice, 2)
    send_all(NOON)
    recorder.take("topic-alice")

    again = outbox.send_again(found[0], alice, now=NOON)
    send(again)

    assert recorder.take("topic-alice").title == "[high] Disk 1 full (#1)"
    assert DeliveryEvent.objects.filter(kind="again").count() == 1


def test_questions_and_news_for_an_owner_are_told_together(recorder: Recorder) -> None:
    alice = make_user()
    for purpose in ("growth", "ask_owner"):
        for place in (1, 2):
            ref = f"{purpose}:{place}"
            page(alice, ref=ref, purpose=purpose, thread=f"thing:{place}", urgency="low")

    send_all(NOON)

    assert sorted(sent.title.partition(":")[0] for _, _, sent in recorder.take_all()) == [
        "2 incidents of yours have grown",
        "Are these 2 still yours",
    ]


def test_messages_keys_differ_from_those_of_their_rows(recorder: Recorder) -> None:
    storm(make_user(), 2)
    keys: list[Message] = []
    recorder.on_send = keys.append

    send_all(NOON)

    assert keys[0].key not in {row.key for row in rows()}
    recorder.take("topic-alice")


def test_members_are_written_one_by_one_when_that_fails_for_all(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    storm(make_user(), 3)
    calls: list[int] = []

    def fail_once(touched: list[Notification]) -> None:
        calls.append(len(touched))
        raise ValueError("whoever listens has failed")

    monkeypatch.setattr(settling, "_touch_all", fail_once)

    send_all(NOON)

    assert (calls, states()) == ([2], ["sent"] * 3)
    recorder.take("topic-alice")
