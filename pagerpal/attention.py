"""What the dashboard and the admin's first page ask somebody to look after: gaps to come."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

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

    @property
    def digest(self) -> Any:
        """Stands for what is shown."""
        shown = [(gap.rotation.pk, gap.starts_at, gap.ends_at, gap.why) for gap in self.gaps]
        return shown, self.more, sorted(self.may_cover), self.has_failed


def of(user: User, now: datetime) -> Attention:
    """Of the person's teams. Never raises: it must not take the page along."""
    try:
        found = gaps.coming(sight.teams_of(user), now)
        teams = {gap.rotation.team_id for gap in found}
        return Attention(found[:MOST], max(0, len(found) - MOST), sight.may_cover(user, teams))
    except Exception:
        log.exception("the gaps to come cannot be told")
        return Attention(has_failed=True)
