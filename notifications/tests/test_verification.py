"""Codes: who has one typed in has shown that what is sent to an address arrives."""

from __future__ import annotations

import pytest

from notifications import addresses, limits, verification
from notifications.limits import Refused
from notifications.models import ContactMethod, Notification
from notifications.tests.pages import rows, send_all
from pagerpal.testing import NOON, Recorder, make_user, minutes, seconds
from schedules.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def method() -> ContactMethod:
    return make_user("alice").contact_methods.get()


def code_sent(recorder: Recorder, method: ContactMethod, *, minute: float = 0) -> str:
    """Ask for a code, send it, and read it there."""
    now = NOON + minutes(minute)
    verification.send_code(method, now=now)
    send_all(now)
    return recorder.take(method.address).title.split()[0]


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def enter(method: ContactMethod, code: str, *, minute: float = 1) -> verification.Entered:
    return verification.enter_code(method, code, now=NOON + minutes(minute))


def test_the_code_that_arrives_verifies_the_address(
    recorder: Recorder, method: ContactMethod
) -> None:
    code = code_sent(recorder, method)

    assert enter(method, f" {code[:3]} {code[3:]} ").is_right
    method.refresh_from_db()
    assert method.verified_at == NOON + minutes(1)
    assert not enter(method, code).is_right


def test_no_table_holds_the_code(recorder: Recorder, method: ContactMethod) -> None:
    code = code_sent(recorder, method)

    for model in (ContactMethod, Notification):
        assert code not in repr(list(model._default_manager.values()))


def test_another_code_is_refused_and_costs_a_try(recorder: Recorder, method: ContactMethod) -> None:
    code = code_sent(recorder, method)

    assert enter(method, wrong(code)).words == "That is not the code. 4 tries left."
    assert enter(method, "12345").words == "A code has 6 digits."
    assert enter(method, code).is_right


def test_after_five_wrong_ones_the_right_one_is_too_late(
    recorder: Recorder, method: ContactMethod
) -> None:
    code = code_sent(recorder, method)

    said = [enter(method, wrong(code)).words for _ in range(5)]

    assert said[-1].endswith("there is no try left: send a new one.")
    assert not enter(method, code).is_right
    assert enter(method, code_sent(recorder, method, minute=2), minute=3).is_right


def test_a_code_is_good_for_a_quarter_of_an_hour(recorder: Recorder, method: ContactMethod) -> None:
    code = code_sent(recorder, method)

    assert not enter(method, code, minute=15).is_right
    assert enter(method, code, minute=14.9).is_right


def test_a_new_code_ends_the_one_before(recorder: Recorder, method: ContactMethod) -> None:
    old = code_sent(recorder, method)
    new = code_sent(recorder, method, minute=1)

    assert old == new or not enter(method, old, minute=2).is_right
    assert enter(method, new, minute=2).is_right


def test_an_address_gets_one_code_a_minute_and_five_an_hour(
    recorder: Recorder, method: ContactMethod
) -> None:
    code_sent(recorder, method)
    with pytest.raises(Refused, match="Again in 30 seconds"):
        verification.send_code(method, now=NOON + seconds(30))
    for minute in range(1, 5):
        code_sent(recorder, method, minute=minute)

    with pytest.raises(Refused, match="Again in 31 minutes"):
        verification.send_code(method, now=NOON + minutes(30))
    code_sent(recorder, method, minute=60)


def test_the_limit_is_the_address_own_whoever_asks(
    recorder: Recorder, method: ContactMethod
) -> None:
    bob = make_user("bob", ntfy=False)
    same = ContactMethod.objects.create(user=bob, channel="ntfy", address=method.address)
    code_sent(recorder, method)

    with pytest.raises(Refused):
        verification.send_code(same, now=NOON + seconds(30))


def test_a_code_verifies_no_other_address(recorder: Recorder, method: ContactMethod) -> None:
    code = code_sent(recorder, method)
    addresses.change(method, "topic-of-somebody-else", now=NOON)

    assert not enter(method, code).is_right


def test_a_changed_address_is_unverified_and_what_waits_goes_there(method: ContactMethod) -> None:
    ContactMethod.objects.update(verified_at=NOON)
    Notification.objects.create(
        key="k", channel="ntfy", address=method.address, due_at=NOON,
        user=method.user, contact_method=method,
    )  # fmt: skip

    addresses.change(method, "topic-new", now=NOON)

    method.refresh_from_db()
    assert not method.is_verified
    assert [row.address for row in rows()] == ["topic-new"]


def test_in_safe_mode_no_code_is_made(method: ContactMethod) -> None:
    with pytest.raises(Refused, match="Safe mode"):
        verification.send_code(method, now=NOON)

    assert not rows()


def test_what_was_removed_comes_back_unverified_and_is_named_by_the_history(
    method: ContactMethod,
) -> None:
    ContactMethod.objects.update(verified_at=NOON)
    alice: User = method.user
    addresses.remove(method, now=NOON)
    gone = not alice.contact_methods.kept().exists()

    again = addresses.add(alice, "ntfy", method.address)

    assert gone
    assert (again.pk, again.is_on, again.is_verified) == (method.pk, True, False)
    with pytest.raises(Refused, match="already"):
        addresses.add(alice, "ntfy", method.address)


def test_one_person_cannot_have_codes_sent_to_address_after_address() -> None:
    alice = make_user("alice", ntfy=False)
    codes = {"purpose": "verify", "user": alice, "channel": "ntfy", "due_at": NOON}
    for number in range(20):
        Notification.objects.create(
            key=f"k{number}", address=f"t{number}", created_at=NOON, void_at=NOON, **codes
        )

    with pytest.raises(Refused, match="within an hour"):
        limits.check(addresses.add(alice, "ntfy", "another"), "verify", now=NOON)
