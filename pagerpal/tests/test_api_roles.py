"""Every call of the API, and who gets past its door: a call without a line here fails.

The roles and the team's objects are those of the table of pages, in `test_routes`.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from notifications.models import Notification
from pagerpal.api import assembly, tokens
from pagerpal.models import ApiToken
from pagerpal.tests.test_api_fuzz import known, numbers_of
from pagerpal.tests.test_routes import (
    ADMIN,
    ADMINS,
    ANSWER,
    ANY_LEAD,
    LEAD,
    LEADS,
    OBSERVER,
    OTHER,
    PEOPLE,
    RESPONDER,
    ROLES,
    TEAM,
    World,
    world,
)

__all__ = ["world"]

pytestmark = pytest.mark.django_db
OWN = frozenset({RESPONDER})  # the contact method and the rule of the world are the responder's
# Admins are in no team and raise for all; the other lead raises for their own, not for this one.
CALLS: dict[str, tuple[frozenset[str], Any]] = {
    "GET teams": (PEOPLE, None),
    "POST teams": (ADMINS, {"name": "Mobile"}),
    "GET teams/{pk}": (TEAM, None),
    "PATCH teams/{pk}": (LEADS, {"is_discreet": True}),
    "GET teams/{pk}/changes": (LEADS, None),
    "POST teams/{pk}/members": (ADMINS, lambda world: {"user": world["people"][OTHER].pk}),
    "PATCH teams/{pk}/members/{user}": (LEADS, {"role": "lead"}),
    "POST teams/{pk}/members/{user}/leave": (LEADS, lambda world: _handed(world)),
    "GET teams/{pk}/token": (LEADS, None),
    "POST teams/{pk}/token": (LEADS, {}),
    "DELETE teams/{pk}/token": (LEADS, None),
    "GET users": (PEOPLE, None),
    "POST users": (ADMINS, {"name": "eve", "email": "eve@example.org"}),
    "GET users/{pk}": (TEAM, None),
    "PATCH users/{pk}": (ADMINS, {"name": "Bob"}),
    "POST users/{pk}/invite": (ADMINS, {}),
    "POST users/{pk}/second-step-off": (ADMINS, {}),
    "GET users/{pk}/tokens": (ADMINS, None),
    "DELETE users/{pk}/tokens/{token}": (ADMINS, None),
    "GET users/{user}/contact-methods": (ADMINS, None),
    "POST users/{user}/contact-methods": (ADMINS, {"channel": "ntfy", "address": "topic-2"}),
    "PATCH users/{user}/contact-methods/{pk}": (ADMINS, {"is_on": False}),
    "GET users/{user}/rules": (ADMINS, None),
    "POST users/{user}/rules": (ADMINS, lambda world: {"contact_method": world["method"].pk}),
    "PATCH users/{user}/rules/{pk}": (ADMINS, {"repeats": 2}),
    "DELETE users/{user}/rules/{pk}": (ADMINS, None),
    "POST users/{user}/test-page": (ADMINS, None),
    "GET rotations": (PEOPLE, None),
    "POST rotations": (LEADS, lambda world: _rotation(world)),
    "POST rotations/preview": (LEADS, lambda world: _rotation(world)),
    "GET rotations/{pk}": (TEAM, None),
    "PATCH rotations/{pk}": (LEADS, {"name": "second"}),
    "POST rotations/{pk}/preview": (LEADS, {"every": 2}),
    "GET overrides": (PEOPLE, None),
    "POST overrides": (ANSWER, lambda world: _cover(world)),
    "GET overrides/{pk}": (TEAM, None),
    "PATCH overrides/{pk}": (ANSWER, {"user": None}),
    "DELETE overrides/{pk}": (ANSWER, None),
    "GET on-call": (PEOPLE, None),
    "GET shifts": (PEOPLE, None),
    "GET calendar-feeds": (PEOPLE, None),
    "POST calendar-feeds": (
        ANSWER,
        lambda world: {"kind": "team", "id": world["schedules_team"].pk},
    ),
    "GET notifications": (PEOPLE, None),
    "GET notifications/{pk}": (LEADS | OWN, None),
    "POST notifications/{pk}/retry": (ADMINS, None),
    "GET me": (PEOPLE, None),
    "PATCH me": (PEOPLE, {"remind_hours": 12}),
    "GET me/contact-methods": (PEOPLE, None),
    "POST me/contact-methods": (PEOPLE, {"channel": "ntfy", "address": "topic-2"}),
    "PATCH me/contact-methods/{pk}": (OWN, {"wants_updates": False}),
    "DELETE me/contact-methods/{pk}": (OWN, None),
    "POST me/contact-methods/{pk}/send-code": (OWN, None),
    "POST me/contact-methods/{pk}/code": (OWN, {"code": "1"}),
    "POST me/contact-methods/{pk}/test": (OWN, None),
    "GET me/rules": (PEOPLE, None),
    "POST me/rules": (OWN, lambda world: {"contact_method": world["method"].pk}),
    "PATCH me/rules/{pk}": (OWN, {"repeats": 2}),
    "DELETE me/rules/{pk}": (OWN, None),
    "GET me/test-page": (PEOPLE, None),
    "POST me/test-page": (PEOPLE, None),
    "POST me/test-page/stop": (PEOPLE, None),
    "GET team-channels": (PEOPLE, None),
    "POST team-channels": (LEADS, lambda world: _channel(world)),
    "GET team-channels/{pk}": (TEAM, None),
    "PATCH team-channels/{pk}": (LEADS, {"name": "#dev"}),
    "POST team-channels/{pk}/test": (LEADS, None),
    "POST team-channels/{pk}/send-again": (LEADS, None),
    "GET incidents": (PEOPLE, None),
    "POST incidents": (ANSWER, lambda world: {"team": world["schedules_team"].pk, "title": "x"}),
    "POST incidents/acts": (PEOPLE, {"act": "resolve", "incidents": [1]}),  # what is theirs
    "GET incidents/{pk}": (TEAM, None),
    "GET incidents/{pk}/timeline": (TEAM, None),
    "GET incidents/{pk}/deliveries": (TEAM, None),
    "GET incidents/{pk}/alerts": (TEAM, None),
    "POST incidents/{pk}/silence": (ANSWER, {"hours": 1}),
    "POST incidents/{pk}/acknowledge": (ANSWER, {}),
    "POST incidents/{pk}/unacknowledge": (ANSWER, {}),
    "POST incidents/{pk}/resolve": (ANSWER, {"text": "done"}),
    "POST incidents/{pk}/reopen": (ANSWER, {}),
    "POST incidents/{pk}/escalate": (ANSWER, {}),
    "POST incidents/{pk}/snooze": (ANSWER, {"minutes": 60}),
    "POST incidents/{pk}/reassign": (ANSWER, lambda world: {"to": world["people"][LEAD].pk}),
    "POST incidents/{pk}/page": (ANSWER, lambda world: {"user": world["people"][LEAD].pk}),
    "POST incidents/{pk}/severity": (ANSWER, {"severity": "info"}),
    "POST incidents/{pk}/merge": (ANSWER, {"into": 999}),
    "POST incidents/{pk}/split": (ANSWER, {}),
    "POST incidents/{pk}/noise": (ANSWER, {}),
    "POST incidents/{pk}/notes": (ANSWER, {"text": "looking"}),
    "POST incidents/{pk}/deliveries/{message}/again": (ANSWER, None),
    "GET escalation-policies": (PEOPLE, None),
    "POST escalation-policies": (
        LEADS,
        lambda world: {"team": world["schedules_team"].pk, "name": "night"},
    ),
    "GET escalation-policies/{pk}": (TEAM, None),
    "PATCH escalation-policies/{pk}": (LEADS, {"repeats": 2}),
    "DELETE escalation-policies/{pk}": (LEADS, None),
    "GET escalation-policies/{pk}/prediction": (TEAM, None),
    "GET log": (PEOPLE, None),
    "GET log/figures": (PEOPLE, None),
    "GET log/csv": (PEOPLE, None),
    "GET alert-sources": (PEOPLE, None),
    "POST alert-sources": (
        LEADS,
        lambda world: {"team": world["schedules_team"].pk, "name": "prod"},
    ),
    "GET alert-sources/{pk}": (TEAM, None),
    "PATCH alert-sources/{pk}": (LEADS, {"name": "prod"}),
    "POST alert-sources/{pk}/key": (LEADS, {}),
    "POST alert-sources/{pk}/switch": (LEADS, {"is_on": False}),
    "POST alert-sources/{pk}/test": (LEADS, {}),
    "POST alert-sources/{pk}/await-test": (LEADS, {"is_on": True}),
    "POST alert-sources/{pk}/forget-topic": (LEADS, None),
    "GET alert-sources/{pk}/set-up": (TEAM, None),
    "GET alert-sources/{pk}/messages": (TEAM, None),
    "GET alert-sources/{pk}/messages/{message}": (TEAM, None),
    "POST alert-sources/{pk}/messages/{message}/reprocess": (LEADS, None),
    "GET alert-sources/{pk}/mapping": (LEADS, None),
    "PUT alert-sources/{pk}/mapping": (LEADS, {"title": "name"}),
    "POST alert-sources/{pk}/mapping/preview": (LEADS, {"mapping": {}}),
    "GET alert-sources/{pk}/rules": (TEAM, None),
    "PUT alert-sources/{pk}/rules": (LEADS, {"items": [{"then": "page", "title": "disk"}]}),
    "GET silences": (PEOPLE, None),
    "POST silences": (ANSWER, lambda world: _silence(world)),
    "GET silences/{pk}": (TEAM, None),
    "PATCH silences/{pk}": (LEADS, {"reason": "longer"}),
    "DELETE silences/{pk}": (ANSWER, None),
    "POST silences/{pk}/end": (ANSWER, None),
    "GET account/tokens": (PEOPLE, None),
    "POST account/tokens": (PEOPLE, {"name": "x"}),
    "DELETE account/tokens/{pk}": (OWN, None),
    "GET account/sign-ins": (PEOPLE, None),
    "POST account/sign-ins/end": (PEOPLE, {}),
    "GET setting-changes": (ANY_LEAD, None),
}


def _rotation(world: World) -> dict[str, Any]:
    people = [world["people"][RESPONDER].pk]
    team = world["schedules_team"].pk
    return {"team": team, "name": "x", "starts_on": "2026-11-02", "members": people}


def _handed(world: World) -> dict[str, Any]:
    return {"successors": {str(world["people"][RESPONDER].pk): world["people"][LEAD].pk}}


def _cover(world: World) -> dict[str, Any]:
    ends_at = (timezone.now() + timedelta(hours=4)).isoformat()
    return {"rotation": world["schedules_rotation"].pk, "user": None, "ends_at": ends_at}


def _channel(world: World) -> dict[str, Any]:
    team = world["schedules_team"].pk
    return {"team": team, "name": "#new", "channel": "ntfy", "address": "room-new"}


def _silence(world: World) -> dict[str, Any]:
    return {"reason": "deploy", "team": world["schedules_team"].pk, "minutes": 5}


def in_document() -> set[str]:
    return {
        f"{method.upper()} {path.removeprefix(assembly.ROOT)}"
        for path, calls in assembly.document()["paths"].items()
        for method in calls
    }


@pytest.mark.usefixtures("world")
def test_every_call_says_who_gets_past_its_door() -> None:
    assert in_document() == set(CALLS)


@pytest.fixture
def numbers(world: World) -> dict[str, int]:
    """Of what the calls are about: the team's own, the responder's own."""
    now, who = timezone.now(), world["people"][RESPONDER]
    token, _ = tokens.make(who, "theirs", scope="read", days=9, now=now)
    sent = Notification.objects.create(
        purpose="page", thread=world["incidents_incident"].thread, key="k", user=who,
        contact_method=world["method"], channel="ntfy", address="x", state="sent",
        team=world["schedules_team"], due_at=now, settled_at=now,
    )  # fmt: skip
    return {
        **numbers_of(world),
        "token": token.pk,
        "account/tokens": token.pk,
        "notifications": sent.pk,
    }


def sent(name: str, token: str | None, world: World, numbers: dict[str, int]) -> Any:
    method, path = name.split(" ")
    body = CALLS[name][1]
    body = body(world) if callable(body) else body
    parts = f"{assembly.ROOT}{path}"
    path = re.sub(r"\{(\w+)\}", lambda found: str(known(parts, found[1], numbers)), parts)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    text = "" if body is None else json.dumps(body)
    client = Client(raise_request_exception=True)
    before = transaction.savepoint()
    try:
        return client.generic(method, path, text, "application/json", headers=headers)
    finally:
        transaction.savepoint_rollback(before)


@pytest.mark.parametrize("role", ROLES)
def test_nobody_gets_past_a_door_that_is_not_theirs(
    role: str, world: World, numbers: dict[str, int], settings: Any
) -> None:
    settings.API_CALLS_PER_MINUTE = 10**9
    token = None
    if role in world["people"]:  # a team's token is a cookie, which opens nothing here
        who = world["people"][role]
        token = tokens.make(who, "own", scope="write", days=9, now=timezone.now())[1]
    wrong = []
    for name, (allowed, _) in CALLS.items():
        answer = sent(name, token, world, numbers)
        past = answer.status_code < 300 or answer.status_code == 409
        if past != (role in allowed):
            wrong.append(f"{name}: {answer.status_code} {answer.content.decode()[:150]}")

    assert not wrong, f"{role}: " + "\n".join(wrong)


@pytest.mark.parametrize("kind", ["reads", "expired", "of somebody who is off"])
def test_a_token_that_may_not_gets_no_call_done(
    kind: str, world: World, numbers: dict[str, int], settings: Any
) -> None:
    settings.API_CALLS_PER_MINUTE = 10**9
    who, now = world["people"][ADMIN], timezone.now()
    token = tokens.make(who, "own", scope="read", days=9, now=now)[1]
    if kind == "expired":
        ApiToken.objects.update(created_at=now - timedelta(9), expires_at=now - timedelta(1))
    elif kind != "reads":
        type(who).objects.filter(pk=who.pk).update(is_active=False)
    wrong = []
    for name in CALLS:
        if kind == "reads" and name.startswith("GET"):
            continue  # the admin's own line above
        answer = sent(name, token, world, numbers)
        if answer.status_code != (403 if kind == "reads" else 401):
            wrong.append(f"{name}: {answer.status_code}")

    assert not wrong


def test_an_observer_reads_with_their_token_what_is_the_teams(world: World) -> None:
    who = world["people"][OBSERVER]
    token = tokens.make(who, "own", scope="read", days=9, now=timezone.now())[1]
    other = world["people"][OTHER]
    theirs = tokens.make(other, "own", scope="read", days=9, now=timezone.now())[1]
    lists = sorted(name for name in CALLS if re.fullmatch(r"GET [a-z-]+", name))

    for name in lists:
        path = f"{assembly.ROOT}{name.removeprefix('GET ')}"
        seen, hidden = (
            Client().get(path, headers={"Authorization": f"Bearer {one}"}).content.decode()
            for one in (token, theirs)
        )
        # No list of another team's lead holds anything of this team.
        assert "Platform" not in hidden, name
        assert "Web" not in seen, name
