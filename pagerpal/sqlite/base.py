"""SQLite whose writers queue up: a flock beside the file around every write of every process.

SQLite's own waiting sleeps up to 100 ms at a time and is unfair, so that a worker can wait for
half a second behind a busy web process. Here every write transaction, and every single write
outside a transaction, first takes a lock on `<database file>.lock`. Reads never do. A process
that dies gives the lock back by dying; one that is stopped while it holds it is killed.
"""

from __future__ import annotations

import fcntl
import functools
import os
import re
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, ClassVar

from django.db.backends.sqlite3 import base

from schedules.stopped import LOOK_AFTER, end_stopped_holder

# Measured with 5 writing processes and 4 writing threads: p99 wait 1-3 ms at 430 writes/s and 18 ms
# at the limit of the machine (SQLite's own waiting: 8 and 54, max 630). A blocking flock would
# have 1 and 8 but cannot be bounded without a helper thread.
PAUSE = 0.0005
PARTY_PAUSE = 0.002

WRITES = re.compile(
    r"\s*(?:(?:INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER|REINDEX|ANALYZE|VACUUM)\b"
    r"|WITH\b.*\b(?:INSERT|UPDATE|DELETE)\b)",
    re.IGNORECASE | re.DOTALL,
)


class WriteQueue:
    """One connection's place in the queue of writers; without a path it is always its turn.

    Two file locks: whoever holds the first is next for the second, which is the turn itself.
    Whoever has just written must take the first again, so a busy process cannot keep the others
    out. The threads of one process queue before that on a lock of their own: were all of them to
    look at the file locks, they would take the interpreter from the one that works.
    """

    # Processes that share a party queue among themselves first: however many workers there are,
    # they stand beside the web process as one. They also look less often, so that in a storm
    # alerts are taken in first: what is stored is paged a moment later, what is not may be lost.
    party: ClassVar[str] = ""
    _threads: ClassVar[defaultdict[str, threading.Lock]] = defaultdict(threading.Lock)

    def __init__(self, path: str, *, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._party = self._next = self._turn = -1
        self._owner = 0
        self._thread: threading.Lock | None = None
        self.is_held = False

    def acquire(self) -> None:
        """Wait for the turn; sqlite3.OperationalError when it does not come in time."""
        if not self._path:
            return
        try:
            self._open()
            ends = time.monotonic() + self._patience
            threads = self._threads[self._path]
            if not threads.acquire(timeout=self._patience):
                raise sqlite3.OperationalError("database is locked")
            self._thread = threads
            # Said before it is true: a task's timeout may interrupt anywhere in between.
            self.is_held = True
            if self._party >= 0:
                self._wait(self._party, ends, PARTY_PAUSE)
            self._wait(self._next, ends, PARTY_PAUSE if self.party else PAUSE)
            self._wait(self._turn, ends)
            self._let_follow()
        except OSError as error:
            self.release()
            raise sqlite3.OperationalError(f"unable to lock {self._path}: {error}") from error
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let the next one in. Does nothing when it is not held, or by the parent of a fork."""
        if self.is_held and self._owner == os.getpid():
            self._let_follow()
            fcntl.flock(self._turn, fcntl.LOCK_UN)
            if self._party >= 0:
                fcntl.flock(self._party, fcntl.LOCK_UN)
        self._thread = None
        self.is_held = False

    def _let_follow(self) -> None:
        """Our turn has come: another thread or process may be the next."""
        fcntl.flock(self._next, fcntl.LOCK_UN)
        thread, self._thread = self._thread, None
        if thread:
            thread.release()

    def close(self) -> None:
        self.release()
        for file in (self._party, self._next, self._turn):
            if file >= 0:
                os.close(file)
        self._party = self._next = self._turn = -1

    def _open(self) -> None:
        # After a fork the files are shared with the parent, and so would be the locks.
        if self._turn >= 0 and self._owner != os.getpid():
            self.close()
        if self._turn < 0:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._next = os.open(f"{self._path}-next", flags, 0o600)
            self._turn = os.open(self._path, flags, 0o600)
            if self.party:
                self._party = os.open(f"{self._path}-{self.party}", flags, 0o600)
            self._owner = os.getpid()

    @staticmethod
    def _wait(file: int, ends: float, pause: float = PAUSE) -> None:
        look_at = time.monotonic() + LOOK_AFTER
        while True:
            try:
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                now = time.monotonic()
                if now >= ends:
                    raise sqlite3.OperationalError("database is locked") from None
                if now >= look_at:
                    end_stopped_holder(file)
                    look_at = now + LOOK_AFTER
                time.sleep(pause)


# What a parent's threads held at the fork is nobody's in the child.
os.register_at_fork(after_in_child=WriteQueue._threads.clear)


@functools.lru_cache(maxsize=512)
def _with_question_marks(query: str) -> str:
    return base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class QueuedCursor(base.SQLiteCursorWrapper):
    """Queues single writes; inside a transaction the queue is behind us already."""

    queue: WriteQueue
    _holds = False

    def execute(self, query: str, params: Any = None) -> Any:
        return self._run(query, lambda: super(QueuedCursor, self).execute(query, params))

    def executemany(self, query: str, param_list: Any) -> Any:
        return self._run(query, lambda: super(QueuedCursor, self).executemany(query, param_list))

    def convert_query(self, query: str, *, param_names: Any = None) -> Any:
        # The same statements come again and again, and to rewrite one costs a third of its run.
        if param_names is None:
            return _with_question_marks(query)
        return super().convert_query(query, param_names=param_names)

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._release()

    def __del__(self) -> None:
        if self._holds:
            self.close()

    def _run(self, query: str, run: Callable[[], Any]) -> Any:
        self._release()
        if self.connection.in_transaction or not WRITES.match(query):
            return run()
        self._holds = True
        try:
            self.queue.acquire()
            result = run()
        except BaseException:
            self._release()
            raise
        # A write with RETURNING commits when its rows are read: close() ends it.
        if self.description is None:
            self._release()
        return result

    def _release(self) -> None:
        if self._holds:
            self._holds = False
            self.queue.release()


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's SQLite backend with the queue around BEGIN .. COMMIT or ROLLBACK.

    (The ignored complaints: django-stubs does not know the methods that backends override.)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.queue = WriteQueue("", patience=0)

    def get_new_connection(self, conn_params: Any) -> Any:
        connection = super().get_new_connection(conn_params)
        # Empty for databases in memory, which have one connection and need no queue.
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        self.queue.close()
        self.queue = WriteQueue(
            f"{path}.lock" if path else "", patience=float(conn_params.get("timeout", 5))
        )
        return connection

    def create_cursor(self, name: Any = None) -> Any:
        cursor = self.connection.cursor(factory=QueuedCursor)
        cursor.queue = self.queue
        return cursor

    def _start_transaction_under_autocommit(self) -> None:
        try:
            with self.wrap_database_errors:
                self.queue.acquire()
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self.queue.release()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        # Not in a finally: after a failed COMMIT the transaction is still there to roll back.
        self.queue.release()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self.queue.release()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self.queue.close()
