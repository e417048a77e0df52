"""Telephone numbers: their one spelling, and what SMS and WhatsApp have in common of it."""

from __future__ import annotations

import re
from typing import ClassVar

from django.conf import settings

from notifications.channels.base import SendError
from notifications.channels.texts import one_line

E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class Phone:
    """Addresses of any kind that are telephone numbers."""

    address_label: ClassVar[str] = "Mobile number"
    example_address: ClassVar[str] = "+41791234567"

    def clean_address(self, text: str) -> str:
        return clean_number(text)


class Sms(Phone):
    kind: ClassVar[str] = "sms"
    label: ClassVar[str] = "SMS"


class WhatsApp(Phone):
    kind: ClassVar[str] = "whatsapp"
    label: ClassVar[str] = "WhatsApp"


def clean_number(text: str) -> str:
    """The number as +41791234567; ValueError with a sentence when it cannot be called.

    Without its country it is taken for one of PHONE_REGION, if that is set.
    """
    import phonenumbers  # 11 MB, and only who edits an address needs it

    written, region = one_line(text), settings.PHONE_REGION
    if not region and not written.startswith(("+", "\uff0b")):
        raise ValueError(_without_country(written))
    try:
        number = phonenumbers.parse(written, region or None)
    except phonenumbers.NumberParseException:
        raise ValueError(f"{written[:40]!r} is not a telephone number.") from None
    if number.extension or not phonenumbers.is_valid_number(number):
        raise ValueError(f"{written[:40]!r} is no number that exists. Are all its digits there?")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _without_country(written: str) -> str:
    if not any(sign.isdigit() for sign in written):
        return f"{written[:40]!r} is not a telephone number."
    return f"{written[:40]!r} names no country. Write it as +41 79 123 45 67."


def checked(address: str) -> str:
    """The address itself; SendError when it is no number that a provider could be given."""
    if not E164.fullmatch(address):
        raise SendError(
            "the address is not a telephone number such as +41791234567", permanent=True
        )
    return address
