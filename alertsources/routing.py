"""The rules of a source: which one decides about an alert, and what it makes of it.

In doubt a page: a rule that cannot be read ends the search, and the alert pages as its source
says; a team that is switched off or a policy of another team is not used, and the timeline says so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any

from alertsources import matching
from alertsources.cleaning import CleanAlert
from alertsources.models import AlertSource, ReceivedPayload, RoutingRule
from alertsources.reading import read
from alertsources.verdicts import Verdict

logger = logging.getLogger(__name__)
Then = RoutingRule.Then

# Our own words about a source; no rule is asked about them.
OWN = "pagerpal:"


@dataclass(frozen=True)
class Explained:
    """One alert of a message and the rule that would decide about it now."""

    title: str
    severity: str
    rule: RoutingRule | None
    text: str


def rules_of(source_ids: Iterable[int]) -> list[RoutingRule]:
    """The active rules in the order in which they are asked."""
    rules = RoutingRule.objects.filter(source__in=source_ids, is_active=True)
    related = rules.select_related("source__team", "team", "policy")
    return list(related.order_by("position", "pk"))


def decide(
    rules: Sequence[RoutingRule], alert: CleanAlert, verdict: Verdict, *, zone: str, now: datetime
) -> tuple[CleanAlert, Verdict]:
    """The alert and its verdict by the first rule that matches; as they came where none does."""
    for rule in rules:
        try:
            if not matches(rule, alert, zone=zone, now=now):
                continue
            return _applied(rule, alert, verdict)
        except Exception as error:
            why = str(error) if isinstance(error, matching.BadMatcher) else type(error).__name__
            logger.warning("%s of source %s failed: %s", rule, rule.source_id, why)
            note = f"{str(rule).capitalize()} failed, so this pages as if there were none: {why}"
            return alert, replace(verdict, note=note[:300])
    return alert, verdict


def matches(rule: RoutingRule, alert: CleanAlert, *, zone: str, now: datetime) -> bool:
    if rule.severities and alert.severity not in rule.severities:
        return False
    if rule.days or rule.opens is not None:
        # Without hours: from midnight to midnight.
        hours = (rule.opens or time(0), rule.closes or time(0))
        if not matching.open_until(rule.days or matching.EVERY_DAY, *hours, zone, now)[0]:
            return False
    if rule.title and not matching.finds(rule.title, alert.title):
        return False
    return matching.labels_match(rule.labels, alert.labels)


def _applied(rule: RoutingRule, alert: CleanAlert, verdict: Verdict) -> tuple[CleanAlert, Verdict]:
    if rule.then == Then.DROP:
        return alert, replace(verdict, is_dropped=True)
    if rule.then == Then.RECORD:
        return alert, replace(verdict, recorded=f"Record only, by {rule}.")
    if rule.severity:
        alert = replace(alert, severity=rule.severity)
    if rule.wait_for is not None:
        verdict = replace(verdict, wait_for=rule.wait_for)
    return alert, _to_team(rule, verdict)


def _to_team(rule: RoutingRule, verdict: Verdict) -> Verdict:
    team, policy, note = rule.team, rule.policy, ""
    if team is not None and not team.is_active:
        note = f"{str(rule).capitalize()} names {team}, which is switched off: not used."
        team, policy = None, None
    answers_for = team.pk if team else rule.source.team_id
    if policy is not None and policy.team_id != answers_for:
        note = f"{str(rule).capitalize()} names a policy of another team: not used."
        policy = None
    return replace(verdict, team=team, policy=policy, note=note)


def explain(payload: ReceivedPayload, *, now: datetime) -> list[Explained]:
    """Which rule each alert of a stored message would meet if it came now."""
    return explain_body(bytes(payload.body), payload.source, now=now)


def explain_body(body: bytes, source: AlertSource, *, now: datetime) -> list[Explained]:
    rules = rules_of([source.pk])
    found = read(body, source, kind=source.kind, otherwise="generic", now=now)
    return [
        _explained(rules if not alert.key.startswith(OWN) else [], alert, source, now)
        for alert in found.alerts
    ]


def _explained(
    rules: list[RoutingRule], alert: CleanAlert, source: AlertSource, now: datetime
) -> Explained:
    zone = source.team.time_zone
    for rule in rules:
        _, verdict = decide([rule], alert, Verdict(), zone=zone, now=now)
        try:
            hit = matches(rule, alert, zone=zone, now=now)
        except Exception:
            return Explained(alert.title, alert.severity, None, verdict.note)
        if hit:
            text = in_words(rule)
            return Explained(alert.title, alert.severity, rule, f"{text} {verdict.note}".strip())
    return Explained(alert.title, alert.severity, None, "No rule: as the source says.")


def in_words(rule: RoutingRule) -> str:
    """What the rule does, in one sentence."""
    if rule.then != Then.PAGE:
        return f"{str(rule).capitalize()}: {rule.get_then_display()}."
    parts: list[Any] = [
        rule.team and f"team {rule.team.name}",
        rule.policy and f"policy {rule.policy.name}",
        rule.severity and f"severity {rule.severity}",
        rule.wait_for is not None and f"only if still firing after {rule.wait_for}",
    ]
    said = ", ".join(part for part in parts if part) or "as the source says"
    return f"{str(rule).capitalize()}: page, {said}."
