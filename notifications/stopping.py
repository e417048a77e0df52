"""Somebody writes STOP, or START again: their address is switched off or on, and others hear of it.

Networks and providers stop such a number themselves, whatever PagerPal would like.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q

from notifications import outbox, replies
from notifications.addresses import UNVERIFIED
from notifications.channels.base import kind_of
from notifications.kicks import SEND_DUE, kick
from notifications.models import ContactMethod, InboundMessage, Notification
from notifications.outbox import Note
from schedules.models import Membership, User

USEFUL_FOR = timedelta(days=1)
NOTHING = "nothing to change"


def stop(row: InboundMessage, methods: Iterable[ContactMethod], *, now: datetime) -> str:
    """Switch these addresses off and tell their people, by other ways, and their leads.

    Nothing is said back: the network would not bring it. Says what was done.
    """
    stopped = [method for method in methods if method.is_on]
    if not stopped:
        return NOTHING
    pks = [method.pk for method in stopped]
    ContactMethod.objects.filter(pk__in=pks).update(is_on=False)
    for method in stopped:
        for person in [method.user, *_who_should_know(method.user)]:
            outbox.tell(person, _note(row, method, person, now), now=now)
    kick(SEND_DUE)
    return "switched off"


def start(row: InboundMessage, methods: Iterable[ContactMethod]) -> str:
    """Switch on again what STOP has switched off, unverified; not what its owner did.

    Says what was done.
    """
    words = InboundMessage.objects.filter(
        channel=row.channel, address=row.address, act__in=(replies.STOP, replies.START)
    )
    last = words.exclude(pk=row.pk).order_by("-pk").first()
    if last is None or last.act != replies.STOP:
        return NOTHING
    off = [method.pk for method in methods if not method.is_on]
    ContactMethod.objects.filter(pk__in=off, is_on=False).update(is_on=True, **UNVERIFIED)
    return "switched on, unverified" if off else NOTHING


def _who_should_know(user: User) -> list[User]:
    """The leads of their teams; without any, the admins."""
    others = User.objects.filter(is_active=True).exclude(pk=user.pk).order_by("pk")
    teams = user.memberships.values("team")
    leads = Q(memberships__role=Membership.Role.LEAD, memberships__team__in=teams)
    return list(others.filter(leads).distinct()) or list(others.filter(is_superuser=True))


def _note(row: InboundMessage, method: ContactMethod, person: User, now: datetime) -> Note:
    kind = kind_of(method.channel)
    stopped = {
        "who": str(method.user),
        "kind": kind.label if kind else method.channel,
        "address": method.masked_address,
        "is_own": person.pk == method.user_id,
    }
    return Note(
        purpose=Notification.Purpose.NOTICE,
        thread=f"person:{method.user_id}",
        ref=f"stopped:{row.pk}/{method.pk}/{person.pk}",
        team_id=None,
        context={"stopped": stopped},
        due_at=now,
        void_at=now + USEFUL_FOR,
    )
