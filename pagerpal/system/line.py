"""One line of the System page: what it is about, how it stands, and what would mend it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

OK, OFF, WARN, HELD, BAD = "ok", "off", "warn", "held", "bad"


@dataclass(frozen=True)
class Remedy:
    """What is wrong, in one sentence, and the lines for the file of the settings, or a command."""

    says: str
    env: tuple[str, ...] = ()
    command: str = ""


@dataclass(frozen=True)
class Line:
    """`mark`: ok; off, nobody needs it; warn; held by a setting; bad, a page would not go out."""

    slug: str
    label: str
    mark: str
    says: str
    remedies: tuple[Remedy, ...] = ()
    # What a provider said, which may name addresses: for admins.
    words: str = ""
    # The kind of which a test may be sent from here.
    test: str = ""
    link: str = ""
    link_says: str = ""

    @property
    def is_finding(self) -> bool:
        return self.mark not in {OK, OFF}


def clock(moment: datetime) -> str:
    """In the zone in force, to the minute, so that a page which shows it stays as it is."""
    local = timezone.localtime(moment)
    return f"{local:%H:%M}" if local.date() == timezone.localdate() else f"{local:%d %b %H:%M}"
