"""Finds the source that a request comes from, by the key it carries."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from django.db import DEFAULT_DB_ALIAS, connections
from django.http import HttpRequest

from alertsources.keys import hashed
from alertsources.models import AlertSource
from incidents.models import EscalationPolicy
from schedules.models import Team
from schedules.transactions import repeat_on_conflict

# Every alert asks this, so it is written out: to build it costs the ORM more than to handle the
# alert. Keys are compared by the index over their hashes, so the time tells nothing about a key.
SOURCE_OF_KEY = """
    SELECT source.id, source.team_id, source.name, source.kind, source.group_by,
        source.default_severity, source.is_active, source.test_person_id, source.signing_secret,
        source.topic_arn, source.limit_per_minute, source.flapping_times,
        source.group_labels, source.settings, source.wait_for, source.auto_resolve_after,
        source.flapping_within, source.flapping_quiet_for, team.name,
        source.test_awaited_until > %s,
        COALESCE(source.policy_id, (
            SELECT policy.id FROM incidents_escalationpolicy policy
            WHERE policy.team_id = source.team_id AND policy.is_default
        ))
    FROM alertsources_alertsource source JOIN schedules_team team ON team.id = source.team_id
    WHERE source.key_hash = %s OR (source.old_key_hash = %s AND source.old_key_until > %s)
"""

# In the order of the query; SQLite has neither JSON nor durations of its own.
PLAIN = [
    *("id", "team_id", "name", "kind", "group_by"),
    *("default_severity", "is_active", "test_person_id", "signing_secret"),
    *("topic_arn", "limit_per_minute", "flapping_times"),
]
JSON_FIELDS = ["group_labels", "settings"]
DURATIONS = ["wait_for", "auto_resolve_after", "flapping_within", "flapping_quiet_for"]


# Where a key may stand beside Authorization and the path.
KEY_HEADERS = ("X-API-Key", "X-Alert-Source-Key", "X-Routing-Key")
KEY_PARAMETERS = frozenset({"key", "api_key", "apikey", "token", "auth_token"})

IN_MODEL_ORDER = [field.attname for field in AlertSource._meta.concrete_fields]


@dataclass(frozen=True)
class Sender:
    """A source, and the policy of the incidents it opens."""

    source: AlertSource
    policy: EscalationPolicy | None
    # Whether somebody has said that the next message is a test.
    awaits_test: bool = False


def keys_in(request: HttpRequest, key_in_path: str) -> list[str]:
    """Everything in the request that may be a key; monitors differ in where they can put one."""
    candidates = (candidate.strip() for candidate in _candidates(request, key_in_path))
    return [candidate for candidate in candidates if candidate]


def parameters_of(request: HttpRequest) -> list[tuple[str, str]]:
    """The query without its keys: some monitors say in it what they have to say."""
    return [(name, v) for name, v in _query_of(request) if name.lower() not in KEY_PARAMETERS]


def sender_of(keys: list[str], *, now: datetime) -> Sender | None:
    """The source that one of these keys opens, active or not."""
    # Django would first ask the server whether it is still there, in a round trip of its own; this
    # question finds out by itself, and is asked again over a new connection.
    connections[DEFAULT_DB_ALIAS].health_check_done = True  # type: ignore[attr-defined]
    for key in keys:
        if sender := repeat_on_conflict(partial(_sender_of, hashed(key), now)):
            return sender
    return None


def held_before(keys: list[str]) -> int | None:
    """The id of the source that one of these keys opened until it was changed for a new one."""
    hashes = [hashed(key) for key in keys]
    rows = AlertSource.objects.filter(old_key_hash__in=hashes).order_by()
    return repeat_on_conflict(lambda: rows.values_list("pk", flat=True).first())


def _sender_of(key_hash: str, now: datetime) -> Sender | None:
    database = connections[DEFAULT_DB_ALIAS]
    until = database.ops.adapt_datetimefield_value(now)
    with database.cursor() as cursor:
        cursor.execute(SOURCE_OF_KEY, [until, key_hash, key_hash, until])
        found: Any = cursor.fetchone()
    if found is None:
        return None
    *values, team_name, awaits_test, policy_id = found
    values = dict(zip([*PLAIN, *JSON_FIELDS, *DURATIONS], values, strict=True))
    for name in JSON_FIELDS:
        values[name] = json.loads(values[name]) if isinstance(values[name], str) else values[name]
    for name in DURATIONS:
        if isinstance(values[name], int):
            values[name] = timedelta(microseconds=values[name])
    values["is_active"] = bool(values["is_active"])
    # Only what is known of them; a field not read here is fetched when somebody asks for it.
    names = [name for name in IN_MODEL_ORDER if name in values]
    source = AlertSource.from_db(database.alias, names, [values[name] for name in names])
    source.team = Team.from_db(database.alias, ["id", "name"], [source.team_id, team_name])
    pk = [policy_id]
    policy = EscalationPolicy.from_db(database.alias, ["id"], pk) if policy_id else None
    return Sender(source, policy, bool(awaits_test))


def _candidates(request: HttpRequest, key_in_path: str) -> Iterator[str]:
    yield key_in_path
    for header in KEY_HEADERS:
        yield request.headers.get(header, "")
    yield from (value for name, value in _query_of(request) if name.lower() in KEY_PARAMETERS)
    # Bearer, GenieKey, whatever a sender lets its users configure, or no scheme at all.
    scheme, _, credentials = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "basic":
        yield from _basic(credentials)
    else:
        yield credentials or scheme


def _query_of(request: HttpRequest) -> list[tuple[str, str]]:
    """Django's own reading refuses a query of many fields; a server's limit is enough."""
    return parse_qsl(request.META.get("QUERY_STRING", ""), keep_blank_values=True)


def _basic(credentials: str) -> list[str]:
    """Password and user name: either may be the key."""
    try:
        text = base64.b64decode(credentials, validate=False).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return []
    user, _, password = text.partition(":")
    return [password, user]
