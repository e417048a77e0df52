"""All lines together, and the one answer on top of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import Error
from django.db.utils import OperationalError

from pagerpal import health
from pagerpal.health import Verdict
from pagerpal.system import ground, processes, ways
from pagerpal.system.line import BAD, HELD, Line


@dataclass(frozen=True)
class Report:
    """Would a page go out now: that of /health, with what it stands on."""

    verdict: Verdict
    lines: list[Line]

    @property
    def answer(self) -> str:
        if self.verdict.troubles:
            return "NO"
        return HELD if self.verdict.notes else "YES"

    @property
    def findings(self) -> list[Line]:
        return [line for line in self.lines if line.is_finding]

    @property
    def has_bad(self) -> bool:
        """Whether a page would not go out, would be held, or would not reach who is on call."""
        return self.answer != "YES" or any(line.mark == BAD for line in self.lines)


def report(now: datetime, *, try_it: bool = False) -> Report:
    """Look at everything. Never raises for a database that is away or empty: that is a finding."""
    found: list[Line] = []
    parts: list[Callable[[], list[Line]]] = [
        lambda: processes.lines(now),
        lambda: ways.lines(now, try_it=try_it),
        lambda: ground.lines(now, try_it=try_it),
    ]
    verdict = health.verdict(now)
    try:
        for part in parts:
            found += part()
    except (Error, OperationalError) as error:
        found = [ground.unusable(error), ground.https(), ground.secret_key()]
    return Report(verdict, found)
