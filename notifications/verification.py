"""Shows that what is sent to an address arrives: a code goes there, and its person types it in."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from notifications import limits, outbox
from notifications.kicks import SEND_DUE, kick
from notifications.limits import Refused
from notifications.models import ContactMethod, Notification
from notifications.outbox import Note
from schedules.transactions import repeat_on_conflict

VALID_FOR = timedelta(minutes=15)
MOST_TRIES = 5
DIGITS = 6
PREFIX = "verify:"


@dataclass(frozen=True)
class Entered:
    """Whether the code was right; if not, what to tell whoever typed it."""

    is_right: bool
    words: str


def code_for(seed: str) -> str:
    """The code that a seed stands for.

    Only seeds are written down, and what they stand for takes the server's SECRET_KEY, so that no
    table, log or backup holds a code.
    """
    digest = salted_hmac("notifications.code", seed, algorithm="sha256").hexdigest()
    return f"{int(digest, 16) % 10**DIGITS:0{DIGITS}}"


def send_code(method: ContactMethod, *, now: datetime) -> None:
    """Send a new code there, which ends the one before. Raises Refused."""
    if not settings.NOTIFICATION_SENDING_ENABLED:
        raise Refused("Safe mode: nothing is sent, so no code would arrive. Ask for one later.")
    repeat_on_conflict(lambda: _send_code(method, now))


def _send_code(method: ContactMethod, now: datetime) -> None:
    with transaction.atomic():
        limits.check(method, Notification.Purpose.VERIFY, now=now)
        seed = secrets.token_hex(16)
        waiting = ContactMethod.objects.kept().filter(pk=method.pk, address=method.address)
        if not waiting.filter(is_on=True, verified_at=None).update(
            code_hash=_hashed(method, code_for(seed)),
            code_expires_at=now + VALID_FOR,
            code_tries=0,
        ):
            raise Refused("It is verified already, or switched off.")
        _end_codes(method, now, "a newer code was sent")
        note = Note(
            purpose=Notification.Purpose.VERIFY,
            thread=f"person:{method.user_id}",
            ref=f"{PREFIX}{method.pk}/{seed[:12]}",
            team_id=None,
            context={"seed": seed, "open_path": reverse("notifications:me")},
            due_at=now,
            void_at=now + VALID_FOR,
        )
        outbox.tell_address(method, note, now=now)
        kick(SEND_DUE)


def enter_code(method: ContactMethod, typed: str, *, now: datetime) -> Entered:
    """Verify the address if the code is right.

    A code is good for 15 minutes and five guesses, however many come at once: each takes one of
    them by an UPDATE before it is looked at.
    """
    code = "".join(typed.split())
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return Entered(False, f"A code has {DIGITS} digits.")
    return repeat_on_conflict(lambda: _enter(method, code, now))


def _enter(method: ContactMethod, code: str, now: datetime) -> Entered:
    with transaction.atomic():
        open_codes = (
            ContactMethod.objects.kept()
            .exclude(code_hash="")
            .filter(pk=method.pk, code_expires_at__gt=now, code_tries__lt=MOST_TRIES)
        )
        if not open_codes.update(code_tries=F("code_tries") + 1):
            return Entered(False, "There is no code to enter any more: send a new one.")
        stored = ContactMethod.objects.get(pk=method.pk)
        if constant_time_compare(stored.code_hash, _hashed(stored, code)):
            ContactMethod.objects.filter(pk=method.pk, code_hash=stored.code_hash).update(
                verified_at=now, code_hash="", code_expires_at=None, code_tries=0
            )
            return Entered(True, "Verified: what is sent to this address arrives.")
    if left := MOST_TRIES - stored.code_tries:
        return Entered(False, f"That is not the code. {_tries(left)} left.")
    return Entered(False, "That is not the code, and there is no try left: send a new one.")


def _tries(number: int) -> str:
    return "1 try" if number == 1 else f"{number} tries"


def _hashed(method: ContactMethod, code: str) -> str:
    """Good for this address only."""
    value = f"{method.pk}/{method.channel}/{method.address}/{code}"
    return salted_hmac("notifications.verification", value, algorithm="sha256").hexdigest()


def _end_codes(method: ContactMethod, now: datetime, reason: str) -> None:
    unsent = Notification.objects.unfinished().filter(
        purpose=Notification.Purpose.VERIFY, void_at__gt=now, contact_method=method
    )
    outbox.cancel_rows(list(unsent.values_list("pk", flat=True)), now=now, reason=reason)
