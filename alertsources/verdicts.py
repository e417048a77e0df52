"""What silences, rules and settings say about an alert, before it meets any row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from incidents.models import EscalationPolicy
from schedules.models import Team, User


@dataclass(frozen=True)
class Verdict:
    """What is to become of an alert that fires; by default it pages as its source says."""

    # Whom it pages, where a rule says so; None: the source's team, and its policy.
    team: Team | None = None
    policy: EscalationPolicy | None = None
    # Why it must not open or join an incident now, in words; empty: nothing forbids it.
    muted: str = ""
    recorded: str = ""
    is_dropped: bool = False
    # The silence that mutes it, and when what it says changes.
    silence_id: int | None = None
    until: datetime | None = None
    # How long it has to fire before it pages; when it is over without a word from its sender.
    wait_for: timedelta | None = None
    auto_resolve_after: timedelta | None = None
    # Whom a test pages; None: it is only recorded.
    test_person: User | None = None
    # Severity and group before any rule, with which it is judged anew.
    said_severity: str = ""
    said_group: str = ""
    note: str = ""

    @property
    def only_counts(self) -> bool:
        """Whether even a repeat that got worse is no news."""
        return bool(self.muted or self.recorded or self.is_dropped)


PAGES = Verdict()
