"""Switches alert sources off and on again; they are never deleted, as incidents name them."""

from __future__ import annotations

from alertsources.models import AlertSource

TEAM_IS_OFF = "{} is switched off: nobody would answer. Switch the team on first."


class Refused(Exception):
    """It cannot be done now; its text is one sentence that says why."""


def switch_off(source: AlertSource) -> bool:
    """From now on its posts are refused; its open incidents page on. False: it was off already."""
    return bool(AlertSource.objects.filter(pk=source.pk, is_active=True).update(is_active=False))


def switch_on(source: AlertSource) -> bool:
    """Its posts are taken again. False: they were already. Raises Refused."""
    off = AlertSource.objects.filter(pk=source.pk, is_active=False)
    if off.filter(team__is_active=True).update(is_active=True):
        return True
    if off.exists():
        raise Refused(TEAM_IS_OFF.format(source.team))
    return False
