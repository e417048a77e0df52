"""Team channels, for programs: the rooms and webhooks that are told of a team's incidents."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema

from notifications import trials
from notifications.admin import send_missed_again
from notifications.models import TeamChannel
from schedules import roles
from schedules.api import set_up
from schedules.api.fields import (
    Body,
    Id,
    Line,
    Listing,
    Named,
    Page,
    Said,
    Words,
    named,
    one,
    page,
    person,
)
from schedules.api.problems import Problem
from schedules.api.teams import UNSET
from schedules.models import User

router = Router(tags=["team channels"])
WANTS = ("opened", "acknowledged", "escalated", "resolved", "handovers")


class ChannelOut(Schema):
    """The address is masked and a webhook's secret not shown: whoever set it up has them."""

    id: int
    team: Named
    name: str
    channel: str
    address: str
    is_on: bool
    off_reason: str
    wants_opened: bool
    wants_acknowledged: bool
    wants_escalated: bool
    wants_resolved: bool
    wants_handovers: bool
    has_template: bool


class ChannelChange(Body):
    name: Line = UNSET
    channel: Line = UNSET
    address: Line = UNSET
    is_on: bool = UNSET
    wants_opened: bool = UNSET
    wants_acknowledged: bool = UNSET
    wants_escalated: bool = UNSET
    wants_resolved: bool = UNSET
    wants_handovers: bool = UNSET
    secret: Line = UNSET
    template: Words = UNSET


class ChannelNew(ChannelChange):
    team: Id
    name: Line
    channel: Line
    address: Line


@router.get("", response=Page[ChannelOut], summary="List team channels")
def list_channels(request: HttpRequest, asked: Query[Listing], team: Id | None = None) -> Any:
    found = channels_shown(person(request))
    return page(found.filter(team=team) if team else found, asked, shown)


@router.post("", response={201: ChannelOut}, summary="Make a team channel")
def make_channel(request: HttpRequest, body: ChannelNew) -> Any:
    return shown(set_up.save(request, TeamChannel, None, body.given()).row)


@router.get("/{int:pk}", response=ChannelOut, summary="Show a team channel")
def show_channel(request: HttpRequest, pk: Id) -> Any:
    return shown(channel_of(request, pk))


@router.patch("/{int:pk}", response=ChannelOut, summary="Change a team channel, or switch it")
def change_channel(request: HttpRequest, pk: Id, body: ChannelChange) -> Any:
    channel_of(request, pk)
    return shown(set_up.save(request, TeamChannel, pk, body.given()).row)


@router.post("/{int:pk}/test", response=Said, summary="Send it a test message")
def try_channel(request: HttpRequest, pk: Id) -> Any:
    channel = _changeable(request, pk)
    written = trials.try_channel(channel, now=timezone.now())
    if not written.rows:
        return {"changed": False, "text": f"{channel} is switched off."}
    return {"changed": True, "text": f"A test is on its way to {channel}."}


@router.post("/{int:pk}/send-again", response=Said, summary="Send again what failed within a day")
def send_again(request: HttpRequest, pk: Id) -> Any:
    """Each message once, however often this is asked for."""
    channel = _changeable(request, pk)
    found = TeamChannel.objects.filter(pk=channel.pk)
    sent = send_missed_again(found, person(request), now=timezone.now())
    return {"changed": bool(sent), "text": f"{sent} will be sent again."}


def channels_shown(user: User) -> QuerySet[TeamChannel]:
    found = TeamChannel.objects.select_related("team")
    return roles.seen(user, found)


def channel_of(request: HttpRequest, pk: int) -> TeamChannel:
    return one(channels_shown(person(request)), pk, "team channel")


def _changeable(request: HttpRequest, pk: int) -> TeamChannel:
    channel = channel_of(request, pk)
    if not set_up.page_of(TeamChannel).has_change_permission(request, channel):
        raise Problem(403, f"Leads of {channel.team} and admins do this with its channels.")
    return channel


def shown(channel: TeamChannel) -> dict[str, Any]:
    return {
        "id": channel.pk,
        "team": named(channel.team),
        "name": channel.name,
        "channel": channel.channel,
        "address": channel.masked_address,
        "is_on": channel.is_on,
        "off_reason": channel.off_reason,
        **{f"wants_{event}": getattr(channel, f"wants_{event}") for event in WANTS},
        "has_template": bool(channel.template),
    }
