"""Two calls with one Idempotency-Key that come at the same moment, on either database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from incidents.models import Incident
from pagerpal.api import assembly, rates, tokens
from pagerpal.models import GivenAnswer
from pagerpal.testing import call_api, make_team, make_user

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 4


@pytest.fixture(autouse=True)
def fresh_counts() -> Iterator[None]:
    rates.forget()
    yield
    rates.forget()


def test_of_calls_with_one_key_at_once_one_is_done_and_all_get_its_answer() -> None:
    assert assembly.document()  # loaded before the start, that they meet
    alice = make_user("alice")
    team = make_team("Platform", alice)
    token = tokens.make(alice, "race", scope="write", days=1, now=timezone.now())[1]
    start, answers = threading.Barrier(AT_ONCE), []

    def call() -> None:
        try:
            start.wait(10)
            body = {"team": team.pk, "title": "Disk full"}
            answer: Any = call_api(token, "POST", "incidents", body, Idempotency_Key="one")
            answers.append((answer.status_code, answer.json()["id"]))
        finally:
            connection.close()

    threads = [threading.Thread(target=call) for _ in range(AT_ONCE)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)

    incident = Incident.objects.get()
    assert answers == [(201, incident.pk)] * AT_ONCE
    assert GivenAnswer.objects.count() == 1
