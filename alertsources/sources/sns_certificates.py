"""The certificates that Amazon SNS signs with: fetched once, kept for as long as they are valid."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from alertsources.sources.base import BadSignature, Unavailable
from notifications.channels.base import Deadline, SendError
from notifications.channels.calls import request

# 15 MB that every process would hold: loaded where a certificate is needed.
if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

SECONDS = 3.0
LARGEST = 16 * 1024
MOST_KEPT = 32
# For so long nobody asks again for one that did not come: alerts must not wait for it each time.
NOT_AGAIN_FOR = 30.0

_kept: dict[str, x509.Certificate] = {}
_failed: dict[str, float] = {}
_lock = threading.Lock()


def public_key(url: str, *, now: datetime | None = None) -> RSAPublicKey:
    """The key of the certificate at this address, which the caller has checked to be Amazon's.

    Raises BadSignature for what is no valid certificate, Unavailable when none can be had now.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    certificate = _kept.get(url) or _fetched(url)
    now = now or datetime.now(UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise BadSignature("The certificate of this message is not valid today.")
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise BadSignature("The certificate of this message is of another kind than expected.")
    return key


def forget() -> None:
    """Fetch every certificate anew."""
    with _lock:
        _kept.clear()
        _failed.clear()


def _fetched(url: str) -> x509.Certificate:
    from cryptography import x509

    if _failed.get(url, 0.0) > time.monotonic():
        raise Unavailable("The certificate of this message could not be fetched just now.")
    try:
        answer = request("GET", url, deadline=Deadline(SECONDS))
    except SendError as error:
        _keep_failure(url)
        raise Unavailable(f"The certificate of this message cannot be fetched: {error}") from None
    if answer.status >= 500:
        _keep_failure(url)
        raise Unavailable(f"Amazon answers {answer.status} for the certificate of this message.")
    if answer.status != 200 or len(answer.text) > LARGEST:
        raise BadSignature("There is no certificate where this message says.")
    try:
        certificate = x509.load_pem_x509_certificate(answer.text.encode())
    except ValueError:
        raise BadSignature("There is no certificate where this message says.") from None
    _keep(url, certificate)
    return certificate


def _keep(url: str, certificate: x509.Certificate) -> None:
    with _lock:
        if len(_kept) >= MOST_KEPT:
            _kept.pop(next(iter(_kept)))
        _kept[url] = certificate


def _keep_failure(url: str) -> None:
    with _lock:
        if len(_failed) >= MOST_KEPT:
            _failed.clear()
        _failed[url] = time.monotonic() + NOT_AGAIN_FOR
