"""The two databases: a SQLite file, and a PostgreSQL server of our own from Debian's programs."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psutil
import psycopg

from pagerpal.faults.ledger import Rows
from pagerpal.tests.postgres import Server, alone, programs

NOTIFICATIONS = "SELECT key, thread, address, purpose, state FROM notifications_notification"
BUNDLES = (
    "SELECT b.id, b.threads, n.address FROM notifications_bundle b "
    "JOIN notifications_notification n ON n.id = b.lead_id ORDER BY b.id"
)
UNHEARD = (
    "SELECT e.at, n.thread, n.address, e.text LIKE 'no result: %' "
    "FROM notifications_deliveryevent e "
    "JOIN notifications_notification n ON n.id = e.notification_id "
    "WHERE e.kind <> 'cancelled' "
    "AND (e.text LIKE 'no result: %' OR e.text LIKE 'no answer within %')"
)
INCIDENTS = "SELECT id FROM incidents_incident"
WRITTEN_TO = "incidents_incident, notifications_notification, alertsources_alert"


class Database(Protocol):
    """One of the two, with a database of its own for each fault."""

    name: str

    @property
    def url(self) -> str: ...

    def template(self) -> str:
        """The URL of the database that all others are copied from."""

    def renew(self) -> None:
        """Begin again with a copy of the template."""

    def ask(self, sql: str) -> list[tuple[Any, ...]]: ...

    def held(self) -> AbstractContextManager[None]:
        """A context in which an outside transaction keeps everybody from writing."""


class Sqlite:
    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "pagerpal.sqlite3"
        self.url = f"sqlite:///{self.path}"

    def template(self) -> str:
        return f"sqlite:///{self.folder / 'template.sqlite3'}"

    def renew(self) -> None:
        for old in self.folder.glob("pagerpal.sqlite3*"):
            old.unlink()
        shutil.copy(self.folder / "template.sqlite3", self.path)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path, timeout=30)) as database:
            return database.execute(sql).fetchall()

    def held(self) -> AbstractContextManager[None]:
        return held(self.url)


class Postgres:
    name = "PostgreSQL"

    def __init__(self, server: Server) -> None:
        self.server = server
        self._number = 0

    @property
    def url(self) -> str:
        return self._url(f"faults_{self._number}")

    def _url(self, name: str) -> str:
        return f"{self.server.url.rpartition('/')[0]}/{name}"

    def _do(self, sql: str) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as admin:
            admin.execute(sql)

    def template(self) -> str:
        self._do("CREATE DATABASE template_of_faults")
        return self._url("template_of_faults")

    def renew(self) -> None:
        self._number += 1
        self._do(f"CREATE DATABASE faults_{self._number} TEMPLATE template_of_faults")

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, connect_timeout=10) as database:
            return database.execute(sql).fetchall()

    def held(self) -> AbstractContextManager[None]:
        return held(self.url)

    def processes(self) -> list[psutil.Process]:
        first = (self.server.folder / "data/postmaster.pid").read_text().splitlines()[0]
        postmaster = psutil.Process(int(first))
        return [postmaster, *postmaster.children(recursive=True)]


@contextmanager
def held(url: str) -> Iterator[None]:
    """An outside transaction, which on PostgreSQL locks the tables alerts are written to."""
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as outside:
            outside.execute("BEGIN IMMEDIATE")
            yield
            outside.execute("ROLLBACK")
    else:
        with psycopg.connect(url) as server:
            server.execute(f"LOCK TABLE {WRITTEN_TO} IN ACCESS EXCLUSIVE MODE")
            yield
            server.rollback()


@contextmanager
def databases(folder: Path, wanted: list[str]) -> Iterator[list[Database]]:
    """Those of the two that are wanted and can be had here."""
    found: list[Database] = [Sqlite(folder)] if "sqlite" in wanted else []
    binaries = programs() if "postgresql" in wanted else None
    if binaries is None:
        yield found
        return
    with alone(binaries) as server:
        yield [*found, Postgres(server)]


def rows_of(database: Database) -> Rows:
    said = {row[0]: (row[1], row[2], row[3], row[4]) for row in database.ask(NOTIFICATIONS)}
    bundles: dict[int, list[str]] = {}
    went_in: dict[tuple[str, str], int] = {}
    for pk, stored, address in database.ask(BUNDLES):
        bundles[pk] = json.loads(stored) if isinstance(stored, str) else stored
        went_in |= {(thread, address): pk for thread in bundles[pk]}
    # What went as one message is one call; all of it is noted at one moment.
    unheard = {
        (at, went_in.get((thread, who), thread)): bool(is_cut)
        for at, thread, who, is_cut in database.ask(UNHEARD)
    }
    incidents = frozenset(row[0] for row in database.ask(INCIDENTS))
    return Rows(said, bundles, incidents, sum(unheard.values()), len(unheard))
