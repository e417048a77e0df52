"""Any JSON: what has no source of its own, told by its marks, mapped by its owner, or guessed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from alertsources import mapping
from alertsources.decoding import decode
from alertsources.mapping import FieldMap, Found, as_text
from alertsources.severities import MEANING
from alertsources.sources import anyjson_guesses as guesses
from alertsources.sources.anyjson_guesses import Guess
from alertsources.sources.anyjson_shapes import Shape, shape_of
from alertsources.sources.base import (
    FIRING,
    RESOLVED,
    Link,
    ParsedAlert,
    Unreadable,
    each,
    register,
    registry,
)
from alertsources.sources.values import links_of

if TYPE_CHECKING:
    from alertsources.models import AlertSource

# Messages of kinds that have a file of their own, told by what stands at their top.
MARKS = (
    (frozenset({"alerts", "groupKey", "orgId"}), "grafana"),
    (frozenset({"alerts", "groupKey"}), "alertmanager"),
    (frozenset({"ruleId", "evalMatches"}), "grafana-legacy"),
    (frozenset({"heartbeat", "monitor", "msg"}), "uptime-kuma"),
    (frozenset({"AlarmName", "NewStateValue"}), "cloudwatch"),
)
MOST_LABELS = 40

NO_MAP = FieldMap()
NO_FOUND = Found({}, {})


@dataclass(frozen=True)
class Reading:
    """One alert, and how each of its parts was come by."""

    alert: ParsedAlert
    shape: str = ""
    # Why expressions of the mapping were of no use, by field, and the fields where they were.
    troubles: Mapping[str, str] = field(default_factory=dict)
    mapped: frozenset[str] = frozenset()


class AnyJson:
    slug: ClassVar[str] = "any-json"
    label: ClassVar[str] = "Any JSON"
    reads_bytes: ClassVar[bool] = True
    setup: ClassVar[str] = """\
Let the sender POST its JSON, whatever it looks like, to

    {{ url }}

with the key in a header:

    X-API-Key: {{ key }}

What cannot set headers takes the key along in the address:

    {{ url }}?key={{ key }}

