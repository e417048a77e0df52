"""Moves, answers or frees alerts and groups when their incident is resolved, reopened,
merged or split off.

Lifecycle sends the signal with the incident locked, inside the transaction that moves it.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Coalesce

from alertsources.models import Alert, AlertSource, OpenGroup
from incidents.lifecycle import Refused
from incidents.models import Incident
from schedules.models import Team

logger = logging.getLogger(__name__)

# How often the groups of a reopened incident are asked for.
TRIES = 3


def follow_incident(
    sender: Any,
    *,
    incident: Incident,
    move: str,
    by_monitor: bool,
    now: datetime,
    other: Incident | None = None,
    **_: Any,
) -> None:
    if move == "resolved":
        _free(incident, by_monitor=by_monitor, now=now)
    elif move == "reopened":
        _collect_again(incident)
    elif move == "merged" and other is not None:
        _hand_over(incident, other)
    elif move == "split" and other is not None:
        _take_back(incident, other)


def _hand_over(incident: Incident, other: Incident) -> None:
    """The other incident collects its alerts and groups, which remember where they came from."""
    for rows in (
        Alert.objects.filter(incident=incident),
        OpenGroup.objects.filter(incident=incident),
    ):
        rows.update(incident=other, merged_from=Coalesce("merged_from", incident.pk))


def _take_back(incident: Incident, other: Incident) -> None:
    """What came from it, or from what had been merged into it, and what has joined that since."""
    family = _merged_into(incident)
    came = Alert.objects.filter(incident=other, merged_from__in=family)
    groups = OpenGroup.objects.filter(incident=other)
    digests = set(came.values_list("group_digest", flat=True))
    digests |= set(groups.filter(merged_from__in=family).values_list("digest", flat=True))
    joined = Q(merged_from__in=family) | Q(group_digest__in=digests)
    Alert.objects.filter(joined, incident=other).update(incident=incident)
    groups.filter(digest__in=digests).update(incident=incident)
    for model in (Alert, OpenGroup):
        model.objects.filter(incident=incident, merged_from=incident).update(merged_from=None)


def _merged_into(incident: Incident) -> set[int]:
    """This incident, and all that were merged into it before."""
    family, new = {incident.pk}, {incident.pk}
    while new:
        found = Incident.objects.filter(merged_into__in=new).values_list("pk", flat=True)
        new = set(found) - family
        family |= new
    return family


def _free(incident: Incident, *, by_monitor: bool, now: datetime) -> None:
    """The next alert of its groups opens a new incident; what still fires has been answered."""
    if not by_monitor:
        still = Alert.objects.firing().filter(incident=incident, answered_at__isnull=True)
        still.update(answered_at=now)
    OpenGroup.objects.filter(incident=incident).delete()


def _collect_again(incident: Incident) -> None:
    """Take the groups back, unless a newer open incident has them or one of the alerts."""
    alerts = list(Alert.objects.filter(incident=incident).order_by("group_digest", "pk"))
    for _ in range(TRIES):
        _refuse_if_newer(incident, alerts)
        if _take_groups(incident, alerts):
            break
    else:
        raise Refused("Its alerts are coming and going at this very moment: try again.")
    Alert.objects.firing().filter(incident=incident).update(answered_at=None)


def _take_groups(incident: Incident, alerts: list[Alert]) -> bool:
    """False when another incident had one of the groups: by now it is stored, or gone again."""
    groups = {
        alert.group_digest: OpenGroup(
            digest=alert.group_digest, source_id=alert.source_id, incident=incident
        )
        for alert in alerts
    }
    try:
        with transaction.atomic():
            OpenGroup.objects.bulk_create(groups.values())
    except IntegrityError:
        logger.info("Reopening #%s met a group that another incident holds", incident.pk)
        return False
    return True


def _refuse_if_newer(incident: Incident, alerts: list[Alert]) -> None:
    digests = {alert.group_digest for alert in alerts}
    group = (
        OpenGroup.objects.filter(digest__in=digests)
        .exclude(incident=incident)
        .select_related("incident")
        .first()
    )
    other = group.incident if group else _holder_of(incident, alerts)
    if other:
        raise Refused(f"#{other.pk} collects the same alerts now: look there.", other)


def _holder_of(incident: Incident, alerts: list[Alert]) -> Incident | None:
    """The other open incident in which one of these alerts fires, if any."""
    keys = {(alert.source_id, alert.key) for alert in alerts}
    firing = (
        Alert.objects.firing()
        .filter(source__in={s for s, _ in keys}, key__in={k for _, k in keys})
        .exclude(incident=incident)
        .exclude(incident__state=Incident.State.RESOLVED)
        .filter(incident__isnull=False)
        .select_related("incident")
    )
    return next((row.incident for row in firing if (row.source_id, row.key) in keys), None)


def object_to_closing(sender: Any, *, team: Team, **_: Any) -> str | None:
    """A team whose sources still send stays on: their alerts would page nobody."""
    names = list(
        AlertSource.objects.filter(team=team, is_active=True).values_list("name", flat=True)
    )
    return f"{team} has active alert sources: {', '.join(names)}." if names else None
