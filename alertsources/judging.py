"""Judges alerts by rules, silences and the settings of their source, before anything is locked.

What is read here may be a moment old when the alert is stored: a silence that ends meanwhile is
caught by `silences.settle`. Nothing in here can cost a page: what fails is left as it came.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, OperationalError, connections

from alertsources import grouping, routing, silences
from alertsources.cleaning import CleanAlert
from alertsources.models import AlertSource, RoutingRule, Silence
from alertsources.verdicts import PAGES, Verdict
from incidents.lifecycle import urgency_of
from incidents.models import EscalationPolicy, Incident
from schedules.models import User

logger = logging.getLogger(__name__)

# Says that a source sends too much; it ends when that was not so for a while.
LIMIT_KEY = f"{routing.OWN}limit"
LIMIT_OVER_AFTER = timedelta(minutes=10)

# Asked by every request, so it is written out.
TERMS = """
    SELECT wait_for, auto_resolve_after, test_person_id,
        EXISTS(SELECT 1 FROM alertsources_routingrule WHERE source_id = %s AND is_active),
        EXISTS(SELECT 1 FROM alertsources_silence
            WHERE ended_at IS NULL AND ends_at > %s AND starts_at <= %s)
        OR EXISTS(SELECT 1 FROM alertsources_silence
            WHERE ended_at IS NULL AND ends_at IS NULL AND starts_at <= %s)
    FROM alertsources_alertsource WHERE id = %s
"""


@dataclass(frozen=True)
class Terms:
    """What holds for all alerts of one source at one moment."""

    source: AlertSource
    verdict: Verdict = PAGES
    rules: Sequence[RoutingRule] = ()
    silences: Sequence[Silence] = ()
    default_policies: dict[int, EscalationPolicy] = field(default_factory=dict)
    test_person_id: int | None = None


def judge(alerts: list[CleanAlert], source: AlertSource, *, now: datetime) -> list[CleanAlert]:
    """The alerts with their verdicts, in their order. Only a database that is away raises."""
    try:
        terms = terms_of(source, now=now)
    except OperationalError:
        raise
    except Exception:
        logger.exception("Settings of source %s cannot be read: its alerts page", source.pk)
        return alerts
    return [_judged(alert, terms, now) for alert in alerts]


def terms_of(source: AlertSource, *, now: datetime) -> Terms:
    database = connections[DEFAULT_DB_ALIAS]
    at = database.ops.adapt_datetimefield_value(now)
    with database.cursor() as cursor:
        cursor.execute(TERMS, [source.pk, at, at, at, source.pk])
        found: Any = cursor.fetchone()
    if found is None:
        return Terms(source)
    wait_for, auto_resolve_after, test_person_id, has_rules, has_silences = found
    rules = routing.rules_of([source.pk]) if has_rules else []
    verdict = PAGES
    if wait_for is not None or auto_resolve_after is not None:
        verdict = Verdict(wait_for=_span(wait_for), auto_resolve_after=_span(auto_resolve_after))
    return Terms(
        source,
        verdict,
        rules,
        list(silences.standing(now)) if has_silences else [],
        _default_policies(rules),
        test_person_id,
    )


def _span(value: Any) -> timedelta | None:
    """SQLite keeps a length of time as microseconds."""
    return timedelta(microseconds=value) if isinstance(value, int) else value


def _default_policies(rules: Sequence[RoutingRule]) -> dict[int, EscalationPolicy]:
    teams = {rule.team_id for rule in rules if rule.team_id}
    if not teams:
        return {}
    policies = EscalationPolicy.objects.filter(team__in=teams, is_default=True)
    return {policy.team_id: policy for policy in policies}


def _judged(alert: CleanAlert, terms: Terms, now: datetime) -> CleanAlert:
    is_plain = not terms.rules and not terms.silences and not alert.is_test
    is_plain = is_plain and alert.key != LIMIT_KEY
    if not alert.is_firing or (is_plain and terms.verdict is PAGES):
        return alert
    try:
        return _by_terms(alert, terms, now)
    except OperationalError:
        raise
    except Exception:
        logger.exception("An alert of source %s cannot be judged: it pages", terms.source.pk)
        return alert


def _by_terms(alert: CleanAlert, terms: Terms, now: datetime) -> CleanAlert:
    verdict = replace(terms.verdict, said_severity=alert.severity, said_group=alert.group_digest)
    if alert.is_test and not alert.runs_policy:  # never among alerts that are none
        group_digest = grouping.digest(alert.group_digest, "test")
        verdict = replace(verdict, test_person=alert.pages_only or _test_person(terms))
        return replace(alert, group_digest=group_digest, verdict=verdict)
    if alert.key.startswith(routing.OWN):
        ends = LIMIT_OVER_AFTER if alert.key == LIMIT_KEY else None
        verdict = replace(verdict, wait_for=None, auto_resolve_after=ends)
    elif terms.rules:
        zone = terms.rules[0].source.team.time_zone
        alert, verdict = routing.decide(terms.rules, alert, verdict, zone=zone, now=now)
    if team := verdict.team:
        policy = verdict.policy or terms.default_policies.get(team.pk)
        verdict = replace(verdict, policy=policy)
        group_digest = grouping.digest(terms.source.pk, team.pk, alert.group_digest)
        alert = replace(alert, group_digest=group_digest)
    if urgency_of(alert.severity) != Incident.Urgency.NONE and not verdict.only_counts:
        verdict = _by_silences(alert, verdict, terms, now)
    return replace(alert, verdict=verdict, note=f"{alert.note} {verdict.note}".strip())


def _by_silences(alert: CleanAlert, verdict: Verdict, terms: Terms, now: datetime) -> Verdict:
    team_id = verdict.team.pk if verdict.team else terms.source.team_id
    found = silences.matching_alert(
        terms.silences, alert, source=terms.source, team_id=team_id, now=now
    )
    if found is None:
        return verdict
    why = f"Muted: {found.silence.reason}"
    if found.silence.created_label:
        why = f"{why} ({found.silence.created_label})"
    return replace(verdict, muted=why[:300], silence_id=found.silence.pk, until=found.until)


def _test_person(terms: Terms) -> User | None:
    if terms.test_person_id is None:
        return None
    return User.objects.filter(pk=terms.test_person_id, is_active=True).first()