Many senders are known by their messages. For others say in "How its messages are read" which part
of a message means what; it shows at once what becomes of the last ten that came.
"""
    example: ClassVar[dict[str, Any]] = {
        "event": "disk.full",
        "status": "problem",
        "server": {"name": "db1.example.com", "url": "https://panel.example.com/db1"},
        "message": "Disk on db1.example.com is 97% full",
        "priority": "P2",
    }

    def parse(self, payload: Any) -> Iterator[ParsedAlert | Unreadable]:
        return read(payload, NO_MAP)

    def parse_body(
        self, body: bytes, headers: Mapping[str, str], source: AlertSource
    ) -> Iterator[ParsedAlert | Unreadable]:
        settings = source.settings if isinstance(source.settings, dict) else {}
        return read(decode(body), mapping.load(settings.get("mapping")))


def read(message: Any, fields: FieldMap) -> Iterator[ParsedAlert | Unreadable]:
    """The alerts in a message: one, or one for each object of a list."""
    if not fields.expressions and (kind := _own_kind(message)):
        yield from registry[kind].parse(message)
    elif isinstance(message, list) and any(isinstance(item, dict) for item in message):
        yield from each(message, lambda item: read_one(item, fields).alert)
    elif message is None or message in ("", [], {}):
        raise ValueError("there is nothing in it")
    else:
        yield read_one(message, fields).alert


def read_one(message: Any, fields: FieldMap) -> Reading:
    """Each part as the mapping says, else as is known of such messages, else the best guess."""
    guess = guesses.guess(message)
    shape = shape_of(message)
    known = shape.fields.find(message) if shape else NO_FOUND
    mapped = fields.find(message)
    title = mapped.text("title") or _title(known, guess, shape)
    status, is_note = _state(mapped, fields) or _known_state(known, shape) or _guessed_state(guess)
    detail = mapped.text("detail") or _lines(known.values.get("detail")) or guess.detail
    alert = ParsedAlert(
        key=_key(mapped, known, guess, shape, title),
        status=status,
        title=title,
        group=mapped.text("group"),
        detail=_with_troubles(detail, mapped),
        severity=_severity(mapped, known, guess, shape),
        labels=_labels(mapped.values.get("labels"))
        or _labels(known.values.get("labels"))
        or guess.labels,
        links=_links(mapped.values.get("links"))
        or _links(known.values.get("links"))
        or guess.links,
        is_test=shape is not None and shape.is_test(message),
        is_record_only=is_note,
    )
    used = frozenset(name for name in mapped.values if mapped.text(name))
    return Reading(alert, shape.name if shape else "", mapped.troubles, used)


def _own_kind(message: Any) -> str:
    if not isinstance(message, dict):
        return ""
    return next((kind for marks, kind in MARKS if marks <= message.keys() and kind in registry), "")


def _title(known: Found, guess: Guess, shape: Shape | None) -> str:
    title, _ = guesses.split_state(_said(known, "title"))
    return title or guess.title or (f"{shape.name} alert" if shape else "")


def _key(mapped: Found, known: Found, guess: Guess, shape: Shape | None, title: str) -> str:
    """Named by the kind of name, so that no two kinds of names meet.

    Without any the same title is the same problem.
    """
    if key := mapped.text("key"):
        return key
    if shape and (key := _said(known, "key")):
        return f"{shape.name} {key}"
    # The ids of a known sender that its shape does not name are those of single messages.
    return (not shape and guess.key) or f"title {guesses.without_state(title)}"


def _state(found: Found, fields: FieldMap) -> tuple[str, bool] | None:
    """Firing or resolved, and whether it is only recorded; None when nothing is said.

    Where words are given only they count. A word nobody knows counts as firing: doubt pages.
    """
    word = found.text("state").lower()
    if not word:
        return None
    if word in fields.ignored_words:
        return FIRING, True
    is_over = word in fields.resolved_words if fields.resolved_words else guesses.is_resolved(word)
    return (RESOLVED if is_over else FIRING), False


def _known_state(known: Found, shape: Shape | None) -> tuple[str, bool] | None:
    return _state(known, shape.fields) if shape else None


def _guessed_state(guess: Guess) -> tuple[str, bool]:
    status = RESOLVED if guesses.is_resolved(guess.state) else FIRING
    return status, guesses.is_acknowledged(guess.state)


def _severity(mapped: Found, known: Found, guess: Guess, shape: Shape | None) -> str:
    if word := mapped.text("severity"):
        return word
    word = _said(known, "severity")
    if shape and word:
        return shape.fields.severities.get(word.lower(), word)
    return guess.severity if guess.severity.lower() in MEANING else word


def _said(found: Found, name: str) -> str:
    """What was found in a known shape, unless its sender's template left it unfilled."""
    text = found.text(name)
    return "" if guesses.UNEXPANDED.fullmatch(text) else text.removeprefix("%%%").strip()


def _lines(value: Any) -> str:
    """A text, or an object as lines of name and value."""
    if isinstance(value, dict):
        told = ((name, as_text(inside)) for name, inside in value.items())
        return "\n".join(f"{name}: {text}" for name, text in told if text)
    return as_text(value).removeprefix("%%%").removesuffix("%%%").strip()


def _with_troubles(detail: str, mapped: Found) -> str:
    told = [
        f"(The expression for {name} found nothing here: {why}.)"
        for name, why in mapped.troubles.items()
    ]
    return "\n\n".join([detail, *told]) if told else detail


def _labels(value: Any) -> dict[str, str]:
    """Labels as an object, as pairs of name and value, or as a list of tags."""
    if isinstance(value, dict):
        told = {str(name): as_text(inside) for name, inside in list(value.items())[:MOST_LABELS]}
    elif isinstance(value, list):
        told = dict(_pair(item) for item in value[:MOST_LABELS])
    else:
        told = dict([_pair(as_text(value))])
    return {name: text for name, text in told.items() if name and text}


def _pair(item: Any) -> tuple[str, str]:
    if isinstance(item, dict):
        name = as_text(item.get("name") or item.get("key") or item.get("tag"))
        return name, as_text(item.get("value"))
    if isinstance(item, list) and len(item) == 2:
        return as_text(item[0]), as_text(item[1])
    text = as_text(item)
    name, _, rest = text.partition(":")
    return name.strip(), rest.strip() or name.strip()


def _links(value: Any) -> tuple[Link, ...]:
    if isinstance(value, list):
        value = [item for item in value[:20] if item is not None]
    elif not isinstance(value, str | dict):
        return ()
    return tuple(link for link in links_of(value) if link.url)


register(AnyJson())
