"""What a row comes to when its provider fails in each of its ways, by every channel of phones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from notifications import dispatch
from notifications.models import ContactMethod, Notification
from notifications.tests.pages import events, first, rows, send, stored
from notifications.tests.phone_companies import (
    API_KEY,
    NUMBER,
    TOKEN,
    PhoneCompany,
    infobip_error,
    phone_company,
    twilio_error,
)
from notifications.tests.servers import Reply, slow
from pagerpal.testing import NOON, make_user, minutes, seconds

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["sms_twilio", "sms_infobip", "whatsapp_twilio", "whatsapp_infobip"])
def slug(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def company(settings: Any, slug: str) -> Iterator[PhoneCompany]:
    settings.NOTIFICATION_SENDING_ENABLED = True
    kind, _, name = slug.partition("_")
    setattr(settings, f"{kind.upper()}_PROVIDERS", [name])
    with phone_company(settings) as playing:
        yield playing


@pytest.fixture
def row(company: PhoneCompany, slug: str) -> Notification:
    """Due at noon; the person's mail would be used some minutes later."""
    kind = slug.partition("_")[0]
    alice = make_user(ntfy=False, email=True)
    ContactMethod.objects.create(user=alice, channel=kind, address=NUMBER)
    first(alice, urgency="low")
    return rows(channel=kind)[0]


def refused(slug: str, status: int, **headers: str) -> Reply:
    if slug.endswith("twilio"):
        return twilio_error(status, {401: 20003, 429: 20429}.get(status, 20500), **headers)
    return infobip_error(status, f"E{status}", **headers)


def test_asked_to_wait_it_waits_and_is_taken_once(
    company: PhoneCompany, row: Notification, slug: str
) -> None:
    company.faults = [refused(slug, 429, **{"Retry-After": "2"})]

    send(row)
    again_at = stored(row).due_at
    send(row, now=again_at)

    assert seconds(2) <= again_at - NOON <= seconds(2.2)
    assert len(company.taken) == 1
    assert events(row) == ["retry", "sent"]


def test_trouble_twice_is_three_tries_and_one_message(
    company: PhoneCompany, row: Notification, slug: str
) -> None:
    company.faults = [refused(slug, 500), Reply(502, "<html>Bad gateway</html>")]

    for _ in range(3):
        send(row, now=stored(row).due_at)

    assert events(row) == ["retry", "retry", "sent"]
    assert (stored(row).attempts, len(company.taken)) == (3, 1)


def test_wrong_credentials_are_not_tried_again(
    company: PhoneCompany, row: Notification, slug: str
) -> None:
    company.faults = [refused(slug, 401)]

    send(row)

    failed = stored(row)
    assert (failed.state, failed.attempts) == ("failed", 1)
    assert "check " in failed.outcome
    assert not {TOKEN, API_KEY} & set(failed.outcome.split())
    assert rows(channel="email")[0].due_at == NOON


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # given up at any point
def test_one_that_hangs_is_left_at_the_deadline(
    company: PhoneCompany, row: Notification, slug: str, settings: Any
) -> None:
    with slow() as server:
        settings.TWILIO_BASE_URL = settings.INFOBIP_BASE_URL = server.url
        dispatch.send_one(row.pk, now=NOON, seconds=0.1)

    assert (stored(row).state, stored(row).outcome) == ("pending", "no answer within 0.1 s")
    assert rows(channel="email")[0].due_at == NOON


def test_what_was_taken_is_looked_after(
    company: PhoneCompany, row: Notification, slug: str
) -> None:
    send(row)

    taken = stored(row)
    assert (taken.state, taken.provider, taken.look_at) == ("sent", slug, NOON + seconds(10))
    assert taken.provider_id == company.taken[0].id
    assert rows(channel="email")[0].due_at > NOON + minutes(1)


def test_an_answer_that_got_lost_is_a_second_message_only_where_keys_are_unknown(
    company: PhoneCompany, row: Notification, slug: str
) -> None:
    company.loses_answer = True

    for _ in range(2):
        send(row, now=stored(row).due_at)

    assert events(row) == ["retry", "sent"]
    assert len(company.taken) == (2 if slug.endswith("twilio") else 1)
    assert stored(row).provider_id == company.taken[-1].id
