"""The database of the tests: migrated once for all processes of a run, emptied between tests."""

from __future__ import annotations

import fcntl
import functools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Permission
from django.core.management.color import no_style
from django.core.management.sql import emit_post_migrate_signal
from django.db import connection
from django.test import TransactionTestCase

# What Django writes after each migration, and no test changes.
KEPT = frozenset({"django_content_type", "auth_permission"})


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """Of several processes on SQLite the first migrates, and the others copy its file."""
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(request.config, "workerinput") and connection.vendor == "sqlite":
            shared = tmp_path_factory.getbasetemp().parent
            patch.setattr(connection.creation, "create_test_db", _copying(shared))
        patch.setattr(TransactionTestCase, "_fixture_teardown", _empty)
        yield


def _copying(shared: Path) -> Any:
    """Django's `create_test_db` of the only connection, done once for this folder."""
    migrate, migrated = connection.creation.create_test_db, shared / "migrated.sqlite3"

    def create(*args: Any, **options: Any) -> str:
        with (shared / "migrated.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not migrated.exists():
                name: str = migrate(*args, **options)
                connection.close()
                shutil.copyfile(name, shared / "copying.sqlite3")
                (shared / "copying.sqlite3").rename(migrated)
                return name
        connection.close()
        name = connection.settings_dict["TEST"]["NAME"]
        shutil.copyfile(migrated, name)
        settings.DATABASES[connection.alias]["NAME"] = connection.settings_dict["NAME"] = name
        connection.ensure_connection()
        return name

    return create


def _empty(case: TransactionTestCase) -> None:
    """What `flush` does, but that it writes all that is kept anew: 15 times as long."""
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = [name for name in names if name not in KEPT]
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables))
    if Permission.objects.count() != _permissions():
        emit_post_migrate_signal(0, False, connection.alias)


@functools.cache
def _permissions() -> int:
    """How many there are after a migration: so many for each model."""
    return sum(
        len(model._meta.default_permissions) + len(model._meta.permissions)
        for model in apps.get_models()
    )
