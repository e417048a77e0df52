"""The lines about ways to people: whether sending is on, each provider, who is not reached."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parseaddr

from django.conf import settings

from notifications import working
from notifications.channels import base
from notifications.channels.base import Channel, Deadline, SendError
from notifications.channels.email import sign_in_only
from notifications.models import ContactMethod, ProviderState
from pagerpal.system.line import BAD, HELD, OFF, OK, WARN, Line, Remedy, clock
from schedules import oncall
from schedules.models import Rotation, User

TRY_FOR = 8.0
# An error without a message taken since then is still news for so long.
ERROR_IS_NEWS_FOR = timedelta(days=1)


def lines(now: datetime, *, try_it: bool) -> list[Line]:
    used = set(
        ContactMethod.objects.filter(is_on=True, user__is_active=True)
        .order_by()
        .values_list("channel", flat=True)
    )
    states = {one.provider: one for one in ProviderState.objects.all()}
    kinds = [kind for kind, _ in base.person_channel_choices()]
    found = [sending()]
    for kind in kinds:
        for channel in base.all_of(kind):
            is_only = len(base.providers_of(kind)) == 0
            found.append(provider(channel, states.get(channel.slug), kind in used, is_only, now))
    if try_it and settings.SMTP_HOST:
        found = [mail_tried(one) if one.slug == "provider-email" else one for one in found]
    return [*found, people(now)]


def sending() -> Line:
    if settings.NOTIFICATION_SENDING_ENABLED:
        return Line("sending", "Sending", OK, "On.")
    remedy = Remedy(
        "Safe mode: messages are held and shown, not sent.", ("NOTIFICATION_SENDING_ENABLED=true",)
    )
    return Line("sending", "Sending", HELD, "Off: messages are held and shown.", (remedy,))


def provider(
    channel: Channel, state: ProviderState | None, is_used: bool, is_only: bool, now: datetime
) -> Line:
    slug, label = f"provider-{channel.slug}", channel.label[:1].upper() + channel.label[1:]
    if channel.slug != channel.kind:
        label += f" ({channel.slug.partition('_')[2]})"
    if missing := channel.needs():
        says = f"Not set up: {base.remedy(missing)}."
        if not (is_used and is_only):
            return Line(slug, label, OFF, says)
        env = tuple(f"{name}=..." for name in missing if name.isupper())
        why = Remedy(f"People have addresses for {channel.label}, which nothing carries.", env)
        return Line(slug, label, BAD, says, (why,))
    taken = state.last_taken_at if state else None
    says = f"Last taken at {clock(taken)}." if taken else "Set up; nothing was sent yet."
    if state is None or not state.last_error_at:
        return Line(slug, label, OK, says, test=channel.kind)
    words = f"At {clock(state.last_error_at)}: {state.last_error}"
    if state.is_open:
        why = Remedy(f"{label} does not answer and is only probed, each 30 s.")
        return Line(slug, label, BAD, says, (why,), words=words, test=channel.kind)
    is_news = state.last_error_at > now - ERROR_IS_NEWS_FOR
    if is_news and (taken is None or state.last_error_at > taken):
        why = Remedy(f"{label} refused the last message; send a test when it is mended.")
        return Line(slug, label, WARN, says, (why,), words=words, test=channel.kind)
    return Line(slug, label, OK, says, words=words if is_news else "", test=channel.kind)


def mail_tried(line: Line) -> Line:
    """The same line after the mail server was really asked."""
    try:
        sign_in_only(Deadline(TRY_FOR))
    except SendError as error:
        wrong = Remedy(
            f"The mail server refuses: {error.text}",
            ("SMTP_USER=...", "SMTP_PASSWORD=...") if settings.SMTP_USER else ("SMTP_HOST=...",),
        )
        return Line(line.slug, line.label, BAD, "Tried just now, and refused.", (wrong,))
    sender = parseaddr(settings.SMTP_FROM)[1]
    return Line(line.slug, line.label, OK, f"Tried just now: {sender} may send.", test=line.test)


def people(now: datetime) -> Line:
    rotations = Rotation.objects.filter(is_active=True, team__is_active=True)
    on_call = oncall.on_call_ids(list(rotations.values_list("pk", flat=True)), now)
    ids = {pk for pk in on_call.values() if pk is not None}
    why = working.without_way(ids)
    if not why:
        says = (
            f"Everybody who is on call now can be reached: {len(ids)}."
            if ids
            else ("Nobody is on call now.")
        )
        return Line("people", "People", OK if ids else WARN, says)
    names = {one.pk: str(one) for one in User.objects.filter(pk__in=why)}
    remedies = tuple(
        Remedy(f"{names[pk]} is on call and {reason}.") for pk, reason in sorted(why.items())
    )
    says = f"Nothing would reach {', '.join(sorted(names.values()))}."
    return Line("people", "People", BAD, says, remedies)
