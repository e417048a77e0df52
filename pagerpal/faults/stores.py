"""Databases that are locked, full, restarted, silent, migrated under load, or copied as is."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil

from pagerpal.faults.databases import Postgres, Sqlite
from pagerpal.faults.house import House, pause
from pagerpal.faults.kills import IN_HAND
from pagerpal.faults.registry import fault

LOCKED_FOR = (1.0, 5.0, 30.0)
ROOM = 64 * 1024
INVARIANTS = {
    "a triggered incident without a clock": "SELECT id FROM incidents_incident "
    "WHERE state = 'triggered' AND urgency <> 'none' AND escalate_at IS NULL AND held_at IS NULL",
    "a claimed message without a lease": "SELECT id FROM notifications_notification "
    "WHERE (state = 'sending') <> (lease_until IS NOT NULL)",
    "a page of no incident": "SELECT p.id FROM incidents_page p "
    "LEFT JOIN incidents_incident i ON i.id = p.incident_id WHERE i.id IS NULL",
    "a firing alert of no incident": "SELECT id FROM alertsources_alert "
    "WHERE live_key IS NOT NULL AND incident_id IS NULL",
}


@fault("an outside transaction locks the database 1, 5 and 30 s")
def locked(house: House) -> None:
    """On PostgreSQL it holds the tables that alerts and pages are written to."""
    with house.load():
        for _ in range(house.scale.times(10, least=1)):
            for length in LOCKED_FOR:
                pause(2, 3)
                with house.blocked(), house.database.held():
                    house.stay_broken(length)
                house.tried += 1
                house.excused += IN_HAND
            house.wait_until_healthy()


@fault("disk full", only="SQLite")
def disk_full(house: House) -> None:
    """No file of any process may grow any more, for a while."""
    with house.load(rate=20):
        for _ in range(house.scale.times(10)):
            pause(3, 5)
            with house.blocked(), _full(house):
                house.stay_broken(house.scale.seconds(60, least=30))
            house.tried += 1
            house.excused += IN_HAND
            house.wait_until_healthy()


def _path(house: House) -> Path:
    assert isinstance(house.database, Sqlite)  # noqa: S101
    return house.database.path


@contextmanager
def _full(house: House) -> Iterator[None]:
    # Less than the files have: nothing can be written to what lies beyond.
    _limit(house, ROOM)
    try:
        yield
    finally:
        for _ in range(3):  # also those that were just being forked
            _limit(house, resource.RLIM_INFINITY)
            time.sleep(0.2)


def _limit(house: House, size: int) -> None:
    for pid in house.everybody():
        with suppress(psutil.Error):
            psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@fault("PostgreSQL restarted, by turns told to and crashed", only="PostgreSQL")
def restarted(house: House) -> None:
    """Every connection breaks."""
    database = house.database
    assert isinstance(database, Postgres)  # noqa: S101
    with house.load():
        for number in range(house.scale.times(40)):
            pause(2, 5)
            database.server.stop("immediate" if number % 2 else "fast")
            database.server.start()
            house.tried += 1
            house.excused += IN_HAND
            house.wait_until_healthy()


@fault("PostgreSQL answers nothing for a minute (SIGSTOP)", only="PostgreSQL")
def silent(house: House) -> None:
    """Connections stay open and nothing comes."""
    database = house.database
    assert isinstance(database, Postgres)  # noqa: S101
    with house.load():
        for _ in range(house.scale.times(10, least=1)):
            pause(2, 4)
            processes = [process.pid for process in database.processes()]
            with house.blocked(), house.stopped(processes):
                house.stay_broken(house.scale.seconds(60, least=30))
            house.tried += 1
            house.excused += IN_HAND
            house.wait_until_healthy()


@fault("migration back and forth under load")
def migrated(house: House) -> None:
    """The newest of the top floor, by another process, while all run."""
    names = [
        row[0]
        for row in house.database.ask(
            "SELECT name FROM django_migrations WHERE app = 'pagerpal' ORDER BY name"
        )
    ]
    with house.load(rate=12):
        for _ in range(house.scale.times(20)):
            for target in (names[-2], names[-1]):
                if house.manage("migrate", "pagerpal", target, "--verbosity=0"):
                    house.troubles.append(f"migrating to {target} failed")
                house.tried += 1


@fault("copies of the files at random moments, opened and checked", only="SQLite")
def copied(house: House) -> None:
    """What a power cut leaves: all processes are held still for the moment of the copy."""
    with house.load(rate=0, threads=4):
        for number in range(house.scale.times(100, least=5)):
            pause(0.05, 0.6)
            copy = house.folder / f"copy-{number}"
            copy.mkdir()
            with house.stopped(house.everybody()):
                promised = {
                    incident
                    for line in house.ledger.lines()
                    if line["what"] == "alert"
                    for incident in line["incidents"]
                }
                for file in _path(house).parent.glob("pagerpal.sqlite3*"):
                    shutil.copy(file, copy / file.name)
            house.troubles += [f"copy {number}: {why}" for why in flaws(copy, promised)]
            house.tried += 1
            shutil.rmtree(copy)


def flaws(folder: Path, promised: set[int]) -> list[str]:
    """What is wrong with a copy, in words."""
    with closing(sqlite3.connect(folder / "pagerpal.sqlite3")) as database:
        [[said]] = database.execute("PRAGMA integrity_check").fetchall()
        found = [] if said == "ok" else [f"integrity: {said}"]
        if database.execute("PRAGMA foreign_key_check").fetchall():
            found.append("a row refers to one that is not there")
        found += [why for why, sql in INVARIANTS.items() if database.execute(sql).fetchall()]
        there = {row[0] for row in database.execute("SELECT id FROM incidents_incident")}
    if promised - there:
        found.append(f"{len(promised - there)} incidents were answered 2xx and are not in it")
    return found
