"""Guesses what a JSON message of a sender nobody knows wants to say, by the usual names."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from alertsources.sources.base import Link
from alertsources.sources.values import labels_of

# A message has more; what matters stands near its top.
MOST_VALUES, DEEPEST, MOST_ITEMS = 600, 7, 3

TITLES = (
    *("title", "eventtitle", "alerttitle", "incidenttitle", "problemtitle", "descriptiontitle"),
    *("summary", "subject", "headline", "eventname", "alertname", "alertrule", "rulename"),
    *("checkname", "monitorname", "policyname", "displaytitle", "message", "msg", "text"),
    *("content", "shortdescription", "problem", "alert"),
)
NAMES = ("name", "check", "monitor", "service", "host", "hostname", "job", "event", "type")
# Who acted, not what happened.
BYSTANDERS = frozenset(
    {"user", "actor", "sender", "author", "owner", "org", "organization", "team", "space"}
    | {"creator", "assignee", "responders", "installation", "account", "hook", "config", "headers"}
)
KEYS = (
    *("dedupkey", "dedupid", "deduplicationkey", "externalid", "alertuid", "incidentkey"),
    *("alertkey", "alias", "fingerprint", "alertid", "incidentid", "problemid", "issueid"),
    *("monitorid", "checkid", "triggerid", "ruleid", "testid", "id"),
)
STATES = (
    *("state", "status", "alertstate", "alertstatus", "currentstate", "newstate", "newstatus"),
    *("newstatevalue", "monitorcondition", "eventaction", "alerttransition", "transition"),
    *("notificationtype", "conclusion", "result", "action", "eventtype", "event", "type"),
)
SEVERITIES = ("severity", "priority", "level", "alertlevel", "importance", "urgency")
DETAILS = (
    *("description", "details", "detail", "longdescription", "body", "output", "message"),
    *("reason", "cause", "error", "info", "text", "summary", "content"),
)
TOLD_AS_LABELS = frozenset(
    {"host", "hostname", "instance", "service", "servicename", "environment", "env", "region"}
    | {"cluster", "namespace", "project", "application", "app", "job", "component", "check"}
)
LABELS = ("labels", "tags", "commonlabels", "dimensions")
OVER_AT = ("resolvedat", "recoveredat", "closedat", "endedat", "clearedat", "fixedat")
# Names that answer for themselves when their value is a boolean.
GOOD_IF_TRUE = ("resolved", "recovered", "isresolved", "isok", "isup", "up", "healthy", "reachable")
BAD_IF_TRUE = ("firing", "isfiring", "isdown", "down", "isactive", "alerting", "failing", "failed")

RESOLVED_WORDS = frozenset(
    {"resolved", "resolve", "ok", "okay", "recovered", "recovery", "recover", "up", "normal"}
    | {"closed", "close", "cleared", "clear", "good", "healthy", "inactive", "fixed", "ended"}
    | {"success", "succeeded", "successful", "passing", "passed", "deactivated", "online"}
)
ACKNOWLEDGED_WORDS = frozenset({"acknowledge", "acknowledged", "acknowledgement", "ack", "acked"})
FIRING_WORDS = frozenset(
    {"firing", "alert", "alerting", "alarm", "triggered", "trigger", "re-triggered", "problem"}
    | {"down", "open", "opened", "critical", "error", "failure", "failed", "warning", "warn"}
    | {"fired", "started", "new", "active", "create", "created", "unhealthy", "no data", "offline"}
)
STATE_WORDS = RESOLVED_WORDS | FIRING_WORDS | ACKNOWLEDGED_WORDS
# "[FIRING:2] disk", "RESOLVED: disk"
IN_BRACKETS = re.compile(r"\[\s*([^\]\[:]{2,20}?)\s*(?::\s*\d+)?\s*\]\s*(?=\S)")
WITH_COLON = re.compile(r"([A-Za-z-]{2,15}(?: data)?)\s*:\s+(?=\S)")
# "Shop: down", "Shop is UP"
AT_THE_END = re.compile(r"[\s:,-]+(?:is |has |was )?([A-Za-z]{2,15})[\s.!]*$")
# Never shown, neither in a title nor in a list of what is there.
SECRETIVE = re.compile(r"routingkey|servicekey|apikey|token|secret|password|signature|authori")
# What a sender's template left as it was.
UNEXPANDED = re.compile(r"\$[A-Z][A-Z_]+|\$\{[^}]*\}|\{\{?[^{}]*\}?\}|\*UNKNOWN\*")


@dataclass(frozen=True)
class Value:
    """One plain value of a message, with its name in small letters and where it stands."""

    name: str
    value: Any
    parents: tuple[str, ...]
    label: str

    @property
    def depth(self) -> int:
        return len(self.parents)

    @property
    def text(self) -> str:
        return plain_text(self.value)


@dataclass(frozen=True)
class Guess:
    """What a message seems to say; empty texts where it says nothing."""

    title: str = ""
    key: str = ""
    state: str = ""
    severity: str = ""
    detail: str = ""
    links: tuple[Link, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)


def guess(message: Any) -> Guess:
    """The best guess from the names and words of a message, whatever its shape."""
    if not isinstance(message, dict):
        text = plain_text(message)
        return Guess(title=_first_line(text), detail=text)
    values = list(_values(message))
    titled = _titled(values)
    title, said = split_state(_first_line(titled.text)) if titled else (_named(values), "")
    return Guess(
        title=title or _any_text(values),
        key=_key(values, titled),
        state=_state(values) or said,
        severity=_first(values, SEVERITIES),
        detail=_detail(values, titled) or _listed(values),
        links=tuple(_links(values)),
        labels=_labels(message, values),
    )


def plain_text(value: Any) -> str:
    """A plain value as text; nothing for what a template left unfilled."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        return ""
    text = str(value).strip()
    return "" if UNEXPANDED.fullmatch(text) else text


