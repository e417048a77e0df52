"""What somebody fills in beside a button: until when, to whom, how bad, into which."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from incidents import raising
from incidents.lifecycle import Promise, Refused, look_again, until
from incidents.timeline import LONGEST
from schedules.models import Team, User

# What the form says, by the names of its fields.
Wish = Mapping[str, str]

# In minutes, and in words.
LOOK_AGAIN = {"30": "30 min", "60": "1 h", "120": "2 h"}
SNOOZES = {"60": "1 h", "240": "4 h", "1440": "1 day"}
MORNING = "morning"
MORNING_AT = time(8)


def text_of(wish: Wish) -> str:
    """What they wrote; Refused when it is more than the timeline holds."""
    text = wish.get("text", "").replace("\r\n", "\n").replace("\0", "").strip()
    if len(text) > LONGEST:
        raise Refused(f"The note was not kept: it has {len(text)} letters, {LONGEST} is the most.")
    return text


def promise_of(wish: Wish, by: User | None, now: datetime) -> Promise | None:
    """When they want to be asked again; None when they chose nothing."""
    chosen = wish.get("again", "")
    if chosen == MORNING:
        return until(morning(by, now), now, is_snooze=False)
    if chosen in LOOK_AGAIN:
        return look_again(timedelta(minutes=int(chosen)), now)
    if chosen:
        raise Refused(f"Ask again after {', '.join(LOOK_AGAIN)} minutes, or in the morning.")
    return None


def end_of_snooze(wish: Wish, by: User | None, now: datetime) -> datetime:
    """By their own clock; Refused for what is no time."""
    chosen = wish.get("for", "")
    if chosen == MORNING:
        return morning(by, now)
    if chosen.isascii() and chosen.isdecimal() and len(chosen) < 6:
        return now + timedelta(minutes=int(chosen))
    typed = wish.get("until", "").strip()
    try:
        moment = datetime.fromisoformat(typed)
        return moment if moment.tzinfo else moment.replace(tzinfo=_zone(by))
    except ValueError:
        raise Refused(
            "Until when? Choose a time, or write it like 2026-11-24T08:00: nothing was changed."
        ) from None


def morning(by: User | None, now: datetime) -> datetime:
    """The next 08:00 by this person's clock."""
    local = now.astimezone(_zone(by))
    today = local.replace(hour=MORNING_AT.hour, minute=0, second=0, microsecond=0, fold=0)
    if today > local:
        return today
    return datetime.combine(local.date() + timedelta(days=1), MORNING_AT, local.tzinfo)


def _zone(by: User | None) -> ZoneInfo:
    return ZoneInfo(by.time_zone if by else "UTC")


def receiver_of(wish: Wish, by: User | None) -> User:
    """To whom it is given: whoever gives it, or somebody who can be paged."""
    pk = number(wish.get("to", ""))
    if by is not None and pk == by.pk:
        return by
    return _pageable(pk)


def called_of(wish: Wish) -> User | Team:
    """Whom to page: `user:7`, or `team:3`."""
    kind, _, text = wish.get("whom", "").partition(":")
    pk = number(text)
    if kind != "team":
        return _pageable(pk)
    team = Team.objects.filter(pk=pk, is_active=True).first()
    if team is None:
        raise Refused("Choose whom to page: nothing was changed.")
    return team


def _pageable(pk: int) -> User:
    for user in raising.people_to_page():
        if user.pk == pk:
            return user
    raise Refused("Choose somebody who can be paged: nothing was changed.")


def number(text: str) -> int:
    """`#412` or `412 Disk full` is 412; 0 for what is none."""
    digits = text.strip().removeprefix("#").partition(" ")[0]
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else 0
