"""Whether an alert is what a silence or a rule means: labels, title, severity, hours of the week.

Whoever asks has to expect BadMatcher: what cannot be read decides nothing, and in doubt a page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

from schedules.shifts import Cadence, Window, next_handover, on_call

# As in Prometheus: equal, unequal, and the same by regular expressions that fit the whole value.
OPERATORS = ("=~", "!~", "!=", "=")
MOST_MATCHERS, LONGEST_PART = 20, 500
EVERY_DAY = "0123456"
# Memory for one compiled expression. RE2 needs time in proportion to the text, whatever the
# expression, and no text here is longer than a label may be: that is the limit in time.
MOST_MEMORY = 1 << 20


class BadMatcher(ValueError):
    """A condition that cannot be read; its text is one sentence that says why."""


@lru_cache(maxsize=512)
def expression(text: str) -> Any:
    """The compiled regular expression, in any case."""
    import re2  # 3 MB that only those need who have written an expression

    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = MOST_MEMORY
    try:
        return re2.compile(text, options)
    except (re2.error, UnicodeError) as error:
        why = error.args[0] if error.args else error
        why = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise BadMatcher(f"The expression {text!r:.100} cannot be read: {why}.") from None


def finds(pattern: str, text: str) -> bool:
    """Whether the expression is found anywhere in the text."""
    return expression(pattern).search(text) is not None


def labels_match(matchers: Any, labels: Mapping[str, str]) -> bool:
    """Whether all of them hold; a label that is missing is an empty one."""
    return all(_holds(matcher, labels) for matcher in checked(matchers))


def _holds(matcher: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    value, wanted = labels.get(matcher["label"], ""), matcher["value"]
    if matcher["is"] in {"=", "!="}:
        return (value == wanted) == (matcher["is"] == "=")
    fits = expression(wanted).fullmatch(value) is not None
    return fits == (matcher["is"] == "=~")


def checked(matchers: Any) -> list[dict[str, str]]:
    """The matchers as they are stored, or BadMatcher."""
    if not isinstance(matchers, list) or len(matchers) > MOST_MATCHERS:
        raise BadMatcher(f"Expected a list of at most {MOST_MATCHERS} conditions on labels.")
    for matcher in matchers:
        if not isinstance(matcher, dict) or set(matcher) != {"label", "is", "value"}:
            raise BadMatcher('A condition is like {"label": "job", "is": "=", "value": "backup"}.')
        if not all(isinstance(v, str) and len(v) <= LONGEST_PART for v in matcher.values()):
            raise BadMatcher(f"The parts of a condition are texts of up to {LONGEST_PART}.")
        if not matcher["label"] or matcher["is"] not in OPERATORS:
            raise BadMatcher(f"A condition names a label and one of {' '.join(OPERATORS)}.")
        if "~" in matcher["is"]:
            expression(matcher["value"])
    return matchers


_LINE = re.compile(r"\s*([^=!~]+?)\s*(=~|!~|!=|=)\s*(.*?)\s*")


def read_lines(text: str) -> list[dict[str, str]]:
    """Conditions as people type them, one a line: job=backup, host=~web-.*, env!=prod."""
    found = []
    for line in filter(str.strip, text.splitlines()):
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise BadMatcher(f"{line!r:.100} is no condition such as job=backup or host=~web-.*")
        label, how, value = parts.groups()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        found.append({"label": label, "is": how, "value": value})
    return checked(found)


def as_lines(matchers: Any) -> str:
    """What `read_lines` would read as these."""
    if not isinstance(matchers, list):
        return ""
    texts = (m for m in matchers if isinstance(m, dict))
    return "\n".join(f"{m.get('label')}{m.get('is')}{m.get('value')}" for m in texts)


def open_until(
    days: str, opens: time, closes: time, zone: str, at: datetime
) -> tuple[bool, datetime | None]:
    """Whether these hours of the week are running, and when that changes; None: never.

    They end on the next day if they end no later than they begin. Clocks are those of the zone.
    """
    if not days or set(days) - set(EVERY_DAY):
        raise BadMatcher("Days are digits from 0, Monday, to 6.")
    window = Window(frozenset(int(day) for day in days), opens, closes)
    cadence = Cadence(1, "weeks", date(2000, 1, 3), time(0), zone, (1,), (window,))
    return on_call(cadence, (), at) is not None, next_handover(cadence, (), at)
