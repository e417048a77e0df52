"""What people answer from where they are, by text message or button, done through lifecycle.

Here too: one act on several incidents at once, for messages that tell of more than one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.dispatch import receiver
from django.utils.translation import gettext, gettext_noop, ngettext_lazy

from incidents import acts
from incidents.answers import still_answers
from incidents.lifecycle import Actor, Moved, Refused
from incidents.models import Incident, IncidentQuerySet, Page, TimelineEntry
from notifications.models import TAKEN, Notification
from notifications.replies import ACKNOWLEDGE, ESCALATE, RESOLVE, Reply
from notifications.signals import answer_received
from schedules.models import User
from schedules.transactions import repeat_on_conflict

State = Incident.State
Purpose = Notification.Purpose

PREFIX = "incident:"
LETTERS = {ACKNOWLEDGE: "a", RESOLVE: "r", ESCALATE: "e"}
DONE = {
    ACKNOWLEDGE: ngettext_lazy("%(numbers)s is yours.", "%(numbers)s are yours."),
    RESOLVE: ngettext_lazy("%(numbers)s is resolved.", "%(numbers)s are resolved."),
    ESCALATE: ngettext_lazy("%(numbers)s is being escalated.", "%(numbers)s are being escalated."),
}
# How long after its end an incident is still what a plain answer may be about.
REMEMBERED = timedelta(hours=24)
# A provider's clock and ours are not the same.
CLOCKS_DIFFER = timedelta(seconds=5)
MOST_LISTED = 6
MOST_TITLE = 30
NOTHING = gettext_noop("Nothing is open that you were paged for.")


def perform_all(
    act: str, incident_ids: Collection[int], *, by: Actor, now: datetime
) -> list[Moved]:
    """Do the same to exactly these, ascending, all in one transaction; of those that there are.

    One that refuses keeps no other from it: its sentence says why.
    """

    def attempt() -> list[Moved]:
        with transaction.atomic():
            _lock(by.user, incident_ids)
            found = Incident.objects.filter(pk__in=incident_ids).order_by("pk")
            return [_perform(act, incident, by, now) for incident in found]

    return repeat_on_conflict(attempt)


def _lock(user: User | None, incident_ids: Collection[int]) -> None:
    """The person first, as an acknowledgement does, and before any page all incidents in order."""
    if user is not None:
        list(User.objects.select_for_update(no_key=True).filter(pk=user.pk).values_list("pk"))
    locked = Incident.objects.select_for_update(no_key=True).filter(pk__in=incident_ids)
    list(locked.order_by("pk").values_list("pk"))


def _perform(act: str, incident: Incident, by: Actor, now: datetime) -> Moved:
    try:
        return acts.perform(act, incident.pk, by=by, now=now)
    except Refused as refused:
        return Moved(False, incident, refused.message)


@receiver(answer_received)
def answer(
    *,
    user: User,
    reply: Reply,
    threads: Sequence[str],
    via: str,
    said_at: datetime,
    now: datetime,
    **_: Any,
) -> str:
    """Do what this person wants, if they may, and say what happened.

    Without a number it is about the message that was answered, else about the one incident that it
    can be about; where there are more, nothing is done, and the answer asks which.
    """
    by = Actor.person(user, via)
    if reply.numbers:
        return _by_number(reply, by, now)
    told = _open_for(user, said_at)
    if reply.is_for_all:
        return _take_all([one for one in told if _waits(one, user)], by, now)
    if about := _about(threads, user):
        return in_words(reply.act, perform_all(reply.act, about, by=by, now=now))
    return _the_only_one(reply.act, told, by, now)


def _by_number(reply: Reply, by: Actor, now: datetime) -> str:
    assert by.user is not None  # noqa: S101  only people write
    allowed = _allowed(by.user, reply.numbers)
    said = [in_words(reply.act, perform_all(reply.act, allowed, by=by, now=now))] if allowed else []
    if foreign := sorted(set(reply.numbers) - set(allowed)):
        text = gettext("%(numbers)s: not an incident that you may answer.")
        said.append(text % {"numbers": _numbers(foreign)})
    return " ".join(said)


def _about(threads: Iterable[str], user: User) -> list[int]:
    """The incidents behind these threads that the person may answer."""
    ids = [one.removeprefix(PREFIX) for one in threads if one.startswith(PREFIX)]
    return _allowed(user, [int(pk) for pk in ids if pk.isdecimal()])


def _allowed(user: User, incident_ids: Collection[int]) -> list[int]:
    """Of these, those that the person may answer, as by the link in a message."""
    found = Incident.objects.visible_to(user).filter(pk__in=incident_ids).select_related("team")
    may = (one for one in found if acts.may_act(user, one) and still_answers(user, one))
    return sorted(one.pk for one in may)


def _take_all(waiting: Sequence[Incident], by: Actor, now: datetime) -> str:
    if not waiting:
        return gettext(NOTHING)
    moved = perform_all(ACKNOWLEDGE, [one.pk for one in waiting], by=by, now=now)
    return in_words(ACKNOWLEDGE, moved)


def _the_only_one(act: str, told: Sequence[Incident], by: Actor, now: datetime) -> str:
    assert by.user is not None  # noqa: S101  only people write
    waiting = [one for one in told if act != ACKNOWLEDGE or _waits(one, by.user)]
    if len(waiting) > 1:
        return _which(act, waiting)
    # Where nothing waits, whoever was faster is named.
    last = waiting or told[:1] or _ended_last(by.user, now)
    return in_words(act, perform_all(act, [one.pk for one in last], by=by, now=now)) or gettext(
        NOTHING
    )


def _waits(incident: Incident, user: User) -> bool:
    """Whether it waits for somebody to take it, or for its owner to say that it is still theirs."""
    asked = incident.asked_at is not None and incident.owner_id == user.pk
    return asked or incident.state == State.TRIGGERED


def _which(act: str, waiting: Sequence[Incident]) -> str:
    listed = "; ".join(_shown(one) for one in waiting[:MOST_LISTED])
    more = len(waiting) - MOST_LISTED
    if more > 0:
        listed = gettext("%(listed)s; and %(more)s more") % {"listed": listed, "more": more}
    text = gettext("Which one? %(listed)s. Reply %(example)s.")
    if act == ACKNOWLEDGE:
        text = gettext("Which one? %(listed)s. Reply %(example)s or all.")
    return text % {"listed": listed, "example": f"{waiting[0].pk}{LETTERS[act]}"}


def _shown(incident: Incident) -> str:
    if incident.team.is_discreet:
        return f"#{incident.pk}"
    title = incident.title
    return f"#{incident.pk} {title if len(title) <= MOST_TITLE else title[:MOST_TITLE].rstrip()}"


def _for(user: User) -> IncidentQuerySet:
    """What this person was paged for, or has."""
    paged = Page.objects.filter(incident=OuterRef("pk"), user=user)
    return Incident.objects.filter(Q(owner=user) | Exists(paged)).select_related("team")


def _open_for(user: User, said_at: datetime) -> list[Incident]:
    """What is open, and of which a message had reached this person when they wrote; newest first.

    Nobody means what they have not been told of.
    """
    found = list(_for(user).open().order_by("-pk"))
    told = Notification.objects.filter(
        user=user,
        thread__in=[one.thread for one in found],
        purpose__in=(Purpose.PAGE, Purpose.ASK_OWNER, Purpose.GROWTH),
        state__in=TAKEN,
        first_tried_at__lte=said_at + CLOCKS_DIFFER,
    )
    threads = set(told.values_list("thread", flat=True))
    theirs = (one for one in found if one.thread in threads or one.owner_id == user.pk)
    return [one for one in theirs if still_answers(user, one)]


def _ended_last(user: User, now: datetime) -> list[Incident]:
    ended = _for(user).filter(state=State.RESOLVED, resolved_at__gt=now - REMEMBERED)
    return list(ended.order_by("-resolved_at")[:1])


def in_words(act: str, moved: Sequence[Moved]) -> str:
    """What happened to each, short enough for a text message; empty for none."""
    if len(moved) == 1:
        return _with_number(moved[0])
    changed = sorted({one.incident.pk for one in moved if one.changed})
    others = [_with_number(one) for one in moved if not one.changed]
    said = [_done(act, changed)] if changed else []
    said += others[:MOST_LISTED]
    if len(others) > MOST_LISTED:
        text = gettext("And %(more)s more that nothing changed for.")
        said.append(text % {"more": len(others) - MOST_LISTED})
    return " ".join(said)


def _done(act: str, numbers: Sequence[int]) -> str:
    said = {"numbers": _numbers(numbers)}
    return (DONE[act] % len(numbers)) % said


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(f"#{number}" for number in numbers)


def _with_number(moved: Moved) -> str:
    named = moved.text.startswith("#")
    text = moved.text if named else f"#{moved.incident.pk}: {moved.text}"
    ended = named and not moved.changed and moved.incident.state == State.RESOLVED
    who = _resolved_by(moved.incident) if ended else ""
    return f"{text.removesuffix('.')} {who}." if who else text


def _resolved_by(incident: Incident) -> str:
    """`by bob`, as the history says."""
    entry = incident.timeline.filter(kind=TimelineEntry.Kind.RESOLVED).first()
    _, by, who = entry.text.partition("Resolved by ") if entry else ("", "", "")
    return gettext("by %(who)s") % {"who": who.removesuffix(".")} if by else ""
