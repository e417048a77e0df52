"""What the dashboard and the admin's first page ask somebody to look after.

Gaps to come, and alert sources of which nothing comes any more.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from alertsources.models import AlertSource
from alertsources.silent import SilentSource, silent_sources
from incidents import gaps
from incidents.gaps import Gap
from schedules import sight
from schedules.models import User

log = logging.getLogger(__name__)

# The calendar has the rest.
MOST = 8


@dataclass(frozen=True)
class Attention:
    """The nearest gaps and how many more there are; in which teams this person may close them."""

    gaps: list[Gap] = field(default_factory=list)
    more: int = 0
    may_cover: set[int] = field(default_factory=set)
    has_failed: bool = False
    # The longest silent first, up to MOST, and how many more.
    silent: list[SilentSource] = field(default_factory=list)
    more_silent: int = 0

    @property
    def digest(self) -> Any:
        """Stands for what is shown."""
        shown = [(gap.rotation.pk, gap.starts_at, gap.ends_at, gap.why) for gap in self.gaps]
        silent = [(one.thread, one.words) for one in self.silent]
        return shown, self.more, sorted(self.may_cover), self.has_failed, silent, self.more_silent


def of(user: User, now: datetime) -> Attention:
    """Of the person's teams. Never raises: it must not take the page along."""
    silent = _silent(user, now)
    quiet: dict[str, Any] = {"silent": silent[:MOST], "more_silent": max(0, len(silent) - MOST)}
    try:
        found = gaps.coming(sight.teams_of(user), now)
        teams = {gap.rotation.team_id for gap in found}
        may_cover = sight.may_cover(user, teams)
        return Attention(found[:MOST], max(0, len(found) - MOST), may_cover, **quiet)
    except Exception:
        log.exception("the gaps to come cannot be told")
        return Attention(has_failed=True, **quiet)


def _silent(user: User, now: datetime) -> list[SilentSource]:
    try:
        return silent_sources(now, AlertSource.objects.filter(team__in=sight.teams_of(user)))
    except Exception:
        log.exception("which sources are silent cannot be told")
        return []
