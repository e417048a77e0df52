"""Shows what a mapping makes of messages that really came, before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from alertsources import mapping
from alertsources.cleaning import CleanAlert, clean
from alertsources.decoding import decode
from alertsources.models import AlertSource, ReceivedPayload
from alertsources.showing import readable_body
from alertsources.sources import anyjson
from alertsources.sources.base import ParsedAlert, Unreadable
from incidents.models import Severity

LAST = 10
MOST_ALERTS = 5


@dataclass(frozen=True)
class Row:
    """One part of an alert: what it would be, and where that comes from."""

    label: str
    text: str
    origin: str
    trouble: str = ""


@dataclass(frozen=True)
class Preview:
    """What one message would be: a table for each alert, or why there is none."""

    body: str
    tables: list[list[Row]]
    shape: str = ""
    trouble: str = ""
    more: int = 0


def last_payloads(source: AlertSource) -> list[ReceivedPayload]:
    """The newest messages, without their bodies."""
    return list(source.payloads.defer("body").order_by("-pk")[:LAST])


def preview(source: AlertSource, body: bytes, stored: Mapping[str, object]) -> Preview:
    """What this mapping makes of a body; nothing is stored, nobody is paged."""
    shown = readable_body(ReceivedPayload(body=body))
    fields = mapping.load(stored)
    try:
        message = decode(body)
        alerts = list(islice(anyjson.read(message, fields), 1000))
    except (ValueError, RecursionError) as error:
        return Preview(shown, [], trouble=f"This message opens “Unreadable alert”: {error}.")
    one = anyjson.read_one(message, fields) if len(alerts) == 1 else None
    tables = [_table(alert, source, fields, one) for alert in alerts[:MOST_ALERTS]]
    return Preview(
        shown, tables, shape=one.shape if one else "", more=max(0, len(alerts) - MOST_ALERTS)
    )


def _table(
    alert: ParsedAlert | Unreadable,
    source: AlertSource,
    fields: mapping.FieldMap,
    one: anyjson.Reading | None,
) -> list[Row]:
    if isinstance(alert, Unreadable):
        return [Row("Unreadable", alert.why, "")]
    cleaned = clean(alert, source)
    troubles = one.troubles if one else {}
    mapped = one.mapped if one else frozenset(fields.expressions)
    return [
        Row(name.capitalize(), text, "mapped" if name in mapped else "guessed", trouble)
        for name, text in _parts(cleaned, alert).items()
        if (trouble := troubles.get(name, "")) or text
    ]


def _parts(cleaned: CleanAlert, alert: ParsedAlert) -> dict[str, str]:
    return {
        "title": cleaned.title,
        "key": cleaned.key,
        "group": alert.group,
        "state": _state(alert),
        "severity": str(Severity(cleaned.severity).label),
        "detail": cleaned.detail[:2000],
        "links": "\n".join(f"{link['label']}: {link['url']}" for link in cleaned.links),
        "labels": "\n".join(f"{name}: {value}" for name, value in cleaned.labels.items()),
    }


def _state(alert: ParsedAlert) -> str:
    if alert.is_test:
        return f"{alert.status}, a test of the sender's own"
    return "only recorded" if alert.is_record_only else alert.status
