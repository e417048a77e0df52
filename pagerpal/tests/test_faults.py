"""The short form of `make faults`: its judgement, a full disk, and one house that is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from incidents.models import Incident
from notifications import settling
from notifications.models import Bundle, DeliveryEvent
from notifications.tests.pages import first
from pagerpal.faults import clocks, databases, kills, providers, stores
from pagerpal.faults.house import House, Scale
from pagerpal.faults.ledger import Judgement, Ledger, Rows, judge
from pagerpal.faults.preparing import a_team
from pagerpal.faults.registry import FAULTS
from pagerpal.testing import NOON, make_policy, make_source, make_team, make_user
from pagerpal.tests.processes import ROOT, free_port, url_of_test_database

KEY = "k" * 32
T = 1_000_000.0


# --- What the judge says -------------------------------------------------------------------------
def alert(incident: int, at: float = 0) -> dict[str, Any]:
    return {"what": "alert", "at": T + at, "incidents": [incident]}


def message(key: str, at: float = 1, *, taken: bool = True, to: str = "a") -> dict[str, Any]:
    return {"what": "message", "at": T + at, "key": key, "address": to, "taken": taken}


def judged(*lines: dict[str, Any], **states: str) -> Judgement:
    """Pages `p1` and `p2` of incidents 1 and 2, and bundle 7 of both."""
    rows = {
        f"page:{number}": (f"incident:{number}", "a", "page", states.get(f"p{number}", "sent"))
        for number in (1, 2)
    }
    bundles = {7: ["incident:1", "incident:2"]}
    return judge(lines, Rows(rows, bundles, frozenset({1, 2})))


def test_what_arrived_once_is_neither_lost_nor_doubled_nor_late() -> None:
    found = judged(alert(1), message("page-1"))

    assert (found.alerts, found.messages) == (1, 1)
    assert (found.lost, found.doubled, found.late) == ([], 0, 0)


def test_what_was_promised_and_never_came_is_lost() -> None:
    assert judged(alert(1), alert(2), message("page-1")).lost == [2]
    assert judged(alert(1), message("page-1", taken=False)).lost == [1]
    assert judged({"what": "alert", "at": T, "incidents": []}).lost == [0]


def test_what_failed_for_all_to_see_is_not_lost() -> None:
    found = judged(alert(1), p1="failed")

    assert (found.lost, found.failed) == ([], 1)


def test_a_message_that_says_nothing_new_to_its_address_is_a_double() -> None:
    assert judged(message("page-1"), message("page-1", 2)).doubled == 1
    assert judged(message("bundle-7"), message("page-1", 2), message("page-2", 3)).doubled == 2
    assert judged(message("page-1"), message("bundle-7", 2)).doubled == 0
    assert judged(message("page-1"), message("page-1", 2, to="b")).doubled == 0


def test_a_double_by_another_name_does_not_replace_the_first() -> None:
    assert judged(message("bundle-7"), message("bundle-7", 2)).renamed == 0
    assert judged(message("bundle-7"), message("page-1", 2)).renamed == 1
    assert judged(message("page-1"), message("bundle-7", 2)).renamed == 0


@pytest.mark.django_db
def test_a_message_that_says_several_things_is_one_call_that_was_cut_off(recorder: Any) -> None:
    alice = make_user()
    lead, member, alone = (first(alice, ref=name, thread=name) for name in "abc")
    Bundle.objects.create(lead=lead, threads=["a", "b"], created_at=NOON)
    for row in (lead, member, alone):
        DeliveryEvent.objects.create(
            notification=row, kind="lapsed", attempt=1, text=settling.LAPSED, at=NOON
        )

    assert databases.rows_of(OfTest()).cut == 2


def test_late_counts_from_when_it_could_have_gone_out() -> None:
    blocked = {"what": "blocked", "at": T - 5, "until": T + 60}

    assert judged(alert(1), message("page-1", 121)).late == 1
    assert judged(alert(1), message("page-1", 121), blocked).late == 0
    assert judged(alert(1), message("page-1", 181), blocked).late == 1


def test_a_message_after_an_answer_is_told() -> None:
    ack = {"what": "ack", "at": T + 1.5, "key": "page-1"}

    assert judged(message("page-1"), ack, message("page-1", 5, to="b")).claimed_after == 1
    assert judged(message("page-1"), ack, message("page-2", 5, to="b")).claimed_after == 0


def test_health_must_not_be_green_while_a_page_is_stuck() -> None:
    samples = [{"what": "health", "at": T + at, "status": 200} for at in range(110, 150)]

    assert judged(alert(1), message("page-1", 140), *samples).green_while_stuck == 20
    assert judged(alert(1), message("page-1", 100), *samples).green_while_stuck == 0


def test_every_fault_is_in_the_list() -> None:
    assert {fault.run.__module__ for fault in FAULTS.values()} == {
        module.__name__ for module in (clocks, kills, providers, stores)
    }
    assert len(FAULTS) == 26


def test_it_starts_without_django_and_names_the_faults_it_knows() -> None:
    ours = [sys.executable, "-m", "pagerpal.faults", "no_such_fault"]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO")}

    said = subprocess.run(ours, cwd=ROOT, env=bare, capture_output=True, text=True, check=False)

    assert said.returncode == 2, said.stderr
    assert said.stdout.startswith("no_such_fault: expected some of clock_ahead, ")


# --- A full disk ---------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_a_full_disk_refuses_alerts_and_takes_them_again_when_there_is_room() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite can be told how large its file may be")
    team = make_team("Platform", alice := make_user())
    make_policy(team, alice)
    make_source(team, key=KEY)
    client = Client(raise_request_exception=False)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # what tests before this one wrote and took back left room
        cursor.execute("PRAGMA page_count")
        pages = cursor.fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages}")
        answers = [post(client, number) for number in range(6)]
        stored = Incident.objects.count()
        cursor.execute("PRAGMA max_page_count = 1073741823")

    after = post(client, 99)

    assert set(answers) <= {200, 201, 202, 503}
    assert 503 in answers
    assert stored == sum(answer < 300 for answer in answers)
    assert after < 300


def post(client: Client, number: int) -> int:
    body = {"title": f"Disk full on db-{number}", "external_id": str(number), "severity": "high"}
    body["description"] = "x" * 50_000
    answer = client.post(
        "/api/v1/alerts", json.dumps(body), "application/json", headers={"X-API-Key": KEY}
    )
    return answer.status_code


@pytest.mark.django_db
def test_a_database_server_that_is_gone_without_a_word_is_missed_soon() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server")
    connection.ensure_connection()

    known = connection.connection.info.get_parameters()

    idle, every, count = (
        int(known[f"keepalives_{what}"]) for what in ("idle", "interval", "count")
    )
    assert idle + every * count <= 15
    assert int(known["tcp_user_timeout"]) <= 15_000


# --- A house -------------------------------------------------------------------------------------
class OfTest:
    """The database of the running test, as the faults see it."""

    name = "of the test"

    @property
    def url(self) -> str:
        return url_of_test_database()

    def template(self) -> str:
        raise NotImplementedError

    def renew(self) -> None:
        raise NotImplementedError

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def held(self) -> AbstractContextManager[None]:
        return databases.held(self.url)


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_house_that_is_broken_under_load_loses_and_doubles_nothing(tmp_path: Path) -> None:
    keys = {kind: [a_team(kind, 0)] for kind in ("one", "tap")}
    house = House(OfTest(), tmp_path, keys, Scale(0.01), free_port())
    try:
        serve = house.serve()
        house.wait_until_healthy()
        with house.load(rate=10):
            house.wait_until(lambda: house.judgement().messages, 15, "no first message")
            house.kill(house.web(serve)[1:], excuses=0)
            with house.database.held():
                time.sleep(0.5)
            with house.stopped(house.worker(serve)):
                time.sleep(0.5)
            house.wait_until_healthy()
        found = house.settle()
    finally:
        house.close()

    assert house.troubles == []
    assert (found.lost, found.doubled, found.late, found.claimed_after) == ([], 0, 0, 0)
    assert found.alerts > 1
    assert house.hands == 0


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")

    ledger.note("alert", incidents=[1])

    [line] = ledger.lines()
    assert (line["what"], line["incidents"]) == ("alert", [1])
