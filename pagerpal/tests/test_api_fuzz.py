"""Made-up calls to the whole API, from its own document: whatever comes, none is answered 5xx.

A short form by default; `make fuzz` sends many more, other ones with another FUZZ_SEED.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, seed, settings

from pagerpal.api import assembly, tokens
from pagerpal.tests.test_routes import World, world
from schedules.models import User

__all__ = ["world"]

schemathesis = pytest.importorskip("schemathesis")
EXAMPLES = int(os.environ.get("FUZZ_CALLS", "3"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
# What would end the token that the calls are made with, or switch its person off.
ITSELF = {"DELETE /api/v1/account/tokens/{pk}"}


def operations() -> list[str]:
    return [
        f"{method.upper()} {path}"
        for path, calls in assembly.document()["paths"].items()
        for method in calls
        if f"{method.upper()} {path}" not in ITSELF
    ]


@pytest.fixture
def token(world: World) -> str:
    admin: User = world["people"]["admin"]
    return tokens.make(admin, "fuzz", scope="write", days=9, now=timezone.now())[1]


@pytest.fixture(autouse=True)
def endless(settings: Any) -> None:
    settings.API_CALLS_PER_MINUTE = 10**9


@pytest.mark.django_db
@pytest.mark.parametrize("part", range(4))
def test_no_made_up_call_is_answered_5xx(part: int, token: str, world: World) -> None:
    schema = schemathesis.openapi.from_dict(assembly.document())
    client = Client(raise_request_exception=True)
    numbers = numbers_of(world)
    wrong: dict[str, str] = {}
    seen: Counter[int] = Counter()
    for name in operations()[part::4]:
        method, path = name.split(" ")
        calls = run(partial(send, client, token, method, numbers), schema[path][method])
        for status, trouble in calls:
            seen[status] += 1
            if trouble:
                wrong[name] = trouble

    assert not wrong
    assert sum(seen.values()) >= EXAMPLES * len(operations()[part::4]) / 2
    # Not all of it fell at the first hurdle.
    assert seen[200] + seen[201] + seen[204] > sum(seen.values()) / 20


def answered(response: Any) -> tuple[int, str]:
    """The status, and what is wrong with it."""
    if response.status_code >= 500:
        return response.status_code, response.content.decode()
    is_problem = response.headers["Content-Type"] == "application/problem+json"
    told = "" if is_problem or response.status_code < 400 else "no problem answer"
    return response.status_code, told


def run(call: Any, operation: Any) -> list[tuple[int, str]]:
    """Each in a savepoint that is rolled back, so that none decides the next."""
    found = []

    def one(case: Any) -> None:
        before = transaction.savepoint()
        try:
            found.append(answered(call(case)))
        finally:
            transaction.savepoint_rollback(before)

    for_all = settings(
        max_examples=EXAMPLES,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    seed(SEED)(for_all(given(case=operation.as_strategy())(one)))()
    return found


def send(client: Client, token: str, method: str, numbers: dict[str, int], case: Any) -> Any:
    """As it was made, but that numbers in the address are mostly of what there is."""
    path = case.path
    for place, (name, value) in enumerate((case.path_parameters or {}).items()):
        chosen = known(case.path, name, numbers) if (place + len(str(value))) % 3 else value
        path = path.replace(f"{{{name}}}", str(chosen))
    body = "" if type(case.body).__name__ == "NotSet" else json.dumps(case.body, default=str)
    headers = {"Authorization": f"Bearer {token}"}
    query = {name: value for name, value in (case.query or {}).items() if value is not None}
    return client.generic(
        method,
        path,
        body,
        content_type="application/json",
        headers=headers,
        query_params=query,
    )


def known(path: str, name: str, numbers: dict[str, int]) -> int:
    if name == "user":
        return numbers["users"]
    if name in {"message", "token"}:
        return numbers[name]
    part = path.split("/")[3:]
    if part[2:3] in (["contact-methods"], ["rules"]) and part[0] == "users":
        return numbers[f"me/{part[2]}"]
    return numbers.get("/".join(part[:2]), numbers.get(part[0], 1))


def numbers_of(world: World) -> dict[str, int]:
    return {
        "users": world["people"]["responder"].pk,
        "teams": world["schedules_team"].pk,
        "rotations": world["schedules_rotation"].pk,
        "overrides": world["schedules_override"].pk,
        "incidents": world["incidents_incident"].pk,
        "escalation-policies": world["incidents_escalationpolicy"].pk,
        "team-channels": world["notifications_teamchannel"].pk,
        "alert-sources": world["alertsources_alertsource"].pk,
        "silences": world["alertsources_silence"].pk,
        "message": world["alertsources_receivedpayload"].pk,
        "me/contact-methods": world["method"].pk,
        "me/rules": world["rule"].pk,
        "token": 1,
        "notifications": 1,
    }
