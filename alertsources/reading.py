"""From the bytes of a request to the alerts in it; what cannot be understood becomes one too."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import Any

from alertsources import grouping
from alertsources.cleaning import CleanAlert, clean, one_line, paragraphs
from alertsources.decoding import decode
from alertsources.models import AlertSource
from alertsources.sources.base import FIRING, Remark, Unreadable, parser_of, registry

__all__ = ["Reading", "decode", "read", "unreadable"]

logger = logging.getLogger(__name__)

# Each alert may open an incident; a body of 1 MiB could name 60,000.
MOST_ALERTS = 1000

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Reading:
    """What a body says: its alerts, each key once, and what could not be read of it."""

    alerts: list[CleanAlert]
    troubles: list[str]
    kind: str
    remarks: list[str] = field(default_factory=list)


def read(
    body: bytes,
    source: AlertSource,
    *,
    kind: str,
    now: datetime,
    otherwise: str = "",
    headers: Mapping[str, str] = NO_HEADERS,
) -> Reading:
    """The alerts in a body, whatever its content type says. Never raises.

    A body that is not of this kind at all is read as the kind `otherwise`. If anything was
    unreadable, the alert that says so is among them. Of several alerts with one key the last
    counts.
    """
    reading, is_foreign = _read_as(kind, body, headers, source)
    if is_foreign and otherwise not in {"", kind}:
        other, _ = _read_as(otherwise, body, headers, source)
        reading = other if other.alerts else reading
    if reading.troubles:
        logger.info("Unreadable alert from source %s: %s", source.pk, reading.troubles[-1])
        alert = unreadable(source, body, why=reading.troubles, now=now)
        others = [one for one in reading.alerts if one.live_key != alert.live_key]
        return replace(reading, alerts=[*others, alert])
    return reading


def _read_as(
    kind: str, body: bytes, headers: Mapping[str, str], source: AlertSource
) -> tuple[Reading, bool]:
    """What this kind makes of a body, and whether it gave up before it found any alert in it."""
    alerts: dict[str, CleanAlert] = {}
    troubles: list[str] = []
    remarks: list[str] = []
    is_foreign = False
    try:
        for item in _items(kind, body, headers, source):
            if isinstance(item, Unreadable):
                troubles.append(item.why)
            elif isinstance(item, Remark):
                remarks.append(item.text)
            else:
                alert = clean(item, source)
                alerts[alert.live_key] = alert
    except Exception as error:  # no body may cost a page, whatever it breaks in here
        is_foreign = not alerts and not troubles and not remarks
        troubles.append(_in_words(error))
    return Reading(list(alerts.values()), troubles, kind, remarks), is_foreign


def _items(kind: str, body: bytes, headers: Mapping[str, str], source: AlertSource) -> Any:
    parse_body = parser_of(kind)
    found = parse_body(body, headers, source) if parse_body else registry[kind].parse(decode(body))
    yield from islice(found, MOST_ALERTS)
    if next(found, None) is not None:
        yield Unreadable(f"it names more than {MOST_ALERTS} alerts; the rest was not read")


def unreadable(source: AlertSource, body: bytes, *, why: list[str], now: datetime) -> CleanAlert:
    """The alert that says "something came that I could not read", one per source at a time.

    It starts anew with every such body, so that one that a human has answered pages again.
    """
    key = "pagerpal:unreadable"
    beginning = body[:2000].decode("utf-8", "replace")
    reasons = "\n".join(f"- {paragraphs(reason, 300)}" for reason in why[:10])
    return CleanAlert(
        key=key,
        live_key=grouping.digest(source.pk, key),
        group=key,
        group_digest=grouping.digest(source.pk, source.team_id, key),
        sender_group="",
        status=FIRING,
        title=one_line(f"Unreadable alert from {source.name}", 200),
        detail=f"What could not be read:\n{reasons}\n\nThe message begins:\n"
        f"{paragraphs(beginning, 2000)}",
        # It may have been anything, so it pages also where the default is not to.
        severity="high" if source.default_severity == "info" else source.default_severity,
        started_at=now,
        is_always_news=True,
    )


def _in_words(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
        return one_line(str(error), 300) or "it could not be read"
    return f"it has another shape than expected ({type(error).__name__})"
