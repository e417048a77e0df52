"""What is said once: to one person by the first address that takes it, or to a team's channel."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError

from notifications import dispatch, outbox
from notifications.channels.base import SendError
from notifications.health import health
from notifications.models import (
    ContactMethod,
    Notification,
    NotificationRule,
    ProviderState,
    TeamChannel,
)
from notifications.outbox import Note, Written
from notifications.tests.pages import claim, events, rows, send, send_all, stored
from pagerpal.testing import NOON, Recorder, make_team, make_user, minutes, seconds
from schedules.models import Team, User

pytestmark = pytest.mark.django_db
VOID = NOON + minutes(120)


def note(ref: str = "reminder:1/2/x", **fields: Any) -> Note:
    values: dict[str, Any] = {
        "purpose": "reminder",
        "thread": "rotation:1",
        "ref": ref,
        "team_id": None,
        "context": {"team": "Platform", "rotation": "primary"},
        "due_at": NOON,
        "void_at": VOID,
        **fields,
    }
    return Note(**values)


def tell(user: User, *, now: datetime = NOON, **fields: Any) -> Written:
    return outbox.tell(user, note(**fields), now=now)


def told(**fields: Any) -> list[tuple[str, str, str]]:
    return [(row.channel, row.state, row.outcome) for row in rows(**fields)]


def make_channel(team: Team | None = None, **fields: Any) -> TeamChannel:
    values: dict[str, Any] = {"name": "#ops", "channel": "ntfy", "address": "ops-room", **fields}
    return TeamChannel.objects.create(team=team or make_team("Platform"), **values)


def test_the_first_address_takes_it_and_the_others_stay_silent(recorder: Recorder) -> None:
    alice = make_user(email=True)

    written = tell(alice)
    send_all(NOON)
    send_all(VOID)

    recorder.take("topic-alice")
    assert written == Written(2, rows(channel="ntfy")[0].pk, NOON)
    assert told() == [("ntfy", "sent", "ok"), ("email", "cancelled", "reached by ntfy")]


def test_safe_mode_holds_one_and_ends_the_others() -> None:
    tell(make_user(email=True))

    send_all(NOON)

    assert [row.state for row in rows()] == ["held", "cancelled"]


def test_it_waits_for_its_time(recorder: Recorder) -> None:
    tell(make_user(), now=NOON - minutes(60))

    assert send_all(NOON - seconds(1)) == 0
    assert send_all(NOON) == 1
    recorder.take("topic-alice")


def test_it_does_not_ring_like_a_page(recorder: Recorder) -> None:
    tell(make_user())

    send_all(NOON)
    send_all(NOON + minutes(10))

    assert recorder.take("topic-alice").priority == 3


def test_the_rules_for_low_urgency_say_in_which_order(recorder: Recorder) -> None:
    alice = make_user(email=True)
    ntfy, mail = alice.contact_methods.order_by("channel").reverse()
    for method, delay in ((mail, minutes(1)), (mail, minutes(9)), (ntfy, minutes(5))):
        NotificationRule.objects.create(
            user=alice, contact_method=method, urgency="low", delay=delay, repeats=3
        )

    tell(alice)
    send_all(NOON)

    recorder.take(alice.email, "email")
    assert told() == [("email", "sent", "ok"), ("ntfy", "cancelled", "reached by email")]


def test_an_address_without_its_settings_is_the_last_resort(settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED, settings.SMTP_HOST = True, ""
    alice = make_user(email=True)
    for method in alice.contact_methods.order_by("channel"):
        NotificationRule.objects.create(user=alice, contact_method=method, urgency="low")

    tell(alice)

    assert [row.channel for row in rows()] == ["ntfy", "email"]


@pytest.mark.parametrize("permanent", [True, False])
def test_the_next_address_is_used_at_once_when_one_fails(
    recorder: Recorder, permanent: bool
) -> None:
    alice = make_user(email=True)
    recorder.broken["ntfy"] = SendError("no", permanent=permanent)

    tell(alice)
    send_all(NOON)

    recorder.take(alice.email, "email")
    first, second = rows()
    assert (first.state, second.state) == ("failed" if permanent else "cancelled", "sent")
    assert "pulled" in events(second)


def test_the_failed_address_lets_the_next_one_finish_first(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    tell(make_user(email=True))

    send(rows()[0])

    assert rows()[0].due_at == NOON + seconds(30)
    assert rows()[1].due_at == NOON


def test_one_under_way_is_not_tried_again_when_another_has_reached_them(
    recorder: Recorder,
) -> None:
    alice = make_user(email=True)
    tell(alice)
    Notification.objects.filter(channel="email").update(due_at=NOON)
    under_way = claim(rows(channel="email")[0])

    send_all(NOON)
    recorder.broken["email"] = SendError("HTTP 500")
    dispatch._carry_out(dispatch._Claim(under_way), now=NOON, seconds=8)

    recorder.take("topic-alice")
    assert [row.state for row in rows()] == ["sent", "cancelled"]


def test_after_a_kill_in_mid_call_only_the_same_address_is_tried_again(recorder: Recorder) -> None:
    tell(make_user(email=True))
    first = rows()[0]
    assert claim(first)

    dispatch.reset_lapsed(NOON + seconds(31))
    send_all(NOON + seconds(31))

    recorder.take("topic-alice")
    assert (stored(first).state, stored(first).attempts) == ("sent", 2)


def test_it_is_tried_for_as_long_as_it_is_true(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    tell(make_user())
    row = rows()[0]
    while stored(row).due_at < NOON + minutes(60):
        send(row, now=stored(row).due_at)
    recorder.broken.clear()

    send(row, now=stored(row).due_at)

    recorder.take("topic-alice")
    assert 6 < stored(row).attempts < 12


def test_an_outage_of_hours_fails_it_when_its_time_is_over(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    tell(make_user())
    row = rows()[0]

    while stored(row).state == "pending":
        send(row, now=stored(row).due_at)

    assert stored(row).state == "failed"
    assert stored(row).due_at < VOID


def test_a_provider_that_does_not_answer_is_waited_for(recorder: Recorder) -> None:
    tell(make_user())
    later = NOON + minutes(30)
    ProviderState.objects.create(provider="ntfy", timeouts=3, probe_at=later + seconds(20))
    Notification.objects.update(first_tried_at=NOON, attempts=3)

    send_all(later)

    assert (rows()[0].state, rows()[0].due_at) == ("pending", later + seconds(20))


def test_nothing_is_said_when_its_time_is_over(recorder: Recorder) -> None:
    tell(make_user(email=True))

    send_all(VOID)

    assert {row.state for row in rows()} == {"cancelled"}
    assert {row.outcome for row in rows()} == {"too late: its time is over"}


def test_the_same_thing_is_written_once_whatever_addresses_are_added() -> None:
    alice = make_user()
    tell(alice)
    ContactMethod.objects.create(user=alice, channel="email", address="a@example.org")

    again = tell(alice)

    assert (again, len(rows())) == (Written(0, None, None), 1)


def test_what_was_cancelled_may_be_written_again() -> None:
    alice = make_user(email=True)
    tell(alice)
    outbox.cancel_refs(["reminder:1/2/x"], now=NOON, reason="the shift is gone")

    again = tell(alice)

    assert again.rows == 2
    assert [row.key for row in rows(state="pending")] == ["reminder:1/2/x/2", "reminder:1/2/x/3"]


def test_what_has_reached_somebody_is_not_written_again(recorder: Recorder) -> None:
    alice = make_user()
    tell(alice)
    send_all(NOON)
    recorder.take("topic-alice")

    outbox.cancel_refs(["reminder:1/2/x"], now=NOON, reason="the shift is gone")

    assert tell(alice).rows == 0
    assert rows()[0].state == "sent"


def test_nobody_is_told_who_is_off_or_has_no_address() -> None:
    assert tell(make_user("a", is_active=False)).rows == 0
    assert tell(make_user("b", ntfy=False), ref="r").rows == 0
    assert tell(make_user("c"), ref="s", void_at=NOON).rows == 0


def test_what_waits_for_tomorrow_is_no_trouble_today() -> None:
    tell(make_user(email=True), due_at=NOON + minutes(60))

    assert health(NOON) == []
    assert outbox.has_due(NOON) == 0


def test_a_team_channel_is_written_to(recorder: Recorder) -> None:
    channel = make_channel()

    outbox.tell_channel(channel, note(purpose="handover"), now=NOON)
    again = outbox.tell_channel(channel, note(purpose="handover"), now=NOON)
    send_all(NOON)

    recorder.take("ops-room")
    row = rows()[0]
    assert (again.rows, row.state, row.user) == (0, "sent", None)
    assert str(row) == "ntfy to #ops of Platform: sent"


def test_a_channel_that_is_off_is_left_alone(recorder: Recorder) -> None:
    channel = make_channel()
    outbox.tell_channel(channel, note(), now=NOON)
    TeamChannel.objects.update(is_on=False)

    send_all(NOON)
    channel.refresh_from_db()

    assert told() == [("ntfy", "failed", "#ops of Platform is switched off")]
    assert outbox.tell_channel(channel, note("r"), now=NOON).rows == 0


def test_a_message_to_a_channel_is_tried_again_and_sent_again_by_hand(recorder: Recorder) -> None:
    channel = make_channel()
    recorder.broken["ntfy"] = SendError("HTTP 500")
    outbox.tell_channel(channel, note(), now=NOON)
    send_all(NOON)
    recorder.broken.clear()
    send_all(NOON + seconds(10))

    again = outbox.send_again(rows()[0], make_user(), now=NOON)
    send_all(NOON)

    assert again.team_channel == channel
    assert len(recorder.take_all()) == 2


@pytest.mark.parametrize("both", [True, False])
def test_a_message_is_for_one_person_or_one_channel(both: bool) -> None:
    to: dict[str, Any] = {"user": make_user(), "team_channel": make_channel()} if both else {}

    with pytest.raises(IntegrityError):
        Notification.objects.create(
            purpose="notice", thread="t", key="k", channel="ntfy", address="x", due_at=NOON, **to
        )
