"""Finds the source that a request comes from, by the key it carries."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connection
from django.http import HttpRequest

from alertsources.keys import hashed
from alertsources.models import AlertSource
from incidents.models import EscalationPolicy
from schedules.models import Team
from schedules.transactions import repeat_on_conflict

# Every alert asks this, so it is written out: to build it costs the ORM more than to handle the
# alert. Keys are compared by the index over their hashes, so the time tells nothing about a key.
SOURCE_OF_KEY = """
    SELECT source.*, team.name AS team_name, (
        SELECT policy.id FROM incidents_escalationpolicy policy
        WHERE policy.team_id = source.team_id AND policy.is_default
    ) AS default_policy_id
    FROM alertsources_alertsource source JOIN schedules_team team ON team.id = source.team_id
    WHERE source.key_hash = %s OR (source.old_key_hash = %s AND source.old_key_until > %s)
"""


@dataclass(frozen=True)
class Sender:
    """A source, and the policy of the incidents it opens."""

    source: AlertSource
    policy: EscalationPolicy | None


def keys_in(request: HttpRequest, key_in_path: str) -> list[str]:
    """Everything in the request that may be a key; monitors differ in where they can put one."""
    candidates = (candidate.strip() for candidate in _candidates(request, key_in_path))
    return [candidate for candidate in candidates if candidate]


def sender_of(keys: list[str], *, now: datetime) -> Sender | None:
    """The source that one of these keys opens, active or not."""
    for key in keys:
        if sender := repeat_on_conflict(partial(_sender_of, hashed(key), now)):
            return sender
    return None


def _sender_of(key_hash: str, now: datetime) -> Sender | None:
    until = connection.ops.adapt_datetimefield_value(now)
    found: Any = AlertSource.objects.raw(SOURCE_OF_KEY, [key_hash, key_hash, until])
    for source in found:
        # Only what is known of them; a field not read here is fetched when somebody asks for it.
        source.team = Team.from_db(
            connection.alias, ["id", "name"], [source.team_id, source.team_name]
        )
        pk = source.policy_id or source.default_policy_id
        policy = EscalationPolicy.from_db(connection.alias, ["id"], [pk]) if pk else None
        return Sender(source, policy)
    return None


def _candidates(request: HttpRequest, key_in_path: str) -> Iterator[str]:
    yield key_in_path
    yield request.headers.get("X-API-Key", "")
    yield request.headers.get("X-Alert-Source-Key", "")
    # Bearer, GenieKey, whatever a sender lets its users configure, or no scheme at all.
    scheme, _, credentials = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "basic":
        yield from _basic(credentials)
    else:
        yield credentials or scheme


def _basic(credentials: str) -> list[str]:
    """Password and user name: either may be the key."""
    try:
        text = base64.b64decode(credentials, validate=False).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return []
    user, _, password = text.partition(":")
    return [password, user]
