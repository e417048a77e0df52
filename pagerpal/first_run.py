"""The first admin of an empty installation, made by whoever can read the server's log."""

from __future__ import annotations

import functools
import logging
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from django.db import connection, transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from schedules.models import User

log = logging.getLogger(__name__)

# No letters and digits that look alike: I, L, O, 0 and 1.
ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
LENGTH, GROUP = 12, 4
# Any number that nothing else in PagerPal locks.
LOCK = 7_246_001


class Tries:
    """Counts wrong codes, and says when there were too many of them lately.

    Kept in this process only: with several web processes each counts for itself. That is enough
    against guessing, as there are 31^12 codes.
    """

    def __init__(self, most: int, within: timedelta) -> None:
        self.most = most
        self.within = within
        self._wrong: deque[datetime] = deque(maxlen=most)
        self._lock = threading.Lock()

    def are_used_up(self, now: datetime) -> bool:
        with self._lock:
            return len(self._wrong) == self.most and now - self._wrong[0] < self.within

    def count_wrong(self, now: datetime) -> None:
        with self._lock:
            self._wrong.append(now)

    def forget(self) -> None:
        with self._lock:
            self._wrong.clear()


tries = Tries(most=10, within=timedelta(minutes=10))


def is_needed() -> bool:
    """True while nobody can sign in: no active person has a password."""
    people = User.objects.filter(is_active=True).exclude(password="")
    return not people.exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX).exists()


def code() -> str:
    """The one-time code, such as "K7QM-2XWB-9FHT": the same in every process of this installation.

    It follows from SECRET_KEY, so nothing has to be stored; it opens nothing once somebody can
    sign in.
    """
    digest = salted_hmac("pagerpal.first_run", "code", algorithm="sha256").digest()
    number = int.from_bytes(digest, "big")
    letters = []
    for _ in range(LENGTH):
        number, place = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[place])
    return "-".join("".join(letters[at : at + GROUP]) for at in range(0, LENGTH, GROUP))


def is_right(text: str) -> bool:
    """Whether this is the code, however it was typed: small letters, blanks and dashes."""
    typed = "".join(text.upper().split()).replace("-", "")
    return constant_time_compare(typed, code().replace("-", ""))


def make_first_admin(*, email: str, name: str, password: str, time_zone: str) -> User | None:
    """The first person who can sign in; None when somebody else was faster.

    A person of this address who is known already, but cannot sign in, becomes the admin.
    """
    hashed = make_password(password)  # slow on purpose, so not while others wait for the lock
    with transaction.atomic():
        _one_at_a_time()
        if not is_needed():
            return None
        user = User.objects.filter(email__iexact=email).first() or User(email=email.lower())
        user.name, user.time_zone, user.password = name, time_zone, hashed
        user.is_active = user.is_staff = user.is_superuser = True
        user.save()
    return user


def announce(say: Callable[[str], object]) -> None:
    """One line with the address and the code, while they are needed."""
    if is_needed():
        say(_announcement())


@functools.cache
def log_code() -> None:
    """The same line for the log, once per process: for a web server that nobody announced."""
    log.warning(_announcement())


def _announcement() -> str:
    return f"First run: open {settings.PAGERPAL_BASE_URL}/login and enter the code {code()}"


def _one_at_a_time() -> None:
    """Wait until no other transaction is here. On SQLite its beginning already did."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
