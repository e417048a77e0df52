"""Calls a step's team channels. They are told like people, but nobody is reached by a room."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import IntegrityError, OperationalError, transaction

from incidents import planner, timeline
from incidents.facts import facts_of
from incidents.models import Incident, Page, TimelineEntry
from notifications import outbox, updates
from notifications.models import TeamChannel
from schedules.inserts import insert

log = logging.getLogger(__name__)
Kind = TimelineEntry.Kind


def call(
    incident: Incident,
    planned: planner.Planned,
    channels: Iterable[TeamChannel],
    facts: dict[str, Any],
    *,
    now: datetime,
) -> outbox.Written:
    """Write the pages to these channels, each in a savepoint, in the caller's transaction."""
    total = outbox.Written(0, None, None)
    for channel in channels:
        page = Page(
            incident=incident,
            episode=incident.episode,
            round=planned.round,
            step=planned.step,
            team_channel=channel,
            label=planned.label,
            created_at=now,
        )
        total = total.plus(_call_one(incident, page, channel, facts, now))
    return total


def _call_one(
    incident: Incident, page: Page, channel: TeamChannel, facts: dict[str, Any], now: datetime
) -> outbox.Written:
    try:
        with transaction.atomic():
            insert(page)
            return updates.page_channel(
                channel,
                thread=incident.thread,
                ref=page.ref,
                team_id=incident.team_id,
                rank=incident.rank,
                context=facts_of(incident) | facts,
                now=now,
            )
    except OperationalError:
        raise  # the whole transaction is lost; it is tried again as a whole
    except IntegrityError:
        text = f"{channel} was already told in this round."
        timeline.write(incident, Kind.NOT_PAGED, text, at=now, via="engine")
    except Exception:
        log.exception("telling channel %s of incident %s failed", channel.pk, incident.pk)
        text = f"Telling {channel} failed: see the server's log."
        timeline.write(incident, Kind.TROUBLE, text, at=now, via="engine")
    return outbox.Written(0, None, None)
