"""Amazon SNS: who signed, which topic, and what a subscription costs to confirm."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import transaction

from alertsources.models import AlertSource, ReceivedPayload
from alertsources.sources import sns_certificates, sns_subscriptions
from alertsources.sources.base import BadSignature, Unavailable
from alertsources.sources.sns_envelope import (
    Envelope,
    certificate_url,
    confirmation_url,
    envelope_in,
    verify,
)
from alertsources.tests import sns
from alertsources.tests.bodies import KEY
from alertsources.tests.sns import (
    CASES,
    HOST,
    TOKEN,
    TOPIC,
    FakeAmazon,
    own_certificate,
    own_key,
    post_bytes,
    post_sns,
    signed,
)
from incidents.models import Incident
from notifications.channels.base import SendError
from notifications.channels.calls import Answer
from pagerpal.testing import make_source, make_team

CONFIRM = (
    f"{HOST}/?Action=ConfirmSubscription"
    "&TopicArn=arn%3Aaws%3Asns%3Aeu-central-1%3A123456789012%3Apagerpal-alarms"
    f"&Token={TOKEN}"
)
ATTACKS = [case for case in CASES if case.startswith("attack_")]


@pytest.fixture
def source(amazon: FakeAmazon, db: None) -> AlertSource:
    return make_source(make_team(), kind="cloudwatch", name="aws")


def envelope(case: str) -> Envelope:
    found = envelope_in(json.loads(sns.body(case)))
    assert found
    return found


def with_url(name: str, url: str) -> Envelope:
    fields = json.loads(sns.body("subscription_confirmation_v1"))
    return Envelope({**fields, name: url})


@pytest.mark.parametrize("case", ["cloudwatch_alarm_v1", "cloudwatch_ok_v2", "plain_text_message"])
def test_both_versions_of_the_signature_are_verified(case: str, amazon: FakeAmazon) -> None:
    found = envelope(case)

    verify(found, sns_certificates.public_key(certificate_url(found)))


@pytest.mark.parametrize(
    "change",
    [
        {"Message": "another"},
        {"Subject": "another"},
        {"TopicArn": TOPIC + "2"},
        {"Timestamp": "2026-08-22T14:10:00.656Z"},
        {"Signature": ""},
        {"Signature": "AAAA"},
        {"Signature": "\u00e4"},
        {"SignatureVersion": "3"},
        {"SignatureVersion": "2"},
        {"SignatureVersion": ""},
    ],
)
def test_whatever_is_changed_is_noticed(change: dict[str, str], amazon: FakeAmazon) -> None:
    found = envelope("cloudwatch_alarm_v1")
    key = sns_certificates.public_key(certificate_url(found))

    with pytest.raises(BadSignature):
        verify(Envelope({**found.fields, **change}), key)


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.us-gov-west-1.amazonaws.com/a.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/a.pem",
        "https://sns.eu-central-1.amazonaws.com:443/a.pem",
    ],
)
def test_certificates_lie_at_hosts_of_sns(url: str) -> None:
    assert certificate_url(with_url("SigningCertURL", url)) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/a.pem",
        "https://s3.amazonaws.com/bucket/a.pem",
        "https://sns.amazonaws.com/a.pem",
        "https://xsns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.a.b.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com/a.txt",
        "https://sns.eu-central-1.amazonaws.com/?a.pem",
        "https://sns.eu-central-1.amazonaws.com/a.pem?b",
        "https://sns.eu-central-1.amazonaws.com/a.pem#b.pem",
        "https://sns.eu-central-1.amazonaws.com:8443/a.pem",
        "https://sns.eu-central-1.amazonaws.com:x/a.pem",
        "https://user@sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.example/a.pem",
        "https://evil.example\\@sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com\n.evil.example/a.pem",
        "https://sns.eu-central-1.amazonaws.co\u217f/a.pem",
        "https://[::1/a.pem",
        "file:///etc/a.pem",
    ],
)
def test_certificates_lie_nowhere_else(url: str) -> None:
    with pytest.raises(BadSignature):
        certificate_url(with_url("SigningCertURL", url))


def test_the_address_that_confirms_is_made_of_its_parts() -> None:
    assert confirmation_url(envelope("subscription_confirmation_v1")) == CONFIRM


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/?x=.amazonaws.com",
        CONFIRM.replace("https", "http"),
        CONFIRM.replace("eu-central-1.amazonaws", "us-east-1.amazonaws"),
        CONFIRM.replace("ConfirmSubscription", "Unsubscribe"),
        CONFIRM.replace("pagerpal-alarms", "another"),
        CONFIRM.replace(TOKEN, "another"),
        CONFIRM.replace("/?", "/path?"),
        CONFIRM + "&Action=Publish",
        "",
    ],
)
def test_an_address_that_leads_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(BadSignature):
        confirmation_url(with_url("SubscribeURL", url))


@pytest.mark.parametrize("topic", ["", "arn:aws:sqs:eu-central-1:123456789012:x", TOPIC + "\n"])
def test_only_topics_are_confirmed(topic: str) -> None:
    with pytest.raises(BadSignature):
        confirmation_url(with_url("TopicArn", topic))


# Certificates.


def test_a_certificate_is_fetched_once(amazon: FakeAmazon) -> None:
    for _ in range(3):
        sns_certificates.public_key(f"{HOST}/a.pem")

    assert amazon.asked == [f"{HOST}/a.pem"]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, "no"),
        Answer(302, "", {"Location": "https://evil.example/a.pem"}),
        Answer(200, "no certificate"),
        Answer(200, "x" * 20_000),
        Answer(200, own_certificate(until=datetime(2021, 1, 1, tzinfo=UTC))),
        Answer(200, own_certificate(since=datetime(2044, 1, 1, tzinfo=UTC))),
    ],
)
def test_what_is_no_valid_certificate_is_refused(answer: Answer, amazon: FakeAmazon) -> None:
    amazon.certificate = answer

    with pytest.raises(BadSignature):
        sns_certificates.public_key(f"{HOST}/a.pem")


def test_a_key_of_another_kind_is_refused(
    amazon: FakeAmazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elliptic:
        not_valid_before_utc = datetime(2020, 1, 1, tzinfo=UTC)
        not_valid_after_utc = datetime(2045, 1, 1, tzinfo=UTC)

        def public_key(self) -> Any:
            return ec.generate_private_key(ec.SECP256R1()).public_key()

    monkeypatch.setitem(sns_certificates._kept, f"{HOST}/a.pem", Elliptic())

    with pytest.raises(BadSignature, match="another kind"):
        sns_certificates.public_key(f"{HOST}/a.pem")


@pytest.mark.parametrize("trouble", [Answer(500, ""), SendError("no answer within 3 s")])
def test_a_certificate_that_does_not_come_is_not_asked_for_each_time(
    trouble: Any, amazon: FakeAmazon
) -> None:
    amazon.certificate = trouble

    for _ in range(3):
        with pytest.raises(Unavailable):
            sns_certificates.public_key(f"{HOST}/a.pem")

    assert len(amazon.asked) == 1


def test_only_so_many_certificates_are_kept(amazon: FakeAmazon) -> None:
    for number in range(sns_certificates.MOST_KEPT + 5):
        sns_certificates.public_key(f"{HOST}/{number}.pem")

    assert len(sns_certificates._kept) == sns_certificates.MOST_KEPT


# Subscriptions.


def test_a_subscription_is_confirmed_and_binds_the_source_to_its_topic(
    source: AlertSource, amazon: FakeAmazon
) -> None:
    answer = post_sns("subscription_confirmation_v1")

    source.refresh_from_db()
    assert (answer.status_code, source.topic_arn) == (202, TOPIC)
    assert amazon.asked[-1] == CONFIRM
    assert "asks to be confirmed" in ReceivedPayload.objects.get().note
    assert not Incident.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_nothing_is_asked_of_amazon_inside_a_transaction(
    amazon: FakeAmazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_source(make_team(), kind="cloudwatch")
    inside = []

    def request(method: str, url: str, **options: Any) -> Answer:
        inside.append(transaction.get_connection().in_atomic_block)
        return amazon.request(method, url, **options)

    for module in (sns_certificates, sns_subscriptions):
        monkeypatch.setattr(module, "request", request)
    post_sns("subscription_confirmation_v1")

    assert inside == [False, False]


@pytest.mark.parametrize("case", ATTACKS)
def test_attacks_are_refused_and_cost_no_request(
    case: str, source: AlertSource, amazon: FakeAmazon
) -> None:
    answer = post_sns(case)

    assert answer.status_code == 403
    assert not ReceivedPayload.objects.exists()
    assert not Incident.objects.exists()
    assert set(amazon.asked) <= {
        f"{HOST}/SimpleNotificationService-0000000000000000000000fixture00.pem"
    }


def test_a_message_of_another_topic_is_refused_once_the_source_is_bound(
    source: AlertSource, amazon: FakeAmazon
) -> None:
    AlertSource.objects.update(topic_arn=TOPIC.replace("pagerpal", "other"))

    answers = [
        post_sns("cloudwatch_alarm_v1"),
        post_sns("subscription_confirmation_v1"),
        post_sns("raw_delivery_alarm"),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert "another SNS topic" in answers[0].json()["error"]
    assert not amazon.asked


def test_of_two_first_topics_only_one_is_bound(source: AlertSource, amazon: FakeAmazon) -> None:
    AlertSource.objects.update(topic_arn=TOPIC.replace("pagerpal", "faster"))

    # It was read before the other one bound it.
    with pytest.raises(BadSignature, match="another SNS topic"):
        sns_subscriptions.confirm(envelope("subscription_confirmation_v1"), source)

    assert CONFIRM not in amazon.asked


@pytest.mark.parametrize("trouble", [Answer(403, "expired"), SendError("no answer within 5 s")])
def test_a_confirmation_that_fails_is_asked_for_again(
    trouble: Any, source: AlertSource, amazon: FakeAmazon
) -> None:
    amazon.confirmation = trouble
    first = post_sns("subscription_confirmation_v1")
    source.refresh_from_db()
    assert (first.status_code, source.topic_arn) == (503, "")

    amazon.confirmation = Answer(200, "")
    second = post_sns("subscription_confirmation_v1")
    source.refresh_from_db()
    assert (second.status_code, source.topic_arn) == (202, TOPIC)


def test_the_end_of_a_subscription_warns_and_is_not_undone(
    source: AlertSource, amazon: FakeAmazon
) -> None:
    post_sns("unsubscribe_confirmation_v1")

    incident = Incident.objects.get()
    assert incident.title == "SNS topic pagerpal-alarms no longer sends its alarms here"
    assert incident.urgency == "low"
    assert CONFIRM not in amazon.asked
    assert "no longer sends here" in ReceivedPayload.objects.get().note


def test_a_new_subscription_ends_that_warning(source: AlertSource, amazon: FakeAmazon) -> None:
    amazon.pem = own_certificate()
    post_bytes(signed(Type="UnsubscribeConfirmation"), {})
    post_bytes(signed(Timestamp="2026-08-22T15:00:00.000Z"), {})

    assert Incident.objects.get().state == "resolved"


def test_the_type_in_the_header_must_be_that_of_the_message(source: AlertSource) -> None:
    answer = post_sns("cloudwatch_alarm_v1", **{"x-amz-sns-message-type": "Other"})

    assert answer.status_code == 403


# How strictly signatures are looked at.


@pytest.mark.parametrize(
    ("how", "case", "status"),
    [
        ("if_reachable", "cloudwatch_alarm_v1", 202),
        ("if_reachable", "subscription_confirmation_v1", 503),
        ("required", "cloudwatch_alarm_v1", 503),
        ("required", "subscription_confirmation_v1", 503),
        ("off", "cloudwatch_alarm_v1", 202),
        ("off", "attack_tampered_message", 202),
        ("off", "subscription_confirmation_v1", 202),
    ],
)
def test_without_the_certificate_the_setting_decides(
    how: str, case: str, status: int, source: AlertSource, amazon: FakeAmazon
) -> None:
    amazon.certificate = SendError("no answer within 3 s")
    AlertSource.objects.update(settings={"sns_signature": how})

    answer = post_sns(case)

    source.refresh_from_db()
    assert (answer.status_code, source.topic_arn) == (status, "")
    assert CONFIRM not in amazon.asked


def test_with_signatures_off_the_address_to_visit_is_shown(source: AlertSource) -> None:
    AlertSource.objects.update(settings={"sns_signature": "off"})

    answer = post_sns("subscription_confirmation_v1")

    assert "waits until somebody visits https://sns.eu-central-1" in answer.json()["note"]


def test_raw_messages_are_taken_in_on_the_key_alone(source: AlertSource) -> None:
    assert post_sns("raw_delivery_alarm").json()["status"] == "accepted"


def test_a_password_comes_after_the_challenge(source: AlertSource) -> None:
    case, url = "basic_auth_1_first_request_without_credentials", "/api/v1/alerts/cloudwatch"
    first = post_bytes(sns.body(case), sns.headers_of(case), url)
    assert (first.status_code, first["WWW-Authenticate"]) == (401, 'Basic realm="PagerPal"')

    AlertSource.objects.update(key_hash=_hash_of("pp_tok_EXAMPLE"))
    case = "basic_auth_2_second_request_with_credentials"
    second = post_bytes(sns.body(case), sns.headers_of(case), url)
    assert second.status_code == 202
    assert Incident.objects.get().title == "auth-flow"


def _hash_of(key: str) -> str:
    from alertsources.keys import hashed

    return hashed(key)


def test_our_own_signatures_are_as_good_as_amazons(amazon: FakeAmazon) -> None:
    amazon.pem = own_certificate()
    pem = (
        own_key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    assert pem.startswith(b"-----BEGIN PUBLIC KEY")
    for version in ("1", "2"):
        found = envelope_in(json.loads(signed(version)))
        assert found
        verify(found, sns_certificates.public_key(f"{HOST}/own.pem"))


def test_a_certificate_is_looked_at_again_when_it_has_ended(amazon: FakeAmazon) -> None:
    sns_certificates.public_key(f"{HOST}/a.pem")

    with pytest.raises(BadSignature, match="not valid today"):
        sns_certificates.public_key(
            f"{HOST}/a.pem", now=datetime.now(UTC) + timedelta(days=365 * 30)
        )


@pytest.mark.parametrize("case", CASES)
def test_no_sample_is_answered_with_an_error_of_ours(case: str, source: AlertSource) -> None:
    assert post_sns(case).status_code in {202, 403}


def test_the_key_is_needed_all_the_same(source: AlertSource) -> None:
    answer = post_bytes(sns.body("cloudwatch_alarm_v1"), {}, f"/in/{KEY[:-1]}x")

    assert answer.status_code == 403
