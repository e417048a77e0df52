"""Which part of any JSON message means what, as its source's owner says it in expressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from alertsources.expressions import (
    Expression,
    FoundNothing,
    WrongExpression,
    compiled,
    short_json,
)

# In the order of the form. What finds nothing is guessed.
FIELDS = {
    "title": "Title",
    "key": "Key",
    "group": "Group",
    "state": "State",
    "severity": "Severity",
    "detail": "Detail",
    "links": "Links",
    "labels": "Labels",
}
WORDS = {
    "resolved_words": "Resolved words",
    "ignored_words": "Ignored words",
}
HELP = {
    "key": "The same when it fires and when it is over, another for each problem.",
    "group": "What fires in one group makes one incident.",
    "resolved_words": "States that mean resolved, separated by commas. Empty: the usual ones such "
    "as ok, resolved, recovered, closed, up. If you name some, only they count.",
    "ignored_words": "States that open nothing and are only recorded, separated by commas.",
}
MOST_WORDS, LONGEST_WORD = 50, 60

_compiled = lru_cache(maxsize=512)(compiled)


@dataclass(frozen=True)
class FieldMap:
    """Expressions by field, and the words of the state in small letters."""

    expressions: Mapping[str, Expression] = field(default_factory=dict)
    resolved_words: frozenset[str] = frozenset()
    ignored_words: frozenset[str] = frozenset()
    # Other words for a severity, such as the numbers of one sender.
    severities: Mapping[str, str] = field(default_factory=dict)

    def find(self, message: Any) -> Found:
        """What the expressions find in a message; whatever fails is told, not raised."""
        values: dict[str, Any] = {}
        troubles: dict[str, str] = {}
        for name, expression in self.expressions.items():
            try:
                values[name] = expression.find(message)
            except FoundNothing as error:
                troubles[name] = str(error)
        return Found(values, troubles)


@dataclass(frozen=True)
class Found:
    """What each expression found, as decoded JSON, and why some failed."""

    values: Mapping[str, Any]
    troubles: Mapping[str, str]

    def text(self, name: str) -> str:
        return as_text(self.values.get(name))


def as_text(value: Any) -> str:
    """A value found by an expression as text; nothing for null and for what is too long."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, int | float | list | dict):
        return ""
    try:
        return short_json(value)
    except (ValueError, RecursionError):
        return ""


def load(stored: Any) -> FieldMap:
    """The mapping in a source's settings. What is wrong in it is left out: the rest still helps."""
    stored = stored if isinstance(stored, dict) else {}
    expressions = {}
    for name in FIELDS:
        text = stored.get(name)
        if isinstance(text, str) and text.strip():
            try:
                expressions[name] = _compiled(text)
            except WrongExpression:
                continue
    return FieldMap(
        expressions,
        resolved_words=_small(stored.get("resolved_words")),
        ignored_words=_small(stored.get("ignored_words")),
    )


def made_of(
    expressions: Mapping[str, str],
    *,
    resolved: str = "",
    ignored: str = "",
    severities: Mapping[str, str] | None = None,
) -> FieldMap:
    """A mapping that is written in code; raises WrongExpression."""
    return FieldMap(
        {name: compiled(text) for name, text in expressions.items()},
        resolved_words=frozenset(resolved.split()),
        ignored_words=frozenset(ignored.split()),
        severities=severities or {},
    )


def checked(texts: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """What to store of a filled-in form, and one sentence for each field that is wrong.

    Words are separated by commas or lines.
    """
    stored: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name in FIELDS:
        if text := texts.get(name, "").strip():
            try:
                stored[name] = compiled(text).text
            except WrongExpression as error:
                wrong[name] = str(error)
    for name in WORDS:
        words = split_words(texts.get(name, ""))
        if len(words) > MOST_WORDS or any(len(word) > LONGEST_WORD for word in words):
            wrong[name] = f"At most {MOST_WORDS} words of {LONGEST_WORD} characters."
        elif words:
            stored[name] = words
    return stored, wrong


def split_words(text: str) -> list[str]:
    words = (word.strip().lower() for word in text.replace("\n", ",").split(","))
    return [word for word in words if word]


def _small(words: Any) -> frozenset[str]:
    known: Iterable[Any] = words if isinstance(words, list) else ()
    return frozenset(word.strip().lower() for word in known if isinstance(word, str))
