"""Takes in what people write to us: who it is, what they want, and what is said back, once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, OperationalError, models, transaction
from django.utils.translation import gettext, gettext_noop

from notifications import outbox, receipts, replies, stopping
from notifications.channels.inbound import WHATSAPP, Heard
from notifications.channels.texts import clean, one_line
from notifications.kicks import SEND_DUE, kick
from notifications.models import ContactMethod, InboundMessage, Notification, masked
from notifications.outbox import Note
from notifications.replies import Reply
from notifications.signals import answer_received
from schedules.models import User
from schedules.transactions import repeat_on_conflict
from schedules.turns import turn

log = logging.getLogger(__name__)

AN_HOUR, A_DAY = timedelta(hours=1), timedelta(days=1)
# Of one address within an hour: what is acted upon, and what is answered. A person needs fewer; two
# programs that talk to each other never stop.
MOST_ACTS = 30
MOST_ANSWERS = 15
# What was written longer ago is not acted upon: much has happened since.
GOOD_FOR = timedelta(hours=2)
USEFUL_FOR = timedelta(minutes=10)
KEPT_FOR = timedelta(days=30)

HELP = gettext_noop(
    "Reply 12a to take #12, 12r to resolve it, 12e to call the next step, or all to take all."
)
SEVERAL = gettext_noop(
    "Nothing was done: this number belongs to several people here, so nobody can tell who you are. "
    "Use the link in the message."
)
FAILED = gettext_noop("PagerPal could not do that. Use the link in the message.")


def receive(messages: Iterable[Heard], *, now: datetime) -> int:
    """Act on these messages and answer them; says how many were new and from people we know.

    Each is handled once, whoever hands it over and how often. One that cannot be stored keeps no
    other from it; then the last error is raised at the end.
    """
    handled = 0
    trouble: Exception | None = None
    for heard in messages:
        try:
            with turn():
                handled += repeat_on_conflict(lambda heard=heard: _receive(heard, now))  # type: ignore[misc]
        except Exception as error:
            log.exception("message %s could not be taken in", heard.provider_id)
            trouble = error
    if trouble is not None:
        raise trouble
    return handled


def forgettable(now: datetime) -> models.QuerySet[InboundMessage]:
    """What is old; not the last word on whether an address may be used."""
    old = InboundMessage.objects.filter(received_at__lt=now - KEPT_FOR)
    return old.exclude(act__in=(replies.STOP, replies.START))


def _receive(heard: Heard, now: datetime) -> bool:
    with transaction.atomic():
        methods = _methods(heard)
        if not methods:
            log.info("%s from %s, whom nobody knows", heard.kind, masked(heard.number))
            return False
        row = _stored(heard, now)
        if row is None:
            return False
        if heard.kind == WHATSAPP:
            receipts.heard_from(heard.kind, heard.number, now=now)
        _Handling(heard, row, methods, now).run()
        row.save(update_fields=["user", "outcome", "is_answered"])
    return True


def _methods(heard: Heard) -> list[ContactMethod]:
    found = ContactMethod.objects.kept().filter(channel=heard.kind, address=heard.number)
    return list(found.filter(user__is_active=True).select_related("user").order_by("pk"))


def _stored(heard: Heard, now: datetime) -> InboundMessage | None:
    """None when it has been handled before, or is at this moment."""
    row = InboundMessage(
        provider=heard.provider,
        provider_id=heard.provider_id,
        channel=heard.kind,
        address=heard.number,
        text=one_line(clean(heard.text[:1000]))[:500],
        act=replies.parse(heard.text).act,
        said_at=min(now, heard.said_at or now),
        received_at=now,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return None
    return row


def ask(row: InboundMessage, reply: Reply, threads: Sequence[str], *, now: datetime) -> str:
    """Have the floors above do what the row's person wants; says what happened."""
    try:
        with transaction.atomic():
            answers = answer_received.send(
                sender=InboundMessage,
                user=row.user,
                reply=reply,
                threads=threads,
                via=row.channel,
                said_at=row.said_at,
                now=now,
            )
    except OperationalError:
        raise  # the whole message is handled again
    except Exception:
        log.exception("what %s wrote could not be done", row.user)
        return gettext(FAILED)
    return next((str(text) for _, text in answers if text), gettext(FAILED))


