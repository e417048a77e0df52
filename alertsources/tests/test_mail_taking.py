"""Tests of what becomes of mails: incidents, repeats, recoveries, and mails that open nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client

from alertsources import intake, reading
from alertsources.intake import Taken
from alertsources.mail import taking
from alertsources.mail.addresses import address_of
from alertsources.models import Alert, AlertSource, ReceivedMail, ReceivedPayload
from alertsources.reprocessing import reprocess
from alertsources.sources.base import registry
from alertsources.tests.bodies import KEY
from alertsources.tests.mails import TO, mail
from alertsources.tests.test_mapping_admin import form_of
from incidents import lifecycle
from incidents.lifecycle import Actor
from incidents.models import Incident
from pagerpal.testing import NOON, make_admin, make_source, make_team, make_user, minutes

pytestmark = pytest.mark.django_db

PROBLEM = "** PROBLEM Service Alert: web1/HTTP is CRITICAL **"
RECOVERY = "** RECOVERY Service Alert: web1/HTTP is OK **"


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), name="Shop mails", kind="email")


def receive(raw: bytes, *to: str, now: datetime = NOON) -> Taken:
    found = taking.addressees(to or [TO], now=now)
    return taking.take(raw, found, now=now)[0]


def test_a_mail_opens_an_incident_and_its_recovery_resolves_it(source: AlertSource) -> None:
    opened = receive(mail(PROBLEM, "CRITICAL - Socket timeout\n"))
    resolved = receive(mail(RECOVERY), now=NOON + minutes(5))

    incident = Incident.objects.get()
    assert opened.incidents == resolved.incidents == [incident.pk]
    assert (incident.title, incident.severity) == (PROBLEM, "critical")
    assert incident.detail == "CRITICAL - Socket timeout"
    assert incident.state == Incident.State.RESOLVED


def test_another_mail_about_the_same_problem_counts(source: AlertSource) -> None:
    receive(mail("Disk 91% full on db1"))
    receive(mail("Disk 95% full on db1", Message_ID="<two@example.com>"))

    assert Alert.objects.get().count == 2
    assert Incident.objects.count() == 1


def test_a_recovery_in_the_thread_ends_it_whatever_its_subject_is(source: AlertSource) -> None:
    receive(mail("Something is odd at web1", Message_ID="<one@example.com>"))
    answer = mail("All is well: RESOLVED", References="<one@example.com>")

    receive(answer)

    assert Incident.objects.get().state == Incident.State.RESOLVED


def test_a_recovery_in_a_thread_of_several_problems_ends_only_its_own(source: AlertSource) -> None:
    for subject in ("CRITICAL: disk", "CRITICAL: swap"):
        receive(mail(subject, References="<day@example.com>"))

    receive(mail("RESOLVED: network", References="<day@example.com>"))
    still = Alert.objects.firing().count()
    receive(mail("RESOLVED: swap", References="<day@example.com>"))

    assert still == 2
    assert Alert.objects.firing().get().title == "CRITICAL: disk"
    assert Incident.objects.get().is_open


def test_words_of_recovery_are_the_sources_own(source: AlertSource) -> None:
    source.settings = {"recovery_words": ["wieder gut"]}
    source.save(update_fields=["settings"])
    receive(mail("Platte db1"))

    receive(mail("RESOLVED: Platte db1"))
    after_the_usual = Incident.objects.get().state
    receive(mail("Platte db1 wieder gut"))

    assert after_the_usual == Incident.State.TRIGGERED
    assert Incident.objects.get().state == Incident.State.RESOLVED


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (mail("Re: Disk", Auto_Submitted="auto-replied"), "automatic reply"),
        (mail("Undelivered Mail", Return_Path="<>"), "its envelope has no sender"),
        (mail("#1 Disk", X_PagerPal_Incident="1"), "PagerPal itself"),
    ],
)
def test_what_is_no_alert_is_kept_with_the_reason(
    source: AlertSource, raw: bytes, reason: str
) -> None:
    taken = receive(raw)

    kept = ReceivedPayload.objects.get()
    assert taken.incidents == []
    assert kept.result == ReceivedPayload.Result.NOTHING
    assert kept.note.startswith("Opens nothing")
    assert reason in kept.note
    assert not Incident.objects.exists()


def test_our_own_address_opens_nothing(source: AlertSource, settings: object) -> None:
    settings.SMTP_FROM = "PagerPal <pager@example.org>"  # type: ignore[attr-defined]

    receive(mail("Disk full", From="pager@example.org"))

    assert not Incident.objects.exists()


def test_the_mail_is_kept_as_it_came_but_for_the_key(source: AlertSource) -> None:
    raw = mail(PROBLEM)

    receive(raw)

    kept = ReceivedPayload.objects.get()
    assert bytes(kept.body) == raw.replace(KEY.encode(), b"*" * 28 + KEY[-4:].encode())
    assert kept.content_type == "message/rfc822"


def test_a_mail_that_comes_again_counts_once_even_when_it_is_over(source: AlertSource) -> None:
    raw = mail(PROBLEM)
    receive(raw)
    lifecycle.resolve(Incident.objects.get().pk, Actor(None, "alice", "page"), now=NOON)

    again = receive(b"Received: by another.example.org\r\n" + raw, now=NOON + timedelta(days=2))

    assert "came before" in again.note
    assert Incident.objects.count() == ReceivedPayload.objects.count() == 1
    assert ReceivedMail.objects.get().repeats == 1


@pytest.mark.parametrize("headers", [{"Date": "Tue, 24 Nov 2026 12:00:00 +0000"}, {"Date": ""}])
def test_a_script_that_sends_one_message_id_for_all_is_heard(
    source: AlertSource, headers: dict[str, str]
) -> None:
    for day in ("Mon, 23 Nov 2026 12:00:00 +0000", headers["Date"], headers["Date"] and "Wed"):
        receive(mail(PROBLEM, Message_ID="<always@example.com>", Date=day))

    assert Alert.objects.get().count == 3


def test_one_mail_may_be_for_several_sources(source: AlertSource) -> None:
    other = make_source(make_team("Other"), key="o" * 32, kind="alertmanager")
    addresses = [TO, f"x+{'o' * 32}@pager.example.org"]

    taking.take(mail(PROBLEM), taking.addressees(addresses, now=NOON), now=NOON)

    assert {alert.source_id for alert in Alert.objects.all()} == {source.pk, other.pk}


def test_a_mail_that_cannot_be_read_opens_an_incident(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*args: object) -> None:
        raise KeyError("nobody thought of this")

    monkeypatch.setattr("alertsources.sources.email_in.alert_in", breaks)

    taken = receive(mail(PROBLEM))

    assert taken.result == ReceivedPayload.Result.UNREADABLE
    assert Incident.objects.get().title == "Unreadable alert from Shop mails"


def test_a_mail_may_be_posted_as_it_is_or_within_json(source: AlertSource) -> None:
    def post(body: bytes, kind: str) -> int:
        url = "/api/v1/alerts/email"
        headers = {"X-API-Key": KEY}
        return Client().post(url, body, content_type=kind, headers=headers).status_code

    first = post(mail("CRITICAL: disk"), "message/rfc822")
    second = post(b'{"raw": "From: a@example.com\\r\\nSubject: swap\\r\\n\\r\\nx"}', "text/json")

    assert (first, second) == (202, 202)
    assert {alert.title for alert in Alert.objects.all()} == {"CRITICAL: disk", "swap"}


@pytest.mark.parametrize("body", [b"not a mail", b"{}", b"[]", b'{"RawEmail": 7}', b"\0"])
def test_what_is_no_mail_is_said_to_be_unreadable(source: AlertSource, body: bytes) -> None:
    read = reading.read(body, source, kind="email", now=NOON)

    assert read.troubles


def test_the_set_up_names_the_address(settings: object) -> None:
    settings.INBOUND_MAIL_DOMAIN = "pager.example.org"  # type: ignore[attr-defined]

    assert address_of("Shop: mails!", "k" * 32) == TO.replace("shop+", "shop-mails+")
    assert address_of("***", "k").startswith("alerts+k@")
    assert "{{ mail }}" in registry["email"].setup


def test_old_mails_are_forgotten(source: AlertSource) -> None:
    receive(mail(PROBLEM))

    assert taking.forget(now=NOON + timedelta(days=29)) == 0
    assert taking.forget(now=NOON + timedelta(days=31)) == 1


def test_a_database_that_cannot_store_asks_for_the_mail_again(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*args: object, **options: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(intake, "insert", locked)

    with pytest.raises(OperationalError):
        receive(mail(PROBLEM))
    assert not Incident.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_machines_that_fetch_one_mail_at_once_make_one_incident(source: AlertSource) -> None:
    machines = 4
    start = threading.Barrier(machines)

    def machine(number: int) -> str:
        try:
            start.wait(10)
            return receive(mail(f"Disk {number}", Message_ID=f"<{number}@example.com>")).note
        finally:
            connection.close()

    with ThreadPoolExecutor(machines) as pool:
        for number in range(5):
            notes = list(pool.map(machine, [number] * machines))
            assert sum("came before" in note for note in notes) == machines - 1

    assert Incident.objects.count() == ReceivedPayload.objects.count() == 5


@pytest.mark.parametrize("kind", ["email", "alertmanager"])
def test_a_stored_mail_is_read_once_more_as_a_mail(source: AlertSource, kind: str) -> None:
    AlertSource.objects.update(kind=kind)
    receive(mail("Re: Disk", Auto_Submitted="auto-replied"))
    receive(mail(PROBLEM))
    lifecycle.resolve(Incident.objects.get().pk, Actor(None, "alice", "page"), now=NOON)

    notes = [
        reprocess(one, make_user(f"user{one.pk}"), NOON + timedelta(days=1)).note
        for one in ReceivedPayload.objects.order_by("pk")
    ]

    assert "Opens nothing" in notes[0]
    assert "Opened" in notes[1]


def test_words_of_recovery_are_set_in_the_admin(source: AlertSource) -> None:
    client = Client()
    client.force_login(make_admin())
    url = f"/admin/alertsources/alertsource/{source.pk}/change/"
    values = form_of(source, recovery_words=" succeeded \n\nback to normal\n")

    client.post(url, values)
    source.refresh_from_db()
    page = client.get(url).content.decode()
    client.post(url, {**values, "recovery_words": ""})
    cleared = AlertSource.objects.get(pk=source.pk).settings

    assert source.settings == {"recovery_words": ["succeeded", "back to normal"]}
    assert "succeeded\nback to normal" in page
    assert "Let the sender mail to" in page
    assert cleared == {"recovery_words": []}
