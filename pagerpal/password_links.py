"""Links with which a person chooses a password: invitations, and for those who forgot theirs."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core import signing
from django.urls import reverse
from django_q.tasks import async_task

from notifications.channels import base
from notifications.channels.base import Deadline, Message, SendError
from pagerpal import throttle
from schedules import recorded
from schedules.models import User

log = logging.getLogger(__name__)

SALT = "pagerpal.password_links"
SEND = "pagerpal.password_links.send"
SECONDS = 8.0


@dataclass(frozen=True)
class Kind:
    """Made by an admin, or asked for by whoever forgot; how long it holds, and in words."""

    word: str
    valid_for: timedelta
    in_words: str


INVITATION = Kind("invitation", timedelta(days=7), "7 days")
RESET = Kind("reset", timedelta(hours=2), "2 hours")
KINDS = {kind.word: kind for kind in (INVITATION, RESET)}


class BadLink(Exception):
    """Tampered with, too old, used, or of somebody who is switched off."""


def make(user: User, kind: Kind) -> str:
    """An address that lets whoever has it choose this person's password, once."""
    token = signing.dumps([user.pk, kind.word, _stamp(user)], salt=SALT)
    return f"{settings.PAGERPAL_BASE_URL}{reverse('choose_password', args=[token])}"


def person_of(token: str) -> User:
    """Whose password it sets. Raises BadLink."""
    try:
        pk, word, stamp = signing.loads(token, salt=SALT)
        # The age once more, as each kind has its own.
        signing.loads(token, salt=SALT, max_age=KINDS[word].valid_for)
        user = User.objects.get(pk=pk, is_active=True)
    except (signing.BadSignature, KeyError, TypeError, ValueError, User.DoesNotExist):
        raise BadLink from None
    if stamp != _stamp(user):
        raise BadLink
    return user


def use(user: User, password: str) -> None:
    """Set the password and end all sessions. Raises BadLink when the link was used meanwhile."""
    before, hashed = user.password, make_password(password)
    still = User.objects.filter(pk=user.pk, password=before, is_active=True)
    with recorded.acting(lambda: recorded.Actor(user, "link")):
        if not still.update(password=hashed):
            raise BadLink
    user.password = hashed
    throttle.forget(throttle.PER_ACCOUNT, user.email)


def can_mail() -> bool:
    """Whether this PagerPal sends mail at all: safe mode holds these too."""
    channel = base.registry["email"]
    return settings.NOTIFICATION_SENDING_ENABLED and not channel.needs()


def mail(user: User, kind: Kind) -> None:
    """Have a worker send one; the link is made there, so that no queue holds it."""
    async_task(SEND, user.pk, kind.word)


def ask(email: str, address: str, *, now: datetime) -> bool:
    """Somebody forgot their password; False when they asked too often.

    Whether anybody has this e-mail address cannot be told from what is said.
    """
    if not throttle.take(throttle.MAILS_PER_ADDRESS, address, now=now):
        return False
    if not throttle.take(throttle.MAILS_PER_ACCOUNT, email, now=now):
        return False
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    async_task(SEND, user.pk if user else 0, RESET.word)
    return True


def send(user_pk: int, word: str) -> None:
    """What the worker does; whoever can be paged but has no password gets none by asking."""
    user, kind = User.objects.filter(pk=user_pk, is_active=True).first(), KINDS[word]
    if user is None or (kind is RESET and not user.has_usable_password()):
        return
    try:
        base.registry["email"].send(_message(user, kind), user.email, Deadline(SECONDS))
    except SendError as error:
        log.warning("The mail with a password link for %s was not sent: %s", user.email, error)


def _message(user: User, kind: Kind) -> Message:
    link = make(user, kind)
    if kind is INVITATION:
        title = "Choose your password for PagerPal"
        why = "You have an account on PagerPal, which pages people when something breaks."
    else:
        title = "A new password for PagerPal"
        why = "Somebody, probably you, asked for a new password. If not, do nothing."
    body = f"{why}\n\nChoose a password here:\n{link}\n\nThe link works once, for {kind.in_words}."
    key = f"password-{hashlib.sha256(link.encode()).hexdigest()[:16]}"
    return Message(key=key, thread="", title=title, body=body)


def _stamp(user: User) -> str:
    """Another one as soon as the password is, or somebody has signed in since.

    An invitation is not ended by a sign-in: whoever has it has no password to sign in with.
    """
    facts = f"{user.pk} {user.email} {user.password} {user.last_login}"
    return hashlib.sha256(facts.encode()).hexdigest()[:24]
