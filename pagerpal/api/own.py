"""What the wiring adds to the API: tokens, where one is signed in, and links for new people."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from pagerpal import password_links, second_factor, sign_ins, team_tokens
from pagerpal.api import tokens
from pagerpal.models import ApiToken, SignIn
from schedules import roles
from schedules.api.fields import (
    Body,
    Id,
    Line,
    Listing,
    Named,
    Nothing,
    Page,
    Said,
    named,
    one,
    page,
    person,
)
from schedules.api.people import person_of
from schedules.api.problems import HOLDS_SECRET, Problem
from schedules.api.teams import team_of
from schedules.models import SettingChange, Team, User

account = Router(tags=["account"])
users = Router(tags=["users"])
teams = Router(tags=["teams"])
changes = Router(tags=["setting changes"])


class TokenOut(Schema):
    id: int
    name: str
    masked: str
    scope: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class Tokens(Schema):
    items: list[TokenOut]


class TokenNew(Body):
    name: Line
    scope: Literal["read", "write"] = Field("read", description="Left out: read.")
    days: Annotated[int, Field(ge=1, le=tokens.LONGEST_DAYS)] = Field(
        tokens.DAYS, description=f"How long it lasts; left out: {tokens.DAYS}."
    )


class WithToken(TokenOut):
    """`token` is shown in this answer and never again."""

    token: str


class SignInOut(Schema):
    id: int
    browser: str
    address: str
    at: datetime
    seen_at: datetime


class SignIns(Schema):
    items: list[SignInOut]


class Ending(Body):
    id: Id | None = Field(None, description="Of one browser; left out: all of them.")


class Invitation(Body):
    mail: bool = Field(False, description="Also send it to their address.")


class Link(Schema):
    url: str
    is_mailed: bool


class TeamTokenOut(Schema):
    is_on: bool
    expires_at: datetime | None
    made_by: Named | None


class TeamTokenNew(Body):
    days: Literal[1, 7, 90, 365] = Field(90, description="How long it holds.")


class TeamLink(Schema):
    url: str


class SettingOut(Schema):
    id: int
    at: datetime
    by: str
    via: str
    team: Named | None
    what: str
    part: str
    act: str
    changes: dict[str, Any]


@account.get("/tokens", response=Tokens, summary="Your API tokens")
def list_tokens(request: HttpRequest) -> Any:
    return {"items": [_token(one) for one in tokens.of(person(request))]}


@account.post("/tokens", response={201: WithToken}, summary="Make an API token")
def make_token(request: HttpRequest, body: TokenNew, response: HttpResponse) -> Any:
    """One that is made with a token lasts no longer than that."""
    now = timezone.now()
    made_with: ApiToken | None = getattr(request, "api_token", None)
    days = body.days
    if made_with is not None:
        days = min(days, (made_with.expires_at - now).days)
        if days < 1:
            raise Problem(403, "This token ends within a day: make another one at /me/account.")
    token, text = tokens.make(person(request), body.name, scope=body.scope, days=days, now=now)
    response[HOLDS_SECRET] = "1"
    return {**_token(token), "token": text}


@account.delete("/tokens/{int:pk}", response={204: None}, summary="Revoke an API token")
def revoke_token(request: HttpRequest, pk: Id) -> Any:
    """It ends at once, also when it is the one this call is made with."""
    if not tokens.revoke(person(request), pk):
        raise Problem(404, f"There is no token {pk} of yours.")
    return None


@account.get("/sign-ins", response=SignIns, summary="Where you are signed in")
def list_sign_ins(request: HttpRequest) -> Any:
    return {"items": [_sign_in(one) for one in sign_ins.of(person(request))]}


@account.post("/sign-ins/end", response=Said, summary="Sign out there, or everywhere")
def end_sign_ins(request: HttpRequest, body: Ending) -> Any:
    user = person(request)
    if body.id is None:
        ended = sign_ins.end_all(user)
    else:
        rows = [one for one in sign_ins.of(user) if one.pk == body.id]
        if not rows:
            raise Problem(404, f"There is no browser {body.id} in which you are signed in.")
        ended = sign_ins.end(rows)
    return {"changed": bool(ended), "text": f"{ended} signed out."}


@users.post("/{int:pk}/invite", response={201: Link}, summary="Make a link for a new password")
def invite(request: HttpRequest, pk: Id, body: Invitation, response: HttpResponse) -> Any:
    """For admins: with the link this person chooses a password."""
    who = _of_admin(request, pk)
    if not who.is_active:
        raise tokens.Refused(f"{who} is switched off.")
    url = password_links.make(who, password_links.INVITATION)
    is_mailed = body.mail and password_links.can_mail()
    if is_mailed:
        password_links.mail(who, password_links.INVITATION)
    response[HOLDS_SECRET] = "1"
    return {"url": url, "is_mailed": is_mailed}


@users.post("/{int:pk}/second-step-off", response=Said, summary="End their second step")
def second_step_off(request: HttpRequest, pk: Id, body: Nothing) -> Any:
    """For admins, of others: whoever has lost the phone with their codes signs in without."""
    who = _of_admin(request, pk)
    if who == person(request):
        raise Problem(403, "Your own is switched off at /me/account, with a code.")
    changed = second_factor.switch_off(who)
    return {"changed": bool(changed), "text": f"{who} signs in without the second step now."}


@users.get("/{int:pk}/tokens", response=Tokens, summary="Somebody's API tokens")
def list_their_tokens(request: HttpRequest, pk: Id) -> Any:
    return {"items": [_token(one) for one in tokens.of(_of_admin(request, pk))]}


@users.delete("/{int:pk}/tokens/{int:token}", response={204: None}, summary="Revoke one of them")
def revoke_their_token(request: HttpRequest, pk: Id, token: Id) -> Any:
    who = _of_admin(request, pk)
    one(tokens.of(who), token, "token")
    tokens.revoke(who, token)
    return None


@teams.get("/{int:pk}/token", response=TeamTokenOut, summary="Whether the team has a token")
def show_team_token(request: HttpRequest, pk: Id) -> Any:
    found = team_tokens.of(_led(request, pk), now=timezone.now())
    return {
        "is_on": found is not None,
        "expires_at": found.expires_at if found else None,
        "made_by": named(found.made_by) if found else None,
    }


@teams.post("/{int:pk}/token", response={201: TeamLink}, summary="Make the team's token")
def make_team_token(
    request: HttpRequest, pk: Id, body: TeamTokenNew, response: HttpResponse
) -> Any:
    """The address to enter it by is shown in this answer only; the token until now ends."""
    team = _led(request, pk)
    response[HOLDS_SECRET] = "1"
    now = timezone.now()
    return {"url": team_tokens.make(team, person(request), days=body.days, now=now)}


@teams.delete("/{int:pk}/token", response={204: None}, summary="Switch the team's token off")
def end_team_token(request: HttpRequest, pk: Id) -> Any:
    team_tokens.end(_led(request, pk))
    return None


@changes.get("", response=Page[SettingOut], summary="Who changed which setting")
def list_changes(request: HttpRequest, asked: Query[Listing]) -> Any:
    """From what to what, newest first: admins all, leads those of their teams."""
    user = person(request)
    if not (user.is_superuser or user.is_a_lead):
        raise Problem(403, "Leads and admins read this.")
    found = roles.led(user, SettingChange.objects.select_related("actor", "team"))
    return page(found, asked, _setting, newest=True)


def _setting(row: SettingChange) -> dict[str, Any]:
    return {
        "id": row.pk,
        "at": row.at,
        "by": row.actor_label,
        "via": row.via,
        "team": named(row.team),
        "what": row.about_label,
        "part": row.row_label,
        "act": row.act,
        "changes": row.changes,
    }


def _led(request: HttpRequest, pk: int) -> Team:
    user = person(request)
    team = team_of(user, pk)
    if not roles.may_lead(user, team.pk):
        raise Problem(403, f"Leads of {team} and admins make its token.")
    return team


def _of_admin(request: HttpRequest, pk: int) -> User:
    who = person_of(request, pk)
    if not person(request).is_superuser:
        raise Problem(403, "Admins do this.")
    return who


def _token(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.pk,
        "name": token.name,
        "masked": token.masked,
        "scope": token.scope,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
    }


def _sign_in(row: SignIn) -> dict[str, Any]:
    return {
        "id": row.pk,
        "browser": row.browser,
        "address": row.address,
        "at": row.at,
        "seen_at": row.seen_at,
    }


ROUTERS = (
    ("/account", account),
    ("/users", users),
    ("/teams", teams),
    ("/setting-changes", changes),
)
REFUSALS = (tokens.Refused,)