def say(row: InboundMessage, method: ContactMethod, text: str, *, now: datetime) -> None:
    """Write the answer to this message, to this address alone; the caller saves the row."""
    note = Note(
        purpose=Notification.Purpose.NOTICE,
        thread=f"person:{method.user_id}",
        ref=f"answer:{row.pk}",
        team_id=None,
        context={"answer": text},
        due_at=now,
        void_at=now + USEFUL_FOR,
    )
    outbox.tell_address(method, note, now=now)
    kick(SEND_DUE)
    row.outcome, row.is_answered = text[:1000], True


class _Handling:
    """One message on its way through the rules; it ends with an outcome in its row."""

    def __init__(
        self, heard: Heard, row: InboundMessage, methods: list[ContactMethod], now: datetime
    ) -> None:
        self.heard, self.row, self.now = heard, row, now
        self.methods = methods
        self.reply = replies.parse(heard.text)

    def run(self) -> None:
        if self.row.said_at < self.now - GOOD_FOR:
            self.row.outcome = "not acted upon: it came too late"
        elif self.reply.act == replies.STOP:
            self.row.outcome = stopping.stop(self.row, self.methods, now=self.now)
        elif self.reply.act == replies.START:
            self.row.outcome = stopping.start(self.row, self.methods)
        elif self._lately().count() > MOST_ACTS:
            self.row.outcome = f"not acted upon: more than {MOST_ACTS} within an hour"
            log.warning("%s from %s: %s", self.row.channel, masked(self.row.address), "too many")
        else:
            self._answer()

    def _answer(self) -> None:
        on = [method for method in self.methods if method.is_on]
        # What somebody else only claims takes no number from its owner.
        sure = [method for method in on if method.is_verified] or on
        if not sure:
            self.row.outcome = "not acted upon: this address is switched off"
        elif len({method.user_id for method in sure}) > 1:
            self._say(sure[0], gettext(SEVERAL))
        elif self.reply.act == replies.UNKNOWN:
            self._help(sure[0])
        else:
            self._say(sure[0], self._act(sure[0].user))

    def _act(self, user: User) -> str:
        self.row.user = user
        return ask(self.row, self.reply, self._threads(user), now=self.now)

    def _threads(self, user: User) -> list[str]:
        """What the message was about that this one replies to; several where it told of several."""
        if not self.heard.replied_to:
            return []
        told = Notification.objects.filter(provider_id=self.heard.replied_to, user=user)
        same = told.filter(channel=self.row.channel).order_by("thread")
        return list(same.values_list("thread", flat=True).distinct())

    def _help(self, method: ContactMethod) -> None:
        """Once a day: what answers by itself would else go on for ever."""
        helped = self._of_address().filter(
            act=replies.UNKNOWN, is_answered=True, received_at__gt=self.now - A_DAY
        )
        if not self.row.text or helped.exists():
            self.row.outcome = "not understood"
        else:
            self._say(method, gettext(HELP))

    def _say(self, method: ContactMethod, text: str) -> None:
        self.row.outcome = text[:1000]
        if self._lately().filter(is_answered=True).count() >= MOST_ANSWERS:
            return
        say(self.row, method, text, now=self.now)

    def _of_address(self) -> models.QuerySet[InboundMessage]:
        return InboundMessage.objects.filter(channel=self.row.channel, address=self.row.address)

    def _lately(self) -> models.QuerySet[InboundMessage]:
        return self._of_address().filter(received_at__gt=self.now - AN_HOUR)
