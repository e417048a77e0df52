"""What Amazon SNS wraps around a message, and the proof that Amazon wrote it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from alertsources.sources.base import BadSignature

# 15 MB that every process would hold: loaded where something is to be verified.
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

NOTIFICATION = "Notification"
SUBSCRIBE = "SubscriptionConfirmation"
UNSUBSCRIBE = "UnsubscribeConfirmation"

# In the order that is signed; https://docs.aws.amazon.com/sns/latest/dg/ has it.
_OF_CONFIRMATIONS = (
    *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
)
SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIBE: _OF_CONFIRMATIONS,
    UNSUBSCRIBE: _OF_CONFIRMATIONS,
}
# Version 1 is what SNS uses unless its owner asks for 2.
HASHES = {"1": "SHA1", "2": "SHA256"}

HOST = re.compile(r"sns\.([a-z0-9-]{3,40})\.amazonaws\.com(\.cn)?", re.ASCII)
TOPIC = re.compile(r"arn:aws[a-z-]{0,20}:sns:([a-z0-9-]{3,40}):\d{12}:[\w.-]{1,256}", re.ASCII)
TOKEN = re.compile(r"[\w-]{16,1024}", re.ASCII)


@dataclass(frozen=True)
class Envelope:
    """One message of SNS, as it came; every field is text."""

    fields: Mapping[str, str]

    @property
    def type(self) -> str:
        return self.fields["Type"]

    @property
    def topic(self) -> str:
        return self.fields["TopicArn"]

    @property
    def message(self) -> str:
        return self.fields["Message"]

    @property
    def subject(self) -> str:
        return self.fields.get("Subject", "")

    @property
    def message_id(self) -> str:
        return self.fields.get("MessageId", "")


def envelope_in(payload: Any) -> Envelope | None:
    """The envelope that this JSON is; None for anything else, such as a raw message."""
    if not isinstance(payload, dict):
        return None
    texts = {name: value for name, value in payload.items() if isinstance(value, str)}
    is_envelope = texts.get("Type") in SIGNED and "TopicArn" in texts and "Message" in texts
    return Envelope(texts) if is_envelope else None


def certificate_url(envelope: Envelope) -> str:
    """Where the certificate lies, if that can be Amazon's; raises BadSignature."""
    url = envelope.fields.get("SigningCertURL", "")
    parts = _amazons(url)
    if parts is None or not parts.path.endswith(".pem") or parts.query or parts.fragment:
        raise BadSignature("The certificate of this message does not lie with Amazon SNS.")
    return url


def confirmation_url(envelope: Envelope) -> str:
    """The address that confirms the subscription, made anew of its parts; raises BadSignature.

    Nothing of the address in the message is used, but one that leads elsewhere is refused.
    """
    topic, token = envelope.topic, envelope.fields.get("Token", "")
    found = TOPIC.fullmatch(topic)
    if not found or not TOKEN.fullmatch(token):
        raise BadSignature("This message names no topic and token of Amazon SNS.")
    parts = _amazons(envelope.fields.get("SubscribeURL", ""))
    if parts is None or parts.path not in {"", "/"} or not _is_of(parts, found[1], topic, token):
        raise BadSignature("The SubscribeURL of this message does not lead to its topic.")
    return (
        f"https://{parts.hostname}/?Action=ConfirmSubscription"
        f"&TopicArn={quote(topic, safe='')}&Token={quote(token, safe='')}"
    )


def verify(envelope: Envelope, key: RSAPublicKey) -> None:
    """Raise BadSignature unless the owner of the key signed the envelope as it is."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    version = envelope.fields.get("SignatureVersion", "")
    if version not in HASHES:
        raise BadSignature("This message is signed in a version that is not known.")
    try:
        signature = base64.b64decode(envelope.fields.get("Signature", ""), validate=True)
        digest: hashes.HashAlgorithm = getattr(hashes, HASHES[version])()
        key.verify(signature, signed_text(envelope), PKCS1v15(), digest)
    except (binascii.Error, ValueError, InvalidSignature):
        raise BadSignature("The signature of this message is wrong.") from None


def signed_text(envelope: Envelope) -> bytes:
    """What is signed: names and values line by line, without those that are not there."""
    lines = (
        f"{name}\n{envelope.fields[name]}\n"
        for name in SIGNED[envelope.type]
        if name in envelope.fields
    )
    return "".join(lines).encode("utf-8", "surrogatepass")


def _amazons(url: str) -> SplitResult | None:
    """The parts of an address at an SNS host of Amazon; None for any other."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    is_plain = url.isascii() and url.isprintable() and not set(url) & set(" \\@")
    is_https = parts.scheme == "https" and port in {None, 443}
    return parts if is_plain and is_https and HOST.fullmatch(parts.hostname or "") else None


def _is_of(parts: SplitResult, region: str, topic: str, token: str) -> bool:
    """Whether it confirms just this topic, at the host of its region."""
    host = HOST.fullmatch(parts.hostname or "")
    asked = parse_qs(parts.query)
    return (
        host is not None
        and host[1] == region
        and asked.get("Action") == ["ConfirmSubscription"]
        and asked.get("TopicArn") == [topic]
        and asked.get("Token") == [token]
    )
