"""Which addresses work, which fail, and whom nothing would reach."""

from __future__ import annotations

from typing import Any

import pytest

from notifications import working
from notifications.models import ContactMethod, Notification
from pagerpal.testing import NOON, make_user
from schedules import troubles
from schedules.models import User

pytestmark = pytest.mark.django_db


def told(method: ContactMethod, state: str, outcome: str = "", **fields: Any) -> None:
    """A message to this address that ended so."""
    Notification.objects.create(
        key=f"k{Notification.objects.count()}",
        purpose="page",
        user=method.user,
        contact_method=method,
        channel=method.channel,
        due_at=NOON,
        settled_at=NOON,
        state=state,
        outcome=outcome,
        **{"address": method.address, "attempts": 1, **fields},
    )


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def method(alice: User) -> ContactMethod:
    return alice.contact_methods.get()


def test_it_works_as_far_as_its_last_message_says(method: ContactMethod) -> None:
    told(method, "failed", "no such topic")
    told(method, "delivered")

    (one,) = working.standings([method])

    assert (one.works, one.last_state, one.last_at, one.words) == (True, "delivered", NOON, "")


def test_failures_since_then_are_counted_in_the_providers_words(method: ContactMethod) -> None:
    told(method, "failed", "long ago")
    told(method, "sent")
    told(method, "failed", "mailbox full")
    told(method, "failed", "not tried, an earlier one was refused", attempts=0)
    told(method, "failed", "mailbox still full")

    (one,) = working.standings([method])

    assert (one.works, one.failures, one.words) == (False, 2, "mailbox still full")


@pytest.mark.parametrize(
    "outcome",
    ["this address was switched off", "alice is switched off", "not needed: another page ..."],
)
def test_what_never_reached_a_provider_says_nothing_about_the_address(
    method: ContactMethod, outcome: str
) -> None:
    told(method, "failed", outcome)

    assert working.standings([method])[0].works
    assert not working.without_way([method.user_id])


def test_a_changed_address_begins_anew(method: ContactMethod) -> None:
    told(method, "failed", "no such topic", address="topic-before")

    assert working.standings([method])[0].works


def test_who_has_nothing_that_works_is_named_with_the_reason(
    alice: User, method: ContactMethod
) -> None:
    told(method, "failed", "no such topic")
    bob, carol = make_user("bob", ntfy=False), make_user("carol")
    dan = make_user("dan", email=True)
    ContactMethod.objects.filter(user=dan, channel="email").update(is_on=False)
    told(dan.contact_methods.get(channel="email"), "failed")

    assert troubles.of_people([alice, bob, carol, dan, None]) == {
        alice.pk: "has only contact methods that fail",
        bob.pk: "has no contact method that is on",
    }


def test_only_kinds_that_are_not_set_up_reach_nobody(settings: Any) -> None:
    alice = make_user("alice", ntfy=False, email=True)
    settings.SMTP_HOST = ""

    in_safe_mode = working.without_way([alice.pk])
    settings.NOTIFICATION_SENDING_ENABLED = True

    assert in_safe_mode == {}
    assert working.without_way([alice.pk])[alice.pk].startswith(
        "cannot be reached: e-mail is off here: set SMTP_HOST"
    )


def test_it_asks_once_for_many(django_assert_num_queries: Any) -> None:
    people = [make_user(f"u{number}") for number in range(10)]
    for user in people:
        told(user.contact_methods.get(), "sent")

    with django_assert_num_queries(1):
        troubles.of_people(people)
