"""Whether the database has every migration, and applying them by one process at a time."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pkgutil import iter_modules

from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder
from django.utils.module_loading import module_has_submodule

from pagerpal import orphans
from pagerpal.sqlite.base import WriteQueue

log = logging.getLogger(__name__)

# Any number that no other user of the same database takes.
ADVISORY_LOCK = 7_243_753_715
WAIT_FOR_OTHERS = 120.0


def missing() -> list[str]:
    """Migrations on disk that the database has not seen, as `app.name`.

    Reads file names and one table: loading the migrations themselves takes half a second.
    """
    applied = set(MigrationRecorder(connection).applied_migrations())
    return [f"{label}.{name}" for label, name in on_disk() if (label, name) not in applied]


def bring_up_to_date(*, verbosity: int = 1) -> bool:
    """Apply what is missing, one process at a time; False when there was nothing to do."""
    if not missing():
        return False
    with _one_at_a_time():
        if missing():  # perhaps another process was faster
            call_command("migrate", interactive=False, verbosity=verbosity)
    return True


def bring_up_to_date_aside() -> bool:
    """The same in a process of its own: what it loads, 15 MB, burdens nobody who lives longer.

    Raises CommandError when that process fails; its own words are on standard error by then.
    """
    if not missing():
        return False
    connections.close_all()
    sys.stdout.flush()
    parent = os.getpid()
    if not (pid := os.fork()):
        _migrate_and_exit(parent)
    if os.waitpid(pid, 0)[1]:
        raise CommandError("The database could not be brought up to date.")
    return True


def _migrate_and_exit(parent: int) -> None:
    code = 1
    try:
        orphans.die_with_parent(parent)
        bring_up_to_date(verbosity=0)
        code = 0
    except CommandError as error:
        print(error, file=sys.stderr)
    except BaseException:
        log.critical("migrating failed", exc_info=True)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def on_disk() -> Iterator[tuple[str, str]]:
    for config in apps.get_app_configs():
        if config.module is None or not module_has_submodule(config.module, "migrations"):
            continue
        package = import_module(f"{config.name}.migrations")
        for found in iter_modules(package.__path__):
            if not found.ispkg and found.name[0] not in "_~":
                yield config.label, found.name


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    if connection.vendor == "postgresql":
        with _advisory_lock():
            yield
        return
    path = connection.settings_dict["NAME"]
    queue = WriteQueue(f"{path}.migrate.lock", patience=WAIT_FOR_OTHERS)
    queue.acquire()
    try:
        yield
    finally:
        queue.close()


@contextmanager
def _advisory_lock() -> Iterator[None]:
    with connection.cursor() as cursor:
        # A migration may well take longer than a request ever may.
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SET lock_timeout = 0")
        ends = time.monotonic() + WAIT_FOR_OTHERS
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK])
            if cursor.fetchone()[0]:
                break
            if time.monotonic() > ends:
                raise CommandError("another process has been migrating for two minutes")
            time.sleep(0.2)
    try:
        yield
    finally:
        connection.close()  # gives the lock back and forgets the settings
