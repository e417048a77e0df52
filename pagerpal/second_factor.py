"""The second step of signing in: six digits from an app (TOTP, RFC 6238), or a recovery code."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote

from django.db import transaction

from pagerpal.first_run import ALPHABET
from pagerpal.models import RecoveryCode, SecondFactor
from schedules.models import User

STEP = 30
DIGITS = 6
CODES, CODE_LENGTH, CODE_GROUP = 10, 16, 4


def new_secret() -> str:
    return base64.b32encode(secrets.token_bytes(20)).decode()


def uri(user: User, secret: str) -> str:
    """What the QR code says to the app."""
    label = quote(f"PagerPal:{user.email}", safe="")
    return f"otpauth://totp/{label}?secret={secret}&issuer=PagerPal"


def squares(text: str) -> tuple[int, str]:
    """The QR code for it: how many squares it is wide, and the path of an SVG that draws it."""
    import segno  # 11 MB that only this page needs

    rows = segno.make(text, micro=False, error="m").matrix
    dark = ((x, y) for y, row in enumerate(rows) for x, one in enumerate(row) if one)
    return len(rows), "".join(f"M{x} {y}h1v1h-1z" for x, y in dark)


def code_of(secret: str, step: int) -> str:
    """RFC 4226, section 5.3, for the half minute of this number."""
    key = base64.b32decode(secret)
    digest = hmac.digest(key, step.to_bytes(8, "big"), "sha1")
    place = digest[-1] & 15
    number = int.from_bytes(digest[place : place + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def is_on(user: User) -> bool:
    return SecondFactor.objects.filter(user=user).exists()


def codes_left(user: User) -> int:
    return RecoveryCode.objects.filter(user=user).count()


def switch_on(user: User, secret: str, typed: str, *, now: datetime) -> list[str] | None:
    """Take this app on, if the code is its; the recovery codes to show once, or None."""
    try:
        step = _step_of(secret, typed, now)
    except (binascii.Error, ValueError):
        return None
    if step is None:
        return None
    with transaction.atomic():
        facts = {"secret": secret, "last_step": step, "since": now}
        SecondFactor.objects.update_or_create(user=user, defaults=facts)
        return new_codes(user)


def new_codes(user: User) -> list[str]:
    """Ten recovery codes in place of all before; only their hashes are stored."""
    made = ["".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)) for _ in range(CODES)]
    with transaction.atomic():
        RecoveryCode.objects.filter(user=user).delete()
        RecoveryCode.objects.bulk_create(
            RecoveryCode(user=user, code_hash=_hashed(one)) for one in made
        )
    return [
        "-".join(one[at : at + CODE_GROUP] for at in range(0, CODE_LENGTH, CODE_GROUP))
        for one in made
    ]


def switch_off(user: User) -> bool:
    with transaction.atomic():
        RecoveryCode.objects.filter(user=user).delete()
        gone, _ = SecondFactor.objects.filter(user=user).delete()
    return bool(gone)


def is_right(user: User, typed: str, *, now: datetime) -> bool:
    """Whether the person may pass; uses the code up, so of two at once with one code one may."""
    text = "".join(typed.upper().split()).replace("-", "")
    if len(text) == CODE_LENGTH:
        used, _ = RecoveryCode.objects.filter(user=user, code_hash=_hashed(text)).delete()
        return bool(used)
    factor = SecondFactor.objects.filter(user=user).first()
    step = _step_of(factor.secret, text, now) if factor else None
    if factor is None or step is None:
        return False
    unused = SecondFactor.objects.filter(pk=factor.pk, last_step__lt=step)
    return bool(unused.update(last_step=step))


def _step_of(secret: str, typed: str, now: datetime) -> int | None:
    """The half minute whose code this is: now, the one before or the next, as clocks differ."""
    text = "".join(typed.split())
    present = int(now.timestamp()) // STEP
    for step in (present, present - 1, present + 1):
        if hmac.compare_digest(code_of(secret, step).encode(), text.encode(errors="replace")):
            return step
    return None


def _hashed(code: str) -> str:
    return hashlib.sha256(code.encode(errors="replace")).hexdigest()
