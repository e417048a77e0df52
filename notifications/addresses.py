"""What a person does to their addresses: add, change, switch on or off, remove."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from notifications import outbox
from notifications.channels.texts import clean
from notifications.limits import Refused
from notifications.models import ContactMethod, Notification, NotificationRule
from schedules.models import User
from schedules.transactions import repeat_on_conflict

# What is true of an address that nobody has verified, and for which no code is on its way.
UNVERIFIED: dict[str, Any] = {
    "verified_at": None,
    "code_hash": "",
    "code_expires_at": None,
    "code_tries": 0,
    "heard_at": None,
}
TWICE = "You have this address already."


def add(user: User, channel: str, address: str) -> ContactMethod:
    """A new address, or the same again that was removed once: unverified. Raises Refused."""

    def attempt() -> ContactMethod:
        with transaction.atomic():
            mine = ContactMethod.objects.filter(user=user, channel=channel, address=address)
            back = mine.exclude(removed_at=None)
            if back.update(is_on=True, removed_at=None, **UNVERIFIED):
                return mine.get()
            return ContactMethod.objects.create(user=user, channel=channel, address=address)

    try:
        return repeat_on_conflict(attempt)
    except IntegrityError:
        raise Refused(TWICE) from None


def change(method: ContactMethod, address: str, *, now: datetime) -> bool:
    """Give it another spelling, which makes it unverified; what waits goes there. Raises Refused.

    False when it is the same.
    """

    def attempt() -> bool:
        with transaction.atomic():
            mine = ContactMethod.objects.kept().filter(pk=method.pk).exclude(address=address)
            if not mine.update(address=address, **UNVERIFIED):
                return False
            waiting = Notification.objects.filter(
                contact_method=method, state=Notification.State.PENDING
            )
            alone = waiting.filter(purpose=Notification.Purpose.VERIFY)
            codes = list(alone.values_list("pk", flat=True))
            outbox.cancel_rows(codes, now=now, reason="the address was changed")
            waiting.update(address=clean(address))
            return True

    try:
        return repeat_on_conflict(attempt)
    except IntegrityError:
        raise Refused(TWICE) from None


def switch(method: ContactMethod, *, is_on: bool) -> bool:
    """Off: what waits for it ends when it is due. False when that was already so."""
    other = ContactMethod.objects.kept().filter(pk=method.pk, is_on=not is_on)
    return bool(other.update(is_on=is_on))


def want_updates(method: ContactMethod, *, wants: bool) -> None:
    """Whether it is told, quietly, what becomes of what its person was paged for."""
    ContactMethod.objects.kept().filter(pk=method.pk).update(wants_updates=wants)


def remove(method: ContactMethod, *, now: datetime) -> None:
    """Use it no more, nor the rules that do; the history goes on naming it."""

    def attempt() -> None:
        with transaction.atomic():
            mine = ContactMethod.objects.kept().filter(pk=method.pk)
            if mine.update(is_on=False, removed_at=now, **UNVERIFIED):
                NotificationRule.objects.filter(contact_method=method).delete()

    repeat_on_conflict(attempt)
