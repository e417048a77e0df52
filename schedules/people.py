"""People leave: they are switched off, never deleted, and what waited for them is handed on."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction

from schedules.models import Membership, User
from schedules.signals import person_left

log = logging.getLogger(__name__)


def switch_off(user: User, by: User, *, now: datetime) -> bool:
    """End this person's pages and sign-in; False when that was already so.

    The floors above hand on what waited for them in the same transaction.
    """
    with transaction.atomic():
        changed = User.objects.filter(pk=user.pk, is_active=True).update(is_active=False)
        user.is_active = False
        if not changed:
            return False
        person_left.send(sender=User, user=user, team=None, now=now)
    log.info("%s was switched off by %s", user.email, by.email)
    return True


def leave_team(membership: Membership, by: User, *, now: datetime) -> None:
    """Take one person out of one team, and hand on what waited for them there."""
    user, team = membership.user, membership.team
    with transaction.atomic():
        membership.delete()
        person_left.send(sender=User, user=user, team=team, now=now)
    log.info("%s was taken out of team %s by %s", user.email, team, by.email)
