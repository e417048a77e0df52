"""Two at once at one's own page, for real: threads with connections of their own."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import pytest

from notifications import addresses, trials, verification
from notifications.limits import Refused
from notifications.models import ContactMethod, Notification
from notifications.tests.pages import send_all
from notifications.tests.test_races import at_once
from pagerpal.testing import NOON, Recorder, make_user, minutes

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 5


def refused(call: object, *args: object, now: datetime) -> bool:
    try:
        call(*args, now=now)  # type: ignore[operator]
    except Refused:
        return True
    return False


def test_many_guesses_at_once_are_no_more_than_five(recorder: Recorder) -> None:
    method = make_user().contact_methods.get()
    verification.send_code(method, now=NOON)
    send_all(NOON)
    code = recorder.take(method.address).title.split()[0]
    wrong = f"{(int(code) + 1) % 10**6:06}"

    said = at_once(*[lambda: verification.enter_code(method, wrong, now=NOON).words] * 8)

    assert sum("That is not the code" in str(words) for words in said) == 5
    assert sum("no code to enter" in str(words) for words in said) == 3
    assert not verification.enter_code(method, code, now=NOON).is_right


def test_two_who_ask_for_a_code_at_once_send_one(recorder: Recorder) -> None:
    alice, bob = make_user("alice"), make_user("bob", ntfy=False)
    mine = alice.contact_methods.get()
    same = ContactMethod.objects.create(user=bob, channel="ntfy", address=mine.address)
    for number in range(ROUNDS):
        now = NOON + minutes(61 * number)

        def ask(method: ContactMethod, now: datetime = now) -> bool:
            return refused(verification.send_code, method, now=now)

        assert sorted(map(bool, at_once(lambda: ask(mine), lambda: ask(same)))) == [False, True]
        send_all(now)

    assert len(recorder.take_all()) == ROUNDS


def test_two_taps_on_page_me_now_begin_one_run(recorder: Recorder) -> None:
    alice = make_user()
    for number in range(ROUNDS):
        now = NOON + minutes(61 * number)

        def begin(now: datetime = now) -> bool:
            return refused(trials.page_now, alice, now=now)

        assert sorted(map(bool, at_once(begin, begin))) == [False, True]
        assert trials.stop(alice, now=now) == 6


def test_nothing_of_a_run_goes_out_after_i_got_it(recorder: Recorder) -> None:
    alice = make_user()
    for number in range(ROUNDS):
        now = NOON + minutes(61 * number)
        trials.page_now(alice, now=now)

        at_once(partial(trials.stop, alice, now=now), partial(send_all, now))
        recorder.take_all()
        send_all(now + minutes(30))

        assert all(message.clears for _, _, message in recorder.take_all())
        assert not Notification.objects.unfinished().exists()


def test_an_address_added_twice_at_once_is_there_once(recorder: Recorder) -> None:
    alice = make_user(ntfy=False)

    def add() -> bool:
        try:
            addresses.add(alice, "ntfy", "topic-new")
        except Refused:
            return True
        return False

    assert sorted(map(bool, at_once(add, add))) == [False, True]
    assert alice.contact_methods.count() == 1
