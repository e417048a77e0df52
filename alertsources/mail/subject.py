"""Reads what a subject says: whether it is over, how bad it is, and which problem it is about.

"UP" and "OK" are words of every day, and a recovery that is none would hide a page. So the usual
words count only where monitors put a state: first, in square brackets, behind an arrow, after
"is" and its like, or last in capitals. Words that a source names itself count anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from alertsources.severities import MEANING

LONGEST = 500

RECOVERY_WORDS = (
    *("ok", "okay", "up", "resolved", "resolve", "recovery", "recovered", "recovers", "cleared"),
    *("clear", "normal", "closed", "restored", "fixed", "solved", "online", "healthy", "green"),
    *("success", "succeeded", "passed", "passing", "good"),
)
FIRING_WORDS = (
    *("problem", "critical", "crit", "down", "alarm", "alerting", "firing", "failed", "failure"),
    *("failing", "fail", "error", "err", "warning", "warn", "triggered", "re-triggered", "unknown"),
    *("unreachable", "disaster", "emergency", "fatal", "offline", "outage", "degraded", "red"),
    *("no data", "insufficient_data", "unhealthy", "high", "major", "minor", "average", "timeout"),
    *("updated problem", "flapping", "not ok"),
)
# Words of quality that are as often part of a problem's name: "High load", "cpu is high".
IN_NAMES = {"high", "major", "minor", "average", "timeout", "red", "green", "good", "clear"}
# They may say that nobody need be woken; those that say the opposite are looked for everywhere.
LOWER = {"warning", "warn", "minor", "degraded", "info", "information", "notice", "average"}
WORST = re.compile(r"\b(?:critical|disaster|emergency|fatal|p1|sev0|sev1)\b", re.IGNORECASE)

REPLY = re.compile(
    r"^\s*(?:(?:re|fwd?|aw|wg|antw|sv|vs|tr|rv|res|enc|i)(?:\[\d+\])?\s*:|\[(?:external|ext)\])\s*",
    re.IGNORECASE,
)
BRACKET = re.compile(r"\[([^\[\]]{0,80})\]")
ARROW = re.compile(r"([\w-]+)\s*(?:->|=>|\u2192)\s*([\w-]+)")
VERBS = re.compile(
    r"\b(?:is|are|has|have|been|now|back|became|status|state|to)\b[\s:=]+"
    r"(?:(?:now|back|been|again|to|in)\s+)*",
    re.IGNORECASE,
)
# What may stand behind a state that is not written in capitals: "is up: shop", never "is up 30%".
AFTER = re.compile(r"\s*(?:$|[:;,.!|*)\]\u2013-]|in\s+\d|after\s|again\b|on\s+\{)", re.IGNORECASE)
DECORATION = re.compile(r"[^\w\[]+")
# Uptime Kuma: "[shop] [(red) Down] timeout", "[shop] [(tick) Up] 200 - OK"; what follows differs.
KUMA = re.compile(r"(\[[^\]]+\]) \[[\U0001f534\u2705] ?(?:Down|Up)\]")

# What changes from mail to mail about the same problem.
CHANGING = re.compile(
    r"\b(?:firing|resolved):\d+"
    r"|\b\d{4}-\d\d-\d\d(?:[ t]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:z|[+-]\d\d:?\d\d)?)?"
    r"|\b\d{1,2}:\d\d(?::\d\d)?\b"
    r"|\b(?:in|for|after|since)(?:\s+\d+\s?(?:d|h|m|s|ms|min|mins|sec|secs|days?|hours?|minutes?"
    r"|seconds?)\b,?)+"
    r"|\b\d+(?:[.,]\d+)?\s*%",
    re.IGNORECASE,
)


def without_reply(subject: str) -> str:
    """Without "Re:", "Fwd:" and their kin in other languages."""
    subject = subject[:LONGEST].strip()
    while found := REPLY.match(subject):
        subject = subject[found.end() :]
    return subject


def is_over(subject: str, own_words: Iterable[str] = ()) -> bool:
    """Whether it tells of a recovery. Words of the source's own replace the usual ones.

    What says neither is a problem: doubt pages.
    """
    subject = without_reply(subject)
    own = tuple(own_words)
    if own:
        return bool(_anywhere(own).search(subject))
    first = next(_states(subject, (*RECOVERY_WORDS, *FIRING_WORDS)), "")
    return first in RECOVERY_WORDS


def severity_in(subject: str) -> str:
    """The word for how bad it is, as the severities know it; empty: it does not say."""
    if found := WORST.search(subject[:LONGEST]):
        return found[0].lower()
    words = tuple(word for word in MEANING if word in LOWER or MEANING[word] in {"high"})
    return next(_states(without_reply(subject), words), "")


def problem_of(subject: str, own_words: Iterable[str] = ()) -> str:
    """The subject without states, times, durations and per cents: the same problem, the same text.

    Empty when nothing is left.
    """
    subject = without_reply(subject)
    if named := KUMA.match(subject):
        subject = named[1]
    text = CHANGING.sub(" ", subject.casefold())
    states = [word for word in (*RECOVERY_WORDS, *FIRING_WORDS) if word not in IN_NAMES]
    text = _anywhere((*states, *own_words)).sub(" ", text)
    words = (word.strip(".:-/<>") for word in re.split(r"[^\w./:@#&+<>-]+", text))
    return " ".join(word for word in words if word)


def _states(subject: str, words: tuple[str, ...]) -> Iterator[str]:
    """Those of the words that stand where a state stands, the most telling place first."""
    known = _at_start(words)
    for change in reversed(list(ARROW.finditer(subject))):
        before, after = known.fullmatch(change[1]), known.fullmatch(change[2])
        if before and after:
            yield after[0].lower()
    yield from _leading(subject, known)
    for bracket in BRACKET.finditer(subject):
        if found := known.match(DECORATION.sub(" ", bracket[1]).strip()):
            yield found[0].lower()
    for verb in reversed(list(VERBS.finditer(subject))):
        found = known.match(subject, verb.end())
        if found and _is_state(found, subject):
            yield found[0].lower()
    yield from _trailing(subject, words)


def _leading(subject: str, known: re.Pattern[str]) -> Iterator[str]:
    """The first word, behind tags in brackets and whatever decorates."""
    at = 0
    while True:
        decoration = DECORATION.match(subject, at)
        at = decoration.end() if decoration else at
        bracket = BRACKET.match(subject, at)
        if bracket is None:
            break
        if found := known.match(DECORATION.sub(" ", bracket[1]).strip()):
            yield found[0].lower()
        at = bracket.end()
    found = known.match(subject, at)
    if found and _is_state(found, subject):
        yield found[0].lower()


def _trailing(subject: str, words: tuple[str, ...]) -> Iterator[str]:
    found = _at_end(words).search(subject)
    if found and (found[1].strip() or found[2].isupper()):
        yield found[2].lower()


def _is_state(found: re.Match[str], subject: str) -> bool:
    return found[0].isupper() or bool(AFTER.match(subject, found.end()))


def _alternatives(words: tuple[str, ...]) -> str:
    longest_first = sorted({word.strip() for word in words if word.strip()}, key=len, reverse=True)
    return "|".join(re.escape(word) for word in longest_first)


@lru_cache(maxsize=64)
def _at_start(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?:{_alternatives(words)})(?![\w])", re.IGNORECASE)


@lru_cache(maxsize=64)
def _at_end(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"([-:=|>\u2013]\s*|\s|^)({_alternatives(words)})\W{{0,20}}$", re.IGNORECASE)


@lru_cache(maxsize=64)
def _anywhere(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{_alternatives(words)})(?![\w-])", re.IGNORECASE)
