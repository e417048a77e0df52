"""Tests of the SQLite backend: who writes waits in line, whoever reads does not."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.db.utils import ConnectionHandler

from pagerpal.sqlite.base import DatabaseWrapper, WriteQueue
from pagerpal.tests.processes import ROOT

HOLDER = """
import sys, time
from pagerpal.sqlite.base import WriteQueue
queue = WriteQueue(sys.argv[1], patience=5)
queue.acquire()
print("held", flush=True)
time.sleep(60)
"""

# Reads, then writes: loses counts if two transactions overlap.
COUNTER = """
import sys, threading
from django.db import transaction
from pagerpal.tests.test_sqlite import handler
connections = handler(sys.argv[1], patience=30)
def count():
    connection = connections["default"]
    for _ in range(int(sys.argv[2])):
        with transaction.Atomic("default", False, False):
            seen = connection.cursor().execute("SELECT n FROM counter").fetchone()[0]
            connection.cursor().execute("UPDATE counter SET n = %s", [seen + 1])
        connection.cursor().execute("UPDATE counter SET singles = singles + 1")
    connection.close()
transaction.get_connection = lambda using=None: connections["default"]
threads = [threading.Thread(target=count) for _ in range(2)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def handler(path: str, *, patience: float = 5) -> ConnectionHandler:
    """Django's connections to a database file of our own, one for each thread."""
    return ConnectionHandler(
        {
            "default": {
                "ENGINE": "pagerpal.sqlite",
                "NAME": path,
                "OPTIONS": {
                    "transaction_mode": "IMMEDIATE",
                    "timeout": patience,
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
                },
                "CONN_MAX_AGE": None,
            }
        }
    )


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "test.sqlite3")


@pytest.fixture
def base(path: str, django_db_blocker: Any, monkeypatch: Any) -> Iterator[DatabaseWrapper]:
    """A connection to a database with a table `counter`; `atomic()` means this connection."""
    with django_db_blocker.unblock():
        found: Any = handler(path, patience=0.3)["default"]
        monkeypatch.setattr(transaction, "get_connection", lambda using=None: found)
        with found.cursor() as cursor:
            cursor.execute("CREATE TABLE counter (n INTEGER, singles INTEGER)")
            cursor.execute("INSERT INTO counter VALUES (0, 0)")
        yield found
        found.close()


