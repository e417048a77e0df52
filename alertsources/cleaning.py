"""Makes what a monitor sent fit to be stored and shown: texts, labels, links."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from alertsources import grouping
from alertsources.models import AlertSource
from alertsources.severities import severity_of
from alertsources.sources.base import FIRING, Link, ParsedAlert
from alertsources.verdicts import PAGES, Verdict
from schedules.models import User

LONGEST_TITLE = 200
LONGEST_DETAIL = 20_000
MOST_LABELS, LONGEST_LABEL_NAME, LONGEST_LABEL = 64, 100, 500
MOST_LINKS, LONGEST_URL = 10, 2000

# PostgreSQL refuses NUL, and no database stores half a surrogate pair.
SURROGATES = re.compile("[\ud800-\udfff]")
CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]+")
CONTROLS_BUT_LINES = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f]+")
# They can make a text read backwards, or hide its end.
DIRECTION_MARKS = re.compile("[\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class CleanAlert:
    """One alert, ready to be stored; everything intake needs and nothing left to compute."""

    key: str
    live_key: str
    group: str
    group_digest: str
    sender_group: str
    status: str
    title: str
    detail: str = ""
    severity: str = "high"
    labels: dict[str, str] = field(default_factory=dict)
    links: list[dict[str, str]] = field(default_factory=list)
    started_at: datetime | None = None
    closes_group: bool = False
    note: str = ""
    # Its repeats share nothing but the key: each is news to whoever owns the incident.
    is_always_news: bool = False
    # When the sender saw this state.
    occurred_at: datetime | None = None
    # Ends it unless it is repeated, where its source has no time of its own for that.
    resolve_after: timedelta | None = None
    is_test: bool = False
    is_record_only: bool = False
    # Somebody tries the source out: it pages only them, or whom the policy says.
    pages_only: User | None = None
    runs_policy: bool = False
    # What silences, rules and settings say; by default it pages as its source says.
    verdict: Verdict = PAGES

    @property
    def is_firing(self) -> bool:
        return self.status == FIRING


def clean(alert: ParsedAlert, source: AlertSource) -> CleanAlert:
    """The alert as it will be stored, with the digests that its source's settings make of it."""
    group = grouping.group_of(alert, source.group_by, source.group_labels)
    return CleanAlert(
        key=grouping.stored_key(alert.key),
        live_key=grouping.digest(source.pk, alert.key),
        group=one_line(group, 500),
        group_digest=grouping.digest(source.pk, source.team_id, group),
        sender_group=grouping.digest(source.pk, "sender", alert.group) if alert.group else "",
        status=alert.status,
        title=one_line(alert.title, LONGEST_TITLE) or f"Alert from {source.name}",
        detail=paragraphs(alert.detail, LONGEST_DETAIL),
        severity=severity_of(alert.severity, source.default_severity),
        labels=clean_labels(alert.labels),
        links=clean_links(
            [*alert.links, Link("image", alert.image)] if alert.image else alert.links
        ),
        started_at=alert.started_at,
        closes_group=alert.closes_group and bool(alert.group),
        note=f"{_foreign_team(alert.team, source)} {_without_end(alert, source)}".strip(),
        occurred_at=alert.occurred_at,
        resolve_after=alert.resolve_after,
        is_test=alert.is_test,
        is_record_only=alert.is_record_only,
    )


def one_line(text: str, limit: int) -> str:
    """The text on one line without anything that cannot be seen, cut at the limit."""
    text = DIRECTION_MARKS.sub("", SURROGATES.sub("\ufffd", text[: 4 * limit]))
    return _cut(" ".join(CONTROLS.sub(" ", text).split()), limit)


def paragraphs(text: str, limit: int) -> str:
    """The text with its lines and tabs, cut at the limit."""
    text = SURROGATES.sub("\ufffd", text[: 4 * limit]).replace("\r\n", "\n").replace("\r", "\n")
    return _cut(CONTROLS_BUT_LINES.sub("", text).strip(), limit)


def clean_labels(labels: Mapping[str, str]) -> dict[str, str]:
    cleaned: dict[str, str] = {}
    for name, value in labels.items():
        if len(cleaned) == MOST_LABELS:
            break
        cleaned[one_line(name, LONGEST_LABEL_NAME)] = one_line(value, LONGEST_LABEL)
    return cleaned


def clean_links(links: Iterable[Link]) -> list[dict[str, str]]:
    """Only http and https can become something to tap on; each address once."""
    found: dict[str, str] = {}
    for link in links:
        url = link.url.strip()
        if len(found) < MOST_LINKS and _is_web_address(url):
            found.setdefault(url, one_line(link.label, 80) or "link")
    return [{"label": label, "url": url} for url, label in found.items()]


def _is_web_address(url: str) -> bool:
    if len(url) > LONGEST_URL or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _foreign_team(asked: str, source: AlertSource) -> str:
    asked = one_line(asked, 80)
    if not asked or asked == str(source.team_id) or asked.lower() == source.team.name.lower():
        return ""
    return (
        f"The sender asked for team {asked}, but this key belongs to {source.team}: "
        f"{source.team} is paged."
    )


def _without_end(alert: ParsedAlert, source: AlertSource) -> str:
    if not alert.resolve_after or source.auto_resolve_after or alert.status != FIRING:
        return ""
    days = alert.resolve_after.days
    return f"{source.name} never tells its end: it ends when it was not repeated for {days} days."


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
