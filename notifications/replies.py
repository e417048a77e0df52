"""What somebody wants who writes back to a message; pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

ACKNOWLEDGE, RESOLVE, ESCALATE = "acknowledge", "resolve", "escalate"
STOP, START, UNKNOWN = "stop", "start", "unknown"

WORDS = {
    **dict.fromkeys(("a", "ack", "acknowledge", "acknowledged", "mine"), ACKNOWLEDGE),
    **dict.fromkeys(("r", "resolve", "resolved", "close"), RESOLVE),
    **dict.fromkeys(("e", "esc", "escalate", "next"), ESCALATE),
}
EVERY = "all"
# What networks and providers take for "never write to me again", and for the opposite.
STOPS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "optout", "revoke"})
STARTS = frozenset({"start", "unstop"})
# Nobody types more into a telephone; what is longer was written by a program.
LONGEST = 80
MOST_NUMBERS = 10
MOST_DIGITS = 9
_TOKENS = re.compile(r"\d+|[^\W\d_]+")


@dataclass(frozen=True)
class Reply:
    """An act on the incidents of these numbers; without any, on what can only be meant.

    `is_for_all`: on everything that its writer was paged for.
    """

    act: str
    numbers: tuple[int, ...] = ()
    is_for_all: bool = False


def parse(text: str) -> Reply:
    """`12a`, `Ack #12`, `'a'`, `all`, `STOP`; UNKNOWN for whatever holds one word that is none.

    So nothing that PagerPal writes itself, and that comes back quoted, means anything.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().strip()
    tokens = _TOKENS.findall(plain) if len(plain) <= LONGEST else []
    words = {token for token in tokens if not token.isdecimal()}
    digits = [token for token in tokens if token.isdecimal()]
    if any(len(token) > MOST_DIGITS for token in digits) or len(digits) > MOST_NUMBERS:
        return Reply(UNKNOWN)
    numbers = tuple(sorted({int(token) for token in digits}))
    return _understood(words, numbers)


def _understood(words: set[str], numbers: tuple[int, ...]) -> Reply:
    if len(words) == 1 and not numbers:
        if words <= STOPS:
            return Reply(STOP)
        if words <= STARTS:
            return Reply(START)
    is_for_all = EVERY in words
    acts = {WORDS.get(word, UNKNOWN) for word in words - {EVERY}}
    if is_for_all:
        # Only taking them can be meant for what nobody named one by one.
        good = not numbers and acts <= {ACKNOWLEDGE}
        return Reply(ACKNOWLEDGE, is_for_all=True) if good else Reply(UNKNOWN)
    if len(acts) != 1 or UNKNOWN in acts:
        return Reply(UNKNOWN)
    return Reply(acts.pop(), numbers)
