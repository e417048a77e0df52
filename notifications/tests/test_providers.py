"""Two providers carry one kind: one stands in for the other, and each has its own breaker."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from notifications import dispatch, outbox
from notifications.channels.base import SendError, missing_for, providers_of, registry
from notifications.health import health
from notifications.models import ContactMethod, DeliveryEvent, Notification, ProviderState
from notifications.tests.pages import events, first, rows, send, send_all, stored
from pagerpal.testing import NOON, Recorder, make_user, minutes, seconds
from schedules.models import User

pytestmark = pytest.mark.django_db

NUMBER = "+41791234567"
TWILIO, INFOBIP = "sms_twilio", "sms_infobip"
DOWN = SendError("HTTP 503")
NO_MORE = SendError("HTTP 401", permanent=True)
TIMEOUT = SendError("no answer within 8 s", timed_out=True)
SOON = NOON + seconds(30)


@pytest.fixture(autouse=True)
def order(settings: Any) -> None:
    settings.SMS_PROVIDERS = ["twilio", "infobip"]


def texted(name: str = "alice", *, number: str = NUMBER, email: bool = False) -> User:
    """Somebody who is reached by SMS, and by mail if asked."""
    user = make_user(name, ntfy=False, email=email)
    ContactMethod.objects.create(user=user, channel="sms", address=number)
    return user


def sms_to(user: User, *, urgency: str = "low", **fields: Any) -> Notification:
    first(user, urgency=urgency, **fields)
    return rows(channel="sms", user=user)[-1]


def silence(*providers: str, until: datetime = SOON) -> None:
    for provider in providers:
        state, _ = ProviderState.objects.get_or_create(provider=provider)
        ProviderState.objects.filter(pk=state.pk).update(timeouts=3, probe_at=until)


def told(row: Notification) -> list[tuple[str, str]]:
    return list(DeliveryEvent.objects.filter(notification=row).values_list("provider", "kind"))


def test_the_first_provider_carries_it(recorder: Recorder) -> None:
    row = sms_to(texted())

    send(row)

    assert recorder.take(NUMBER, TWILIO)
    assert (stored(row).state, stored(row).provider) == ("sent", TWILIO)
    assert told(row) == [(TWILIO, "sent")]


@pytest.mark.parametrize("error", [DOWN, NO_MORE, TIMEOUT])
def test_when_the_first_fails_the_second_is_tried_at_once(
    recorder: Recorder, error: SendError
) -> None:
    recorder.broken[TWILIO] = error
    row = sms_to(texted())

    assert send_all(NOON) == 2

    message = recorder.take(NUMBER, INFOBIP)
    assert message.key == row.key
    assert (stored(row).state, stored(row).attempts) == ("sent", 2)
    kind = "refused" if error.permanent else "retry"
    assert told(row) == [(TWILIO, kind), (INFOBIP, "sent")]


def test_the_next_method_waits_while_another_provider_is_tried(recorder: Recorder) -> None:
    recorder.broken[TWILIO] = DOWN
    row = sms_to(texted(email=True))

    send_all(NOON)

    assert recorder.take(NUMBER, INFOBIP)
    mail = rows(channel="email")[0]
    assert (mail.state, mail.due_before_pull) == ("pending", None)
    assert stored(row).state == "sent"


def test_after_a_timeout_the_next_method_does_not_wait_for_the_other_provider(
    recorder: Recorder,
) -> None:
    recorder.broken[TWILIO] = TIMEOUT
    row = sms_to(texted(email=True))

    send(row)

    assert rows(channel="email")[0].due_at == NOON
    assert (stored(row).provider, stored(row).due_at) == (INFOBIP, NOON)


def test_when_both_fail_the_next_method_is_pulled_forward(recorder: Recorder) -> None:
    recorder.broken = {TWILIO: DOWN, INFOBIP: DOWN}
    row = sms_to(texted(email=True))

    send_all(NOON)

    assert recorder.take("alice@example.org", "email")
    assert stored(row).attempts == 2
    assert stored(row).provider == TWILIO
    assert NOON + seconds(4) <= stored(row).due_at <= NOON + seconds(6)


def test_one_that_refused_for_good_is_not_asked_again(recorder: Recorder) -> None:
    recorder.broken = {TWILIO: NO_MORE, INFOBIP: DOWN}
    row = sms_to(texted())
    now = NOON

    for _ in range(5):
        now = max(now, stored(row).due_at)
        send(row, now=now)

    tried = [provider for provider, _ in told(row)]
    assert tried == [TWILIO, INFOBIP, INFOBIP, INFOBIP, INFOBIP]
    assert stored(row).state == "failed"


def test_when_both_refuse_for_good_it_has_failed_and_its_repeats_with_it(
    recorder: Recorder,
) -> None:
    recorder.broken = {TWILIO: NO_MORE, INFOBIP: NO_MORE}
    texted("bob", number="+41791234568")
    first(User.objects.get(name="bob"), ref="page:1")  # somebody else who can still be reached
    alice = texted()
    method = alice.contact_methods.get()
    call = outbox.Call(method, seconds(0), repeats=2)
    outbox.page_person(
        alice, purpose="page", thread="thing:412", ref="page:981", team_id=None, urgency="high",
        rank=0, context={"urgency": "high"}, now=NOON, calls=[call],
    )  # fmt: skip

    for row in rows(user=alice)[:1] * 2:
        send(row)

    assert [row.state for row in rows(user=alice)] == ["failed"] * 3


def test_a_last_hope_takes_turns(recorder: Recorder) -> None:
    recorder.broken = {TWILIO: NO_MORE, INFOBIP: NO_MORE}
    row = sms_to(texted(), urgency="high")
    for number in range(6):
        send(row, now=NOON + number * minutes(1))

    tried = [provider for provider, _ in told(row)]
    assert tried == [TWILIO, INFOBIP] * 3
    assert stored(row).state == "pending"


def test_a_silent_provider_is_left_out_and_no_try_is_used(recorder: Recorder) -> None:
    silence(TWILIO)
    row = sms_to(texted())

    send(row)

    assert recorder.take(NUMBER, INFOBIP)
    assert (stored(row).attempts, stored(row).provider) == (1, INFOBIP)
    assert events(row) == ["sent"]


def test_three_timeouts_silence_one_provider_and_not_its_kind(recorder: Recorder) -> None:
    recorder.broken[TWILIO] = TIMEOUT
    for number in range(3):
        user = texted(f"u{number}", number=f"+4179123456{number}")
        sms_to(user, ref=f"r{number}", thread=f"t{number}")
    send_all(NOON)

    open_ones = [state.provider for state in ProviderState.objects.all() if state.is_open]
    assert open_ones == [TWILIO]
    assert len(recorder.take_all()) == 3


def test_the_probe_goes_to_the_silent_one_when_it_is_time(recorder: Recorder) -> None:
    silence(TWILIO)
    row = sms_to(texted(), now=NOON + seconds(30))

    send(row, now=NOON + seconds(30))

    assert recorder.take(NUMBER, TWILIO)
    assert not ProviderState.objects.get(provider=TWILIO).is_open
    assert stored(row).state == "sent"


def test_when_all_are_silent_it_waits_for_the_first_probe(recorder: Recorder) -> None:
    silence(TWILIO, until=NOON + seconds(30))
    silence(INFOBIP, until=NOON + seconds(10))
    row = sms_to(texted(email=True))

    assert not send(row)

    assert (stored(row).attempts, stored(row).due_at) == (0, NOON + seconds(10))
    assert rows(channel="email")[0].due_at == NOON


def test_when_one_answers_again_what_waited_for_the_other_is_due(recorder: Recorder) -> None:
    silence(TWILIO, INFOBIP, until=NOON + seconds(20))
    waiting = sms_to(texted())
    send(waiting)
    silence(INFOBIP, until=NOON)

    send(sms_to(texted("bob", number="+41791234568"), ref="b", thread="b"), now=NOON + seconds(1))

    assert stored(waiting).due_at == NOON + seconds(1)
    assert len(recorder.take_all()) == 1


def test_each_provider_has_its_own_calls_under_way(recorder: Recorder, settings: Any) -> None:
    settings.WORKERS = 4
    for number in range(3):
        busy = sms_to(texted(f"b{number}", number=f"+4179123450{number}"), ref=f"b{number}")
        Notification.objects.filter(pk=busy.pk).update(
            state="sending", attempts=1, provider=TWILIO, lease_until=NOON + seconds(30)
        )
    waits = sms_to(texted(), ref="waits")
    other = sms_to(texted("bob", number="+41791234568"), ref="other")
    Notification.objects.filter(pk=other.pk).update(provider=INFOBIP)

    assert not send(waits)
    assert send_all(NOON) == 1

    assert recorder.take("+41791234568", INFOBIP)
    assert stored(waits).state == "pending"


def test_a_row_of_before_is_carried_and_counted(recorder: Recorder, settings: Any) -> None:
    settings.WORKERS = 2
    old = first(make_user("old"), urgency="low", ref="old")
    Notification.objects.filter(pk=old.pk).update(
        state="sending", attempts=1, provider="", lease_until=NOON + seconds(30)
    )
    row = first(make_user(), urgency="low")

    assert not send(row)
    assert send(row, now=NOON + seconds(31))

    recorder.take("topic-alice")


def test_a_provider_that_is_no_longer_set_up_is_passed_over(
    recorder: Recorder, settings: Any
) -> None:
    row = sms_to(texted())
    Notification.objects.filter(pk=row.pk).update(provider=TWILIO)
    settings.SMS_PROVIDERS = ["infobip"]

    send(row)

    assert recorder.take(NUMBER, INFOBIP)


def test_a_provider_named_but_lacking_settings_is_passed_over(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry[TWILIO], "needs", lambda: ["TWILIO_AUTH_TOKEN"])
    row = sms_to(texted())

    send(row)

    assert [one.slug for one in providers_of("sms")] == [INFOBIP]
    assert missing_for("sms") == []
    assert recorder.take(NUMBER, INFOBIP)
    assert stored(row).provider == INFOBIP


def test_without_any_provider_it_says_what_is_missing(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = sms_to(texted())
    monkeypatch.setattr(registry[TWILIO], "needs", lambda: ["TWILIO_X", "TWILIO_Y"])
    monkeypatch.setattr(registry[INFOBIP], "needs", lambda: ["INFOBIP_X"])

    send(row)

    assert stored(row).state == "failed"
    assert stored(row).outcome == "Recorder is off: set INFOBIP_X"


def test_an_address_switched_off_asks_no_provider(recorder: Recorder) -> None:
    row = sms_to(texted())
    ContactMethod.objects.update(is_on=False)

    send(row)

    assert (stored(row).state, stored(row).attempts) == ("failed", 1)
    assert recorder.failures == []


def test_safe_mode_needs_no_provider(recorder: Recorder, settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = False
    row = sms_to(texted())
    for slug in (TWILIO, INFOBIP):
        registry[slug].needs = lambda: ["SOME_TOKEN"]  # type: ignore[method-assign]

    send(row)

    assert stored(row).state == "held"


@pytest.mark.parametrize(("silent", "troubles"), [([TWILIO], 0), ([TWILIO, INFOBIP], 1)])
def test_health_is_bad_when_no_provider_of_any_kind_answers(
    recorder: Recorder, silent: list[str], troubles: int
) -> None:
    texted()
    silence(*silent)

    assert len(health(NOON)) == troubles


def test_a_row_whose_worker_died_goes_out_by_the_same_provider(recorder: Recorder) -> None:
    row = sms_to(texted())
    Notification.objects.filter(pk=row.pk).update(
        state="sending", attempts=1, provider=INFOBIP, lease_until=NOON, first_tried_at=NOON
    )

    dispatch.reset_lapsed(NOON + seconds(1))
    send(row, now=NOON + seconds(1))

    assert recorder.take(NUMBER, INFOBIP).key == row.key
