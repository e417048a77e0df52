"""Pages by SMS through Twilio and Infobip, both played on loopback, from alert to receipt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from incidents import lifecycle
from incidents.lifecycle import Actor, Opening
from incidents.models import Incident
from notifications import inbound, receipts
from notifications.channels.base import Report
from notifications.channels.inbound import Heard
from notifications.models import ContactMethod, InboundMessage, Notification
from notifications.tests.phone_companies import (
    NUMBER,
    PhoneCompany,
    half,
    infobip_answer,
    infobip_error,
    phone_company,
    twilio_error,
)
from notifications.tests.servers import Reply
from pagerpal.testing import NOON, make_policy, make_team, make_user, minutes, run_worker, seconds

pytestmark = pytest.mark.django_db


@pytest.fixture
def company(settings: Any) -> Iterator[PhoneCompany]:
    settings.NOTIFICATION_SENDING_ENABLED = True
    settings.SMS_PROVIDERS = ["twilio", "infobip"]
    with phone_company(settings) as playing:
        settings.INFOBIP_SMS_SENDER = "41790000009"
        yield playing


@pytest.fixture
def incident(company: PhoneCompany) -> Incident:
    """Paged to alice by SMS, to bob five minutes later."""
    people = [make_user(name, ntfy=False) for name in ("alice", "bob")]
    for place, user in enumerate(people):
        ContactMethod.objects.create(user=user, channel="sms", address=f"{NUMBER[:-1]}{place}")
    team = make_team("Platform", *people)
    policy = make_policy(team, *people)
    return lifecycle.open_incident(Opening(team=team, policy=policy, title="Disk full"), now=NOON)


def by(company: PhoneCompany) -> list[str]:
    return ["twilio" if "2010-04-01" in one.path else "infobip" for one in company.taken]


def newest() -> Notification:
    return Notification.objects.order_by("-settled_at", "-pk")[0]


def failed(*, now: Any) -> int:
    """Twilio says later of its message that it did not arrive."""
    said = Report(newest().provider_id, "undelivered (30007)", has_failed=True)
    return receipts.receive([said], ["sms_twilio"], now=now)


def timeline(incident: Incident) -> str:
    return "\n".join(incident.timeline.order_by("pk").values_list("text", flat=True))


@pytest.mark.parametrize(
    "fault",
    [
        twilio_error(503, 20503),
        twilio_error(401, 20003),
        twilio_error(429, 20429, **{"Retry-After": "2"}),
        Reply(200, "<html>a proxy</html>"),
        half(Reply(201, '{"sid":"SM0123456789","status":"queued"}')),
    ],
)
def test_what_one_company_does_not_take_the_other_does_at_once(
    company: PhoneCompany, incident: Incident, fault: Reply
) -> None:
    company.faults = [fault]

    run_worker(NOON)

    assert by(company) == ["infobip"]
    assert "sms to alice: tried, will be tried again" in timeline(incident)
    assert newest().state == "sent"


def test_what_neither_takes_calls_the_next_step_when_all_tries_are_used(
    company: PhoneCompany, incident: Incident
) -> None:
    company.faults = [twilio_error(401, 20003), infobip_error(401, "E401")]

    run_worker(NOON)

    assert [one.to for one in company.taken] == [f"{NUMBER[:-1]}1"]
    assert "check INFOBIP_API_KEY" in timeline(incident)


def test_a_text_that_is_refused_with_200_goes_on_too(
    company: PhoneCompany, incident: Incident, settings: Any
) -> None:
    settings.SMS_PROVIDERS = ["infobip", "twilio"]
    company.faults = [infobip_answer("x", 5, 12, "REJECTED_NOT_ENOUGH_CREDITS")]

    run_worker(NOON)

    assert by(company) == ["twilio"]


def test_what_did_not_arrive_is_sent_by_the_other_company(
    company: PhoneCompany, incident: Incident
) -> None:
    run_worker(NOON)

    assert failed(now=NOON + seconds(9)) == 1
    run_worker(NOON + seconds(9))

    assert by(company) == ["twilio", "infobip"]
    assert len({one.to.removeprefix("+") for one in company.taken}) == 1


def test_what_did_not_arrive_is_not_sent_again_once_somebody_has_it(
    company: PhoneCompany, incident: Incident
) -> None:
    run_worker(NOON)
    bob = incident.team.members.get(name="bob")
    lifecycle.acknowledge(incident.pk, Actor.person(bob, "page"), now=NOON + seconds(5))

    assert failed(now=NOON + seconds(9)) == 1
    run_worker(NOON + seconds(9))

    assert by(company) == ["twilio"]
    assert newest().state == "failed"


def test_when_nothing_arrived_the_next_step_is_called_at_once(
    company: PhoneCompany, incident: Incident, settings: Any
) -> None:
    settings.SMS_PROVIDERS = ["twilio"]
    run_worker(NOON)

    failed(now=NOON + seconds(9))
    run_worker(NOON + seconds(10))

    assert [one.to for one in company.taken] == [f"{NUMBER[:-1]}0", f"{NUMBER[:-1]}1"]


def test_an_installation_nobody_can_reach_asks_for_its_receipts(
    company: PhoneCompany, incident: Incident
) -> None:
    run_worker(NOON)
    company.states[newest().provider_id] = {"status": "delivered"}

    receipts.look(NOON + minutes(1), seconds=5)

    assert newest().state == "delivered"
    assert "sms to alice: delivered." in timeline(incident)


# --- Answered by text message --------------------------------------------------------------------
def reply(text: str, place: int, at: Any) -> None:
    """The person at this place writes back."""
    name = f"SM{InboundMessage.objects.count():032x}"
    said = Heard("sms_twilio", name, "sms", f"{NUMBER[:-1]}{place}", text)
    inbound.receive([said], now=at)
    run_worker(at)


def test_a_text_message_back_stops_the_paging_and_is_answered(
    company: PhoneCompany, incident: Incident
) -> None:
    run_worker(NOON)
    page = company.taken[-1].text
    assert f"Reply {incident.pk}a or https://pager.example.org/a/" in page

    reply(page, 0, NOON + seconds(20))  # a phone that sends everything back
    reply(f"{incident.pk}a", 0, NOON + seconds(30))
    run_worker(NOON + minutes(30))

    incident.refresh_from_db()
    assert str(incident.owner) == "alice"
    assert [(one.to[-1], one.text) for one in company.taken[1:]] == [
        ("0", inbound.HELP),
        ("0", f"#{incident.pk} is yours."),
    ]
    assert incident.timeline.get(kind="acknowledged").via == "sms"


def test_both_write_back_and_each_hears_what_is_true(
    company: PhoneCompany, incident: Incident
) -> None:
    run_worker(NOON)
    run_worker(NOON + minutes(5))

    reply("a", 1, NOON + minutes(6))
    reply("ACK!", 0, NOON + minutes(7))
    reply("r", 1, NOON + minutes(8))
    reply("a", 0, NOON + minutes(9))

    said = [(one.to[-1], one.text) for one in company.taken[2:]]
    assert said == [
        ("1", f"#{incident.pk} is yours."),
        ("0", f"#{incident.pk}: bob has it since 12:06 UTC."),
        ("1", f"#{incident.pk} is resolved."),
        ("0", f"#{incident.pk} is resolved since 12:08 UTC by bob."),
    ]


def test_a_sender_with_a_name_promises_no_reply(
    company: PhoneCompany, settings: Any, incident: Incident
) -> None:
    settings.TWILIO_SMS_FROM = "PagerPal"

    run_worker(NOON)

    assert "Reply" not in company.taken[-1].text