def split_state(title: str) -> tuple[str, str]:
    """A title without the state before it, which would make two of one problem, and that state."""
    for pattern in (IN_BRACKETS, WITH_COLON):
        found = pattern.match(title)
        if found and found[1].lower() in STATE_WORDS:
            return title[found.end() :].strip(), found[1].lower()
    return title, ""


def without_state(title: str) -> str:
    """A title without the state at its end, for those who tell the end of a problem only there."""
    head, tail = title[:-60], title[-60:]
    found = AT_THE_END.search(tail, 1)
    if found and found[1].lower() in STATE_WORDS:
        return head + tail[: found.start()]
    return title


def is_resolved(word: str) -> bool:
    return word.strip().lower() in RESOLVED_WORDS


def is_acknowledged(word: str) -> bool:
    return word.strip().lower() in ACKNOWLEDGED_WORDS


def _values(message: dict[str, Any]) -> Iterator[Value]:
    """The plain values, those near the top first."""
    waiting: deque[tuple[Any, tuple[str, ...], str]] = deque([(message, (), "")])
    seen = 0
    while waiting and seen < MOST_VALUES:
        value, path, label = waiting.popleft()
        seen += 1
        if isinstance(value, dict):
            if len(path) < DEEPEST:
                waiting += [
                    (inside, (*path, _small(name)), name)
                    for name, inside in list(value.items())[:MOST_VALUES]
                ]
        elif isinstance(value, list):
            waiting += [(inside, path, label) for inside in value[:MOST_ITEMS] if path]
        elif path and plain_text(value) and not SECRETIVE.search(path[-1]):
            yield Value(path[-1], value, path[:-1], label)


def _small(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name[:60].lower())


def _best(values: list[Value], names: tuple[str, ...], *, deepest: int = DEEPEST) -> Value | None:
    """By the order of names, of several with one name the one nearest to the top."""
    for name in names:
        for value in values:
            if value.name == name and value.depth <= deepest and not _is_aside(value):
                return value
    return None


def _first(values: list[Value], names: tuple[str, ...]) -> str:
    found = _best(values, names)
    return found.text if found else ""


def _is_aside(value: Value) -> bool:
    return not BYSTANDERS.isdisjoint(value.parents)


def _titled(values: list[Value]) -> Value | None:
    return _best([value for value in values if isinstance(value.value, str)], TITLES)


def _named(values: list[Value]) -> str:
    """Without a title: what it is about, and the reason or the state that is given for it."""
    texts = [value for value in values if isinstance(value.value, str)]
    names = [
        value.text for name in NAMES[:-2] if (value := _best(texts, (name,), deepest=2)) is not None
    ]
    about = " ".join(dict.fromkeys(names[:3])) or _first(texts, NAMES)
    reason = _first(texts, ("cause", "reason", "error", "output", "conclusion", "state", "status"))
    return f"{about}: {_first_line(reason)}" if about and reason else about or reason


def _any_text(values: list[Value]) -> str:
    return next((f"{value.label}: {_first_line(value.text)}" for value in values), "")


def _key(values: list[Value], titled: Value | None) -> str:
    """A name of the problem. A bare `id` counts only beside the title."""
    named = [value for value in values if value.name in KEYS and not isinstance(value.value, bool)]
    for name in KEYS if named else ():
        found = _best(named, (name,))
        if found is None:
            continue
        if name != "id" or found.parents == (titled.parents if titled else ()):
            return f"{name} {found.text}"
    return ""


def _state(values: list[Value]) -> str:
    for value in values:
        if value.depth > 3 or _is_aside(value):
            continue
        if isinstance(value.value, bool) and (word := _answer(value.name, value.value)):
            return word
        if value.name in OVER_AT and value.value:
            return "resolved"
    return _word_of_state(values)


def _answer(name: str, is_so: bool) -> str:
    if name in GOOD_IF_TRUE:
        return "resolved" if is_so else "firing"
    if name in BAD_IF_TRUE:
        return "firing" if is_so else "resolved"
    return ""


def _word_of_state(values: list[Value]) -> str:
    """The first state that is a known word; a severity such as "clear" says as much."""
    for name in (*STATES, *SEVERITIES):
        found = _best(values, (name,))
        if found and found.text.lower() in STATE_WORDS:
            return found.text.lower()
    return ""


def _detail(values: list[Value], titled: Value | None) -> str:
    others = [
        value
        for value in values
        if value is not titled and len(value.text) > 2 and not _is_url(value)
    ]
    return _first([value for value in others if isinstance(value.value, str)], DETAILS)


def _listed(values: list[Value]) -> str:
    return "\n".join(f"{value.label}: {_first_line(value.text)}" for value in values[:20])


def _links(values: list[Value]) -> Iterator[Link]:
    for value in values:
        if _is_url(value) and not _is_aside(value):
            yield Link(value.label.replace("_", " "), value.text)


def _is_url(value: Value) -> bool:
    return isinstance(value.value, str) and value.text.startswith(("http://", "https://"))


def _labels(message: dict[str, Any], values: list[Value]) -> dict[str, str]:
    told = {
        value.label: value.text
        for value in reversed(values)
        if value.name in TOLD_AS_LABELS and value.depth < 3 and not _is_aside(value)
    }
    for name, value in message.items():
        if _small(name) in LABELS and isinstance(value, dict | list):
            told |= {label: text for label, text in labels_of(value).items() if text}
    return told


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
