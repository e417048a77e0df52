"""Writes down that somebody changed who is on call when, and tells the floors above."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import F

from schedules.models import Rotation, ScheduleChange, User
from schedules.signals import schedule_changed


def write(rotation: Rotation, *lines: str, by: User | None, now: datetime) -> None:
    """One line each in the team's history; the rotation's revision rises.

    Inside the transaction that made the change, which holds the lock on the rotation's row.
    """
    ScheduleChange.objects.bulk_create(
        ScheduleChange(team_id=rotation.team_id, rotation=rotation, at=now, actor=by, text=text)
        for text in lines
    )
    Rotation.objects.filter(pk=rotation.pk).update(revision=F("revision") + 1)
    rotation.revision += 1
    schedule_changed.send(sender=Rotation, rotation_ids=[rotation.pk], now=now)


def local(moment: datetime, rotation: Rotation) -> str:
    """ "Mon 30 Nov 2026 09:00", in the rotation's zone."""
    return f"{moment.astimezone(ZoneInfo(rotation.time_zone)):%a %d %b %Y %H:%M}"
