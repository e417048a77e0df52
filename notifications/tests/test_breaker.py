"""A provider that does not answer is left alone, and tried again."""

from __future__ import annotations

from typing import Any

import pytest

from notifications.channels.base import SendError
from notifications.models import (
    Notification,
    ProviderState,
)
from notifications.tests.pages import (
    events,
    first,
    rows,
    send,
    send_all,
    stored,
)
from pagerpal.testing import NOON, Recorder, make_user, minutes, seconds

pytestmark = pytest.mark.django_db


def open_breaker(recorder: Recorder) -> None:
    """Three timeouts in a row at noon, by three people's notices."""
    recorder.broken["ntfy"] = SendError("no answer within 8 s", timed_out=True)
    for name in ("x", "y", "z"):
        row = first(make_user(name), purpose="notice", ref=f"n:{name}", thread=name, urgency="low")
        send(row)
        Notification.objects.filter(pk=row.pk).delete()


def test_three_timeouts_in_a_row_open_the_breaker(recorder: Recorder) -> None:
    open_breaker(recorder)

    state = ProviderState.objects.get(provider="ntfy")
    assert state.is_open
    assert state.probe_at == NOON + seconds(30)
    assert state.last_error == "no answer within 8 s"


def test_an_answer_between_timeouts_keeps_the_breaker_closed(recorder: Recorder) -> None:
    for number, error in enumerate([True, True, False, True, True]):
        recorder.broken["ntfy"] = SendError("x", timed_out=error)
        send(first(make_user(f"u{number}"), ref=f"r{number}", thread=f"t{number}", urgency="low"))

    assert not ProviderState.objects.get(provider="ntfy").is_open


def test_a_row_due_while_the_breaker_is_open_calls_nobody_and_pulls_the_next_method(
    recorder: Recorder, heard: list[tuple[str, Any]]
) -> None:
    open_breaker(recorder)
    recorder.broken.clear()
    heard.clear()
    row = first(make_user(email=True), urgency="low", now=NOON + seconds(5))

    sent = send(row, now=NOON + seconds(5))

    put_off = stored(row)
    assert not sent
    assert (put_off.state, put_off.attempts) == ("pending", 0)
    assert put_off.due_at == NOON + seconds(30)
    assert rows(channel="email")[0].due_at == NOON + seconds(5)
    assert heard == [("touched", [row.thread]), ("settled", "pending")]
    assert events(row) == ["retry"]


def test_one_row_probes_and_its_success_closes_the_breaker_for_all(recorder: Recorder) -> None:
    open_breaker(recorder)
    recorder.broken.clear()
    one = first(make_user("alice"), urgency="low", ref="a", thread="a")
    two = first(make_user("bob"), urgency="low", ref="b", thread="b")
    three = first(make_user("carol"), urgency="low", ref="c", thread="c")
    for row in (one, two, three):
        send(row, now=NOON + seconds(5))

    assert send_all(NOON + seconds(30)) == 3

    assert [stored(row).state for row in (one, two, three)] == ["sent"] * 3
    assert not ProviderState.objects.get(provider="ntfy").is_open
    assert len(recorder.take_all()) == 3


def test_a_failed_probe_keeps_the_others_waiting(recorder: Recorder) -> None:
    open_breaker(recorder)
    one = first(make_user("alice"), urgency="low", ref="a", thread="a")
    two = first(make_user("bob"), urgency="low", ref="b", thread="b")
    send(one, now=NOON + seconds(5))
    send(two, now=NOON + seconds(5))
    calls = len(recorder.failures)

    send_all(NOON + seconds(30))

    assert len(recorder.failures) == calls + 1
    assert ProviderState.objects.get(provider="ntfy").probe_at == NOON + seconds(60)
    assert sorted(stored(row).attempts for row in (one, two)) == [0, 1]


def test_what_waited_ten_minutes_for_a_silent_provider_fails(recorder: Recorder) -> None:
    open_breaker(recorder)
    row = first(make_user(), urgency="low")
    send(row, now=NOON + seconds(5))
    ProviderState.objects.update(probe_at=NOON + minutes(11))

    send(row, now=NOON + minutes(10) + seconds(5))

    assert stored(row).state == "failed"


def test_other_providers_go_on_while_one_is_silent(recorder: Recorder) -> None:
    open_breaker(recorder)
    row = first(make_user(ntfy=False, email=True), urgency="low")

    assert send(row, now=NOON + seconds(5))

    recorder.take("alice@example.org", "email")
