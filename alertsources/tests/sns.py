"""Messages of Amazon SNS for the tests, and an SNS of our own that signs with a key of our own."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.x509.oid import NameOID
from django.test import Client

from alertsources.sources.sns_envelope import HASHES, Envelope, signed_text
from alertsources.tests.bodies import KEY, PAYLOADS
from notifications.channels.base import Deadline
from notifications.channels.calls import Answer

FOLDER = PAYLOADS / "sns"
CASES = sorted(path.stem for path in FOLDER.glob("*.json"))
TOPIC = "arn:aws:sns:eu-central-1:123456789012:pagerpal-alarms"
HOST = "https://sns.eu-central-1.amazonaws.com"
TOKEN = "2336412f37fb687f5d51e6e2425f004ae64cde0d1f6b4d9d1234567890abcdef"


def body(case: str) -> bytes:
    return (FOLDER / f"{case}.json").read_bytes()


def headers_of(case: str) -> dict[str, str]:
    """What SNS sends beside the body, and nothing of the connection."""
    lines = (FOLDER / f"{case}.headers").read_text().splitlines()[1:]
    pairs = (line.partition(":") for line in lines if line.startswith(("x-amz-", "Authorization")))
    return {name: value.strip() for name, _, value in pairs}


def post_sns(case: str, **more: str) -> Any:
    return post_bytes(body(case), {**headers_of(case), **more})


def post_raw(message: bytes) -> Any:
    return post_bytes(message, {"x-amz-sns-rawdelivery": "true", "x-amz-sns-topic-arn": TOPIC})


def post_bytes(message: bytes, headers: Mapping[str, str], url: str = f"/in/{KEY}") -> Any:
    return Client().post(url, message, content_type="text/plain; charset=UTF-8", headers=headers)


class FakeAmazon:
    """Answers what is asked of Amazon's hosts, and remembers it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.pem = (FOLDER / "test-signing-cert.pem").read_text()
        self.confirmation: Answer | Exception = Answer(200, "<ConfirmSubscriptionResponse/>")
        self.certificate: Answer | Exception | None = None

    def request(self, method: str, url: str, *, deadline: Deadline) -> Answer:
        assert method == "GET"
        self.asked.append(url)
        is_certificate = url.endswith(".pem")
        answer = self.certificate if is_certificate else self.confirmation
        if isinstance(answer, Exception):
            raise answer
        return answer or Answer(200, self.pem)


@cache
def own_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def own_certificate(
    *, since: datetime = datetime(2020, 1, 1, tzinfo=UTC), until: datetime | None = None
) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    until = until or datetime(2045, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(own_key().public_key())
        .serial_number(7)
        .not_valid_before(since)
        .not_valid_after(until)
        .sign(own_key(), hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def signed(version: str = "2", **fields: str) -> bytes:
    """A message that our own key signed; a subscription's unless the fields say otherwise."""
    envelope = {
        "Type": "SubscriptionConfirmation",
        "MessageId": "m-1",
        "Token": TOKEN,
        "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe.",
        "Timestamp": "2026-08-22T14:00:00.751Z",
        "SignatureVersion": version,
        "SigningCertURL": f"{HOST}/own.pem",
        **fields,
    }
    topic, token = envelope["TopicArn"], envelope["Token"]
    url = f"{HOST}/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}"
    envelope.setdefault("SubscribeURL", url)
    text = signed_text(Envelope(envelope))
    signature = own_key().sign(text, PKCS1v15(), getattr(hashes, HASHES[version])())
    envelope.setdefault("Signature", base64.b64encode(signature).decode())
    return json.dumps(envelope).encode()
