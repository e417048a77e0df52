"""The databases of the tests: migrated once for all of a run, emptied between tests."""

from __future__ import annotations

import fcntl
import functools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.core.management.color import no_style
from django.core.management.sql import emit_post_migrate_signal
from django.db import connection
from django.test import TransactionTestCase
from psycopg import sql

# What Django writes after each migration, and no test changes.
KEPT = frozenset({"django_content_type", "auth_permission"})


@pytest.fixture(scope="session")
def pattern(
    django_db_modify_db_settings_parallel_suffix: None,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pattern]:
    folder = tmp_path_factory.getbasetemp()
    made = Pattern(folder.parent if hasattr(request.config, "workerinput") else folder)
    with made.kept():
        yield made


@pytest.fixture(scope="session")
def django_db_modify_db_settings(pattern: Pattern) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection.creation, "create_test_db", pattern.create_test_db)
        patch.setattr(TransactionTestCase, "_fixture_teardown", _empty)
        yield


@pytest.fixture(scope="session")
def live_server(django_db_setup: None, live_server: Any) -> Any:
    """Stops before its database is dropped, even where its test was the first of all."""
    return live_server


class Pattern:
    """A database as the migrations leave it, made once for all processes of a run.

    Of theirs the first is migrated and this is its copy; of this all others are copies.
    """

    def __init__(self, folder: Path) -> None:
        self._stored = folder / "migrated"
        self._lock, self._users = folder / "migrated.lock", folder / "migrated.users"
        self._migrate = connection.creation.create_test_db

    def create_test_db(self, *args: Any, **options: Any) -> str:
        """What Django's own does for the only connection; which it does for one of us."""
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._stored.exists():
                made: str = self._migrate(*args, **options)
                connection.close()
                self._store(made)
                return made
        connection.close()
        name: str = connection.creation._get_test_db_name()  # type: ignore[attr-defined]
        self.copy_to(name)
        settings.DATABASES[connection.alias]["NAME"] = connection.settings_dict["NAME"] = name
        connection.ensure_connection()
        return name

    def copy_to(self, name: str) -> None:
        """Make the database of this name, or file, anew."""
        if connection.vendor == "sqlite":
            shutil.copyfile(self._stored, name)
        else:
            _copy_on_server(self._stored.read_text(), name)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Until the last of the processes has done."""
        with self._users.open("w") as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            yield
            with suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._drop()

    def _drop(self) -> None:
        if connection.vendor != "sqlite" and self._stored.exists():
            name = self._stored.read_text()
            self._stored.unlink()
            on_server("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _store(self, name: str) -> None:
        unfinished = self._stored.with_suffix(".unfinished")
        if connection.vendor == "sqlite":
            shutil.copyfile(name, unfinished)
        else:
            kept = f"{name}_migrated"
            _copy_on_server(name, kept)
            unfinished.write_text(kept)
        unfinished.rename(self._stored)


def on_server(command: str, *names: str) -> None:
    """Run this command of PostgreSQL outside the database of the tests."""
    with psycopg.connect(postgres_url("postgres"), autocommit=True) as server:
        server.execute(sql.SQL(command).format(*map(sql.Identifier, names)))


def postgres_url(name: str) -> str:
    values = connection.settings_dict
    password = f":{quote(values['PASSWORD'], safe='')}" if values["PASSWORD"] else ""
    host, port = values["HOST"] or "127.0.0.1", values["PORT"] or 5432
    return f"postgres://{values['USER']}{password}@{host}:{port}/{name}"


def _copy_on_server(of: str, name: str) -> None:
    on_server("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
    on_server("CREATE DATABASE {} TEMPLATE {}", name, of)


def _empty(case: TransactionTestCase) -> None:
    """What `flush` does, but that it writes all that is kept anew: 15 times as long."""
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = [name for name in names if name not in KEPT]
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables))
    if apps.get_model("auth", "Permission").objects.count() != _permissions():
        emit_post_migrate_signal(0, False, connection.alias)


@functools.cache
def _permissions() -> int:
    """How many there are after a migration: so many for each model."""
    return sum(
        len(model._meta.default_permissions) + len(model._meta.permissions)
        for model in apps.get_models()
    )
