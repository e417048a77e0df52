"""Looks again, when it is time, at alerts that no post may ever mention again.

A silence or the waiting is over: what still fires pages. A test is over, or an alert was not
repeated for as long as its source says: it ends. Whatever fails in here ends in a page.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import OperationalError, transaction

from alertsources import flapping
from alertsources.admission import Admission
from alertsources.holding import remembered
from alertsources.intake import Delivery, persist, take
from alertsources.judging import judge
from alertsources.models import Alert, AlertSource, OpenGroup
from alertsources.reading import unreadable
from incidents.models import EscalationPolicy
from schedules.counting import Due

logger = logging.getLogger(__name__)

# Alerts of one source in one transaction.
MOST_TOGETHER = 20
# When an alert that could not be judged is tried again; meanwhile it has paged as unreadable.
RETRY_AFTER = timedelta(minutes=10)

ALERTS = Due(Alert, "look_at", "status = 'firing'")
HELD = Due(OpenGroup, "look_at")


def count_due(now: datetime, *, most: int = 100) -> int:
    """How much waits to be looked at, up to `most` of each kind; answered by two small indexes."""
    return ALERTS.count(now, most=most) + HELD.count(now, most=most)


def look_again(now: datetime) -> int:
    """Judge a few of the alerts that are due, all of one source; says how many there were."""
    due = Alert.objects.filter(look_at__lte=now, status=Alert.Status.FIRING).order_by("look_at")
    first = due.values_list("source_id").first()
    if first is None:
        return flapping.settle_due(now)
    source = AlertSource.objects.select_related("team", "policy").get(pk=first[0])
    rows = list(due.filter(source=source)[:MOST_TOGETHER])
    _look(source, rows, now)
    return len(rows)


def _look(source: AlertSource, rows: list[Alert], now: datetime) -> None:
    policy = source.policy_in_force()
    try:
        _judge_anew(source, policy, rows, now)
    except OperationalError:
        raise
    except Exception:
        logger.exception("Alerts of source %s cannot be judged anew together", source.pk)
        for row in rows:
            _look_alone(source, policy, row, now)


def _look_alone(
    source: AlertSource, policy: EscalationPolicy | None, row: Alert, now: datetime
) -> None:
    try:
        _judge_anew(source, policy, [row], now)
    except OperationalError:
        raise
    except Exception as error:
        logger.exception("Alert %s cannot be judged anew: it pages as unreadable", row.pk)
        why = f"it was held back and could not be judged anew ({type(error).__name__}): {row.title}"
        body = row.title.encode()
        alert = unreadable(source, body, why=[why], now=now)
        take(Delivery(source, body, [alert], policy, troubles=[why]), now=now)
        Alert.objects.filter(pk=row.pk).update(look_at=now + RETRY_AFTER)


def _judge_anew(
    source: AlertSource, policy: EscalationPolicy | None, rows: Sequence[Alert], now: datetime
) -> None:
    judged = judge([remembered(row) for row in rows], source, now=now)

    def attempt() -> None:
        with transaction.atomic():
            admission = Admission(source, policy, now=now)
            admission.look(list(zip(rows, judged, strict=True)))

    persist(attempt)
