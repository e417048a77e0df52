"""Calendar feeds, for programs: the secret links that calendars read."""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from schedules import feeds, sight
from schedules.api.fields import Body, Id, person
from schedules.api.teams import team_of
from schedules.models import Rotation

router = Router(tags=["calendar feeds"])


class FeedOut(Schema):
    label: str
    kind: str
    id: int
    url: str | None = Field(description="Null until somebody made it. Who has it, reads it.")
    may_renew: bool


class Feeds(Schema):
    items: list[FeedOut]


class FeedNew(Body):
    kind: Literal["user", "team", "rotation"]
    id: Id | None = Field(None, description="Of the team or rotation; not needed for your own.")


@router.get("", response=Feeds, summary="List calendar feeds")
def list_feeds(request: HttpRequest, team: Id | None = None) -> Any:
    user = person(request)
    chosen = team_of(user, team) if team else None
    rotations = list(Rotation.objects.filter(team=chosen, is_active=True)) if chosen else []
    may = bool(chosen and sight.may_cover(user, [chosen.pk]))
    return {"items": [shown(link) for link in feeds.links(user, chosen, rotations, may=may)]}


@router.post("", response={201: FeedOut}, summary="Make a feed's link; the old one ends")
def make_feed(request: HttpRequest, body: FeedNew) -> Any:
    user = person(request)
    owner = feeds.owner_of(user, body.kind, str(body.id or ""))
    feeds.renew(owner)
    team = owner.get("team") or (owner["rotation"].team if "rotation" in owner else None)
    rotations = [owner["rotation"]] if "rotation" in owner else []
    pk = user.pk if body.kind == "user" else body.id
    found = feeds.links(user, team, rotations, may=True)
    return shown(next(link for link in found if (link.kind, link.pk) == (body.kind, pk)))


def shown(link: feeds.Link) -> dict[str, Any]:
    return {
        "label": link.label,
        "kind": link.kind,
        "id": link.pk,
        "url": link.url if link.path else None,
        "may_renew": link.may_renew,
    }
