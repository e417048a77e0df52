"""How an incident comes into the world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from incidents import announcements, timeline
from incidents.lifecycle.acting import Actor
from incidents.lifecycle.paging import RUN_DUE_STEPS
from incidents.models import EscalationPolicy, Incident, TimelineEntry
from incidents.searching import search_text
from notifications.kicks import kick
from schedules.inserts import insert
from schedules.models import Team

Kind = TimelineEntry.Kind


@dataclass(frozen=True)
class Opening:
    """What is known of a problem when its incident opens."""

    team: Team
    title: str
    detail: str = ""
    severity: str = "high"
    urgency: str = "high"
    source_label: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    links: list[dict[str, str]] = field(default_factory=list)
    policy: EscalationPolicy | None = None
    is_test: bool = False
    note: str = ""
    # The person who raised it, and what keeps their form from raising it twice.
    by: Actor | None = None
    raised_key: str | None = None


def urgency_of(severity: str) -> str:
    """critical and high wake people, warning waits for them to look, info is only shown."""
    return {"critical": "high", "high": "high", "warning": "low"}.get(severity, "none")


def open_incident(opening: Opening, *, now: datetime) -> Incident:
    """Write a new incident with its clock set to now, and kick the engine.

    Everything commits with the caller's transaction, the kick too: no kick without its incident,
    and an incident whose kick is lost is found by the worker's sweep.
    """
    return open_incidents([opening], now=now)[0]


def open_incidents(openings: Sequence[Opening], *, now: datetime) -> list[Incident]:
    """The same for several at once, in their order, with one statement a table."""
    with transaction.atomic(savepoint=False):
        incidents = [_opened(opening, now) for opening in openings]
        insert(*incidents)
        insert(
            *(
                TimelineEntry(
                    incident=incident,
                    kind=Kind.OPENED,
                    text=_opened_in_words(opening),
                    actor=opening.by.user if opening.by else None,
                    via=opening.by.via if opening.by else "monitor",
                    at=now,
                )
                for incident, opening in zip(incidents, openings, strict=True)
            )
        )
        if paged := sum(incident.escalate_at is not None for incident in incidents):
            kick(RUN_DUE_STEPS, due=paged)
        announcements.opened(incidents, now=now)
    return incidents


def _opened(opening: Opening, now: datetime) -> Incident:
    return Incident(
        team=opening.team,
        title=opening.title,
        detail=opening.detail,
        severity=opening.severity,
        urgency=opening.urgency,
        source_label=opening.source_label,
        labels=opening.labels,
        links=opening.links,
        search_text=search_text(opening.title, opening.detail, opening.labels),
        policy=opening.policy,
        is_test=opening.is_test,
        raised_key=opening.raised_key,
        opened_at=now,
        escalate_at=None if opening.urgency == Incident.Urgency.NONE else now,
        revision=1,
    )


def _opened_in_words(opening: Opening) -> str:
    text = f"Opened by {opening.source_label}." if opening.source_label else "Opened."
    if opening.by:
        text = f"Raised by {opening.by.label}."
    return f"{text} {opening.note}".strip()[: timeline.LONGEST]