@pytest.fixture
def holder(path: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the queue of `path`."""
    process = run_python(HOLDER, f"{path}.lock")
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def run_python(script: str, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "pagerpal.test_settings",
        "DATABASE_URL": "",
    }
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def is_free(path: str) -> bool:
    """Whether somebody else could write now."""
    queue = WriteQueue(f"{path}.lock", patience=0)
    try:
        queue.acquire()
    except sqlite3.OperationalError:
        return False
    finally:
        queue.close()
    return True


def one(base: DatabaseWrapper, query: str) -> Any:
    with base.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def test_a_transaction_holds_the_queue_until_its_commit(base: DatabaseWrapper, path: str) -> None:
    with transaction.atomic():
        assert not is_free(path)

    assert is_free(path)


def test_a_rolled_back_transaction_gives_the_queue_back(base: DatabaseWrapper, path: str) -> None:
    with pytest.raises(ValueError, match="no"), transaction.atomic():
        raise ValueError("no")

    assert is_free(path)


def test_a_savepoint_that_fails_keeps_the_queue(base: DatabaseWrapper, path: str) -> None:
    with transaction.atomic():
        with pytest.raises(ValueError, match="no"), transaction.atomic():
            raise ValueError("no")
        held = not is_free(path)

    assert held
    assert is_free(path)


def test_a_connection_closed_in_a_transaction_gives_the_queue_back(
    base: DatabaseWrapper, path: str
) -> None:
    with transaction.atomic():
        base.close()

        assert is_free(path)


def test_a_begin_that_fails_gives_the_queue_back(base: DatabaseWrapper, path: str) -> None:
    stranger = sqlite3.connect(path, isolation_level=None)  # one that knows no queue
    stranger.execute("BEGIN IMMEDIATE")

    with pytest.raises(OperationalError, match="locked"), transaction.atomic():
        pass

    assert is_free(path)
    stranger.close()


def test_a_read_takes_no_lock(base: DatabaseWrapper, holder: subprocess.Popen[str]) -> None:
    found = one(base, "SELECT n FROM counter")

    assert found == 0


@pytest.mark.parametrize(
    "query",
    [
        "UPDATE counter SET n = 1",
        "insert into counter values (1, 1)",
        "WITH x AS (SELECT 1) DELETE FROM counter",
    ],
)
def test_a_single_write_waits_in_line(
    base: DatabaseWrapper, holder: subprocess.Popen[str], query: str
) -> None:
    begun = time.monotonic()

    with pytest.raises(OperationalError, match="locked"), base.cursor() as cursor:
        cursor.execute(query)

    assert 0.3 <= time.monotonic() - begun < 2


def test_a_single_write_gives_the_queue_back(base: DatabaseWrapper, path: str) -> None:
    with base.cursor() as cursor:
        cursor.execute("UPDATE counter SET n = 1")

        assert is_free(path)


def test_a_write_that_returns_rows_holds_the_queue_until_it_is_closed(
    base: DatabaseWrapper, path: str
) -> None:
    with base.cursor() as cursor:
        cursor.execute("UPDATE counter SET n = 1 RETURNING n")
        held = not is_free(path)

    assert held
    assert is_free(path)


def test_a_write_that_fails_gives_the_queue_back(base: DatabaseWrapper, path: str) -> None:
    with pytest.raises(OperationalError), base.cursor() as cursor:
        cursor.execute("UPDATE nothing SET n = 1")

    assert is_free(path)


def test_a_killed_holder_frees_the_queue(
    base: DatabaseWrapper, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait()

    with transaction.atomic(), base.cursor() as cursor:
        cursor.execute("UPDATE counter SET n = 5")

    assert one(base, "SELECT n FROM counter") == 5


def test_a_stopped_holder_costs_a_bounded_wait(
    base: DatabaseWrapper, holder: subprocess.Popen[str]
) -> None:
    holder.send_signal(signal.SIGSTOP)
    begun = time.monotonic()

    with pytest.raises(OperationalError, match="database is locked"), transaction.atomic():
        pass

    assert 0.3 <= time.monotonic() - begun < 2


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # pytest-xdist has threads
def test_a_fork_neither_shares_nor_frees_the_parents_turn(path: str) -> None:
    queue = WriteQueue(f"{path}.lock", patience=0)
    queue.acquire()

    child = os.fork()
    if not child:
        queue.release()
        try:
            queue.acquire()
        except sqlite3.OperationalError:
            os._exit(7)
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 7
    assert not is_free(path)
    queue.close()


def test_a_database_in_memory_needs_no_queue(django_db_blocker: Any) -> None:
    with django_db_blocker.unblock():
        found: Any = handler(":memory:")["default"]
        with found.cursor() as cursor:
            cursor.execute("CREATE TABLE t (n)")

        assert not found.queue.is_held
        assert not Path(":memory:.lock").exists()
        found.connection.close()


def test_threads_of_one_process_take_turns(path: str) -> None:
    queues = [WriteQueue(f"{path}.lock", patience=5) for _ in range(4)]
    inside: list[int] = []
    most: list[int] = []

    def work(queue: WriteQueue) -> None:
        for _ in range(25):
            queue.acquire()
            inside.append(1)
            most.append(len(inside))
            inside.pop()
            queue.release()
        queue.close()

    threads = [threading.Thread(target=work, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(most) == 100
    assert max(most) == 1


@pytest.mark.processes
def test_three_processes_with_two_threads_each_lose_no_write(
    base: DatabaseWrapper, path: str
) -> None:
    processes = [run_python(COUNTER, path, "20") for _ in range(3)]
    ends = [process.wait(60) for process in processes]
    for process in processes:
        assert process.stdout
        process.stdout.close()

    assert ends == [0, 0, 0]
    assert one(base, "SELECT n FROM counter") == 120
    assert one(base, "SELECT singles FROM counter") == 120


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux tells who holds a lock")
def test_a_process_that_is_stopped_with_the_turn_is_killed(
    path: str, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pagerpal.sqlite.base.LOOK_AFTER", 0.1)
    queue = WriteQueue(f"{path}.lock", patience=10)
    holder.send_signal(signal.SIGSTOP)

    queue.acquire()

    assert holder.wait(10) == -signal.SIGKILL
    queue.close()


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux tells who holds a lock")
def test_a_process_that_works_with_the_turn_is_left_alone(
    path: str, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pagerpal.sqlite.base.LOOK_AFTER", 0.1)

    with pytest.raises(sqlite3.OperationalError):
        WriteQueue(f"{path}.lock", patience=0.5).acquire()

    assert holder.poll() is None
