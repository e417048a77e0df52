"""Calls with an Idempotency-Key: what was done is not done again, its answer is given again.

The key's row is stored in the transaction that does the thing, so that neither is without the
other: of two that come at once the second waits and gets the answer of the first.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from pagerpal.models import GivenAnswer
from schedules.api.problems import HOLDS_SECRET, Problem
from schedules.models import User

KEPT = GivenAnswer.KEPT
LONGEST = 255
REPLAYED = "Idempotent-Replayed"
ANOTHER = "This Idempotency-Key was used for another call within the last 24 hours."


def answered(
    request: HttpRequest, user: User, route: str, run: Callable[[], HttpResponse], *, now: datetime
) -> HttpResponse:
    """What `run` answers, the first time; the same again after that. Only success is kept."""
    key = request.headers["Idempotency-Key"]
    if not (0 < len(key) <= LONGEST and key.isprintable()):
        raise Problem(400, f"Idempotency-Key: expected 1 to {LONGEST} printable characters.")
    found = GivenAnswer.objects.filter(user=user, route=route, key_hash=_hashed(key))
    body = _hashed(f"{request.get_full_path()}\n{request.body.hex()}")
    found.filter(at__lt=now - KEPT).delete()
    if old := found.first():
        return _again(old, key, body)
    try:
        return _first(user, route, key, body, run, now)
    except IntegrityError:
        # Somebody was faster, by a moment.
        if old := found.first():
            return _again(old, key, body)
        raise


def _first(
    user: User, route: str, key: str, body: str, run: Callable[[], HttpResponse], now: datetime
) -> HttpResponse:
    with transaction.atomic():
        row = GivenAnswer.objects.create(
            user=user, route=route, key_hash=_hashed(key), body_hash=body, at=now
        )
        response = run()
        if response.status_code >= 300:
            transaction.set_rollback(True)
            return response
        row.status = response.status_code
        row.is_locked = response.headers.pop(HOLDS_SECRET, None) is not None
        text = response.content.decode()
        row.answer = _lock(text, key) if row.is_locked else text
        row.save(update_fields=["status", "is_locked", "answer"])
    return response


def _again(row: GivenAnswer, key: str, body: str) -> HttpResponse:
    if row.body_hash != body:
        raise Problem(422, ANOTHER)
    text = _unlock(row.answer, key) if row.is_locked else row.answer
    response = HttpResponse(text, status=row.status, content_type="application/json")
    response[REPLAYED] = "true"
    return response


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _lock(text: str, key: str) -> str:
    from cryptography.fernet import Fernet  # takes memory, and few answers hold a secret

    return Fernet(_key(key)).encrypt(text.encode()).decode()


def _unlock(text: str, key: str) -> str:
    from cryptography.fernet import Fernet, InvalidToken

    try:
        return Fernet(_key(key)).decrypt(text.encode()).decode()
    except InvalidToken:
        raise Problem(409, "It was done, but its answer cannot be shown any more.") from None


def _key(key: str) -> bytes:
    """Of the key as it was sent, which is stored nowhere."""
    made = hashlib.sha256(json.dumps([settings.SECRET_KEY, "once", key]).encode()).digest()
    return base64.urlsafe_b64encode(made)
