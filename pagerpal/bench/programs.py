"""What a call to the API costs beside very many incidents, and what the API costs in memory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from pagerpal.bench.pages import MINE, TEAMS, fill
from pagerpal.bench.site import Figure, ms, percentile

TIMES = 60
LIST_UNDER, CREATE_UNDER = "p95 under 30 ms", "p95 under 15 ms"


def measure(incidents: int) -> list[Figure]:
    """The figures of the API, on the database of the environment, which is fresh."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.API_CALLS_PER_MINUTE = 10**9
    call_command("migrate", verbosity=0)
    admin, member, _ = fill(incidents)
    before, begun = _pss(), time.perf_counter()
    _client(admin)("GET", "me")
    first = time.perf_counter() - begun
    figures = [
        Figure("memory that the API takes at its first call", f"{_pss() - before:.1f} MB"),
        Figure("first call, which loads the API", ms(first)),
    ]
    for who, user in (("an admin", admin), (f"a responder of {MINE} of {TEAMS} teams", member)):
        figures += _of_person(who, user)
    return figures


def _of_person(who: str, user: Any) -> list[Figure]:
    from schedules.models import Team

    call = _client(user)
    team = (user.teams.all() if user.teams.exists() else Team.objects.all()).order_by("pk")[0].pk
    lists = {
        "50 open incidents": "incidents?limit=50",
        "50 incidents of all": "incidents?limit=50&show=all",
        "50 incidents of a severity": "incidents?limit=50&show=all&severity=info",
    }
    figures = [
        Figure(f"{name}, {who}", _p95(partial(_get, call, path)), LIST_UNDER)
        for name, path in lists.items()
    ]
    title = {"team": team, "title": "Disk full"}
    raised: list[int] = []

    def create(number: int) -> Any:
        answer = call("POST", "incidents", title)
        raised.append(answer.json()["id"])
        return answer

    def create_once(number: int) -> Any:
        return call("POST", "incidents", title, Idempotency_Key=f"{who} {number}")

    def acknowledge(number: int) -> Any:
        return call("POST", f"incidents/{raised.pop()}/acknowledge", {})

    figures.append(Figure(f"create an incident, {who}", _p95(create), CREATE_UNDER))
    figures.append(Figure(f"the same with an Idempotency-Key, {who}", _p95(create_once)))
    return [*figures, Figure(f"acknowledge one, {who}", _p95(acknowledge))]


def _get(call: Callable[..., Any], path: str, number: int) -> Any:
    return call("GET", path)


def _p95(call: Callable[[int], Any]) -> str:
    taken, worked = [], []
    call(TIMES)  # what the process loads once is loaded
    for number in range(TIMES):
        begun, spent = time.perf_counter(), time.process_time()
        if call(number).status_code not in {200, 201}:
            raise RuntimeError("a call was refused")
        taken.append(time.perf_counter() - begun)
        worked.append(time.process_time() - spent)
    # On a machine that others use, the second says more.
    return f"{ms(percentile(taken, 95))}, of CPU {ms(percentile(worked, 95))}"


def _client(user: Any) -> Callable[..., Any]:
    """By a token, through all middleware, as gunicorn would hand it over."""
    from django.test import Client
    from django.utils import timezone

    from pagerpal.api import tokens

    token = tokens.make(user, "bench", scope="write", days=1, now=timezone.now())[1]
    client = Client(SERVER_NAME="127.0.0.1")

    def call(method: str, path: str, body: Any = None, **headers: str) -> Any:
        headers["Authorization"] = f"Bearer {token}"
        data = json.dumps(body or {})
        address = f"/api/v1/{path}"
        return client.generic(
            method, address, data, content_type="application/json", headers=headers
        )

    return call


def _pss() -> float:
    import psutil

    return float(psutil.Process().memory_full_info().pss) / 1e6
