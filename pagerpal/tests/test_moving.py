"""Tests of backup, restore and the way from SQLite to PostgreSQL, on databases of their own."""

from __future__ import annotations

import json
import secrets
import socket
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django_q.models import OrmQ
from psycopg import sql

from incidents.models import Incident, TimelineEntry
from notifications.models import Notification
from pagerpal import migrating
from pagerpal.models import WorkerHeartbeat
from pagerpal.moving import archive, arriving, backing_up, copying, restoring, running
from pagerpal.moving.archive import Archive, NotUsable
from pagerpal.testing import make_incident, make_team, make_user
from pagerpal.tests import postgres
from pagerpal.tests.processes import free_port, url_of_test_database
from schedules.models import User

NOW = timezone.now()


@pytest.fixture
def own(transactional_db: None, tmp_path: Path, settings: Any) -> Iterator[None]:
    """A copy of the empty test database, for the default connection to work on."""
    settings.PAGERPAL_PORT = free_port()
    settings.DATA_DIR = tmp_path
    given = connection.settings_dict
    if connection.vendor == "sqlite":
        place = tmp_path / "pagerpal.sqlite3"
        with closing(sqlite3.connect(given["NAME"])) as old, closing(sqlite3.connect(place)) as new:
            old.backup(new)
        with arriving.instead({**given, "NAME": str(place)}):
            yield
        return
    name = f"pagerpal_throw_away_{secrets.token_hex(4)}"
    connection.close()
    url = url_of_test_database().rpartition("/")[0]
    with psycopg.connect(f"{url}/postgres", autocommit=True) as server:
        making = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        server.execute(making.format(sql.Identifier(name), sql.Identifier(given["NAME"])))
        with arriving.instead({**given, "NAME": name}):
            yield
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def house(own: None) -> Incident:
    """An open incident with a page that waits, a task in the queue and a worker of long ago."""
    user = make_user("alice")
    incident = make_incident(make_team("house", user), title="Disk \t full \\N \u2603")
    method = user.contact_methods.all()[0]
    Notification.objects.create(
        purpose="page",
        thread=incident.thread,
        key="page:1",
        user=user,
        contact_method=method,
        channel=method.channel,
        address=method.address,
        due_at=NOW,
        context={"title": "a \u2603", "many": [1, None, {"a": True}]},
    )
    OrmQ.objects.create(key="pagerpal", payload="x", lock=NOW)
    old = NOW - timedelta(minutes=5)
    WorkerHeartbeat.objects.create(name="gone:1", started_at=old, beat_at=old)
    return incident


def backup(to: Path) -> Path:
    call_command("backup", str(to), stdout=StringIO())
    return to


def restore(file: Path, *options: str) -> str:
    said = StringIO()
    call_command("restore", str(file), *options, stdout=said)
    return said.getvalue()


def refused(file: Path, *options: str) -> str:
    with pytest.raises(CommandError) as found:
        restore(file, *options)
    assert str(found.value).startswith("Nothing was touched.")
    return str(found.value)


def people_aside(tmp_path: Path) -> int:
    """How many there were in the database that was replaced."""
    query = "SELECT count(*) FROM {}schedules_user"
    if connection.vendor == "sqlite":
        [aside] = tmp_path.glob("pagerpal.sqlite3.before_restore_*")
        with closing(sqlite3.connect(aside)) as old:
            return int(old.execute(query.format("")).fetchone()[0])
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'before_restore_%'")
        [(schema,)] = cursor.fetchall()
        cursor.execute(query.format(f"{schema}."))
        return int(cursor.fetchone()[0])


def another_user_of_the_database() -> Any:
    if connection.vendor == "sqlite":
        other = sqlite3.connect(connection.settings_dict["NAME"])
        other.execute("SELECT 1 FROM schedules_user").fetchall()
        return other
    return psycopg.connect(url_of_test_database())


def test_an_older_backup_comes_back_is_brought_up_to_date_and_held(
    house: Incident, tmp_path: Path
) -> None:
    call_command("migrate", "incidents", "0014", verbosity=0)
    file = backup(tmp_path / "monday.zip")
    call_command("migrate", verbosity=0)
    User.objects.create_user("late@example.org", name="late")
    Incident.objects.update(title="changed since")

    # First what is refused, and leaves all as it is.
    assert "say --replace" in refused(file)
    with closing(another_user_of_the_database()):
        assert "Stop PagerPal first" in refused(file, "--replace")
    wrong = tmp_path / "wrong.zip"
    wrong.write_bytes(file.read_bytes())
    make_other(counts={"schedules_user": 7})(wrong)
    assert "schedules_user has not the rows" in refused(wrong, "--replace")
    assert Incident.objects.get().title == "changed since"
    assert list(tmp_path.glob("*arriving*")) == []

    said = restore(file, "--replace")

    incident, page = Incident.objects.get(), Notification.objects.get()
    entry = TimelineEntry.objects.create(incident=incident, kind="note", text="x", at=NOW)
    assert (incident.title, incident.state) == (house.title, "triggered")
    assert incident.held_at is not None
    assert (page.state, page.context["many"]) == ("held", [1, None, {"a": True}])
    assert [user.name for user in User.objects.all()] == ["alice"]
    assert (OrmQ.objects.count(), WorkerHeartbeat.objects.count()) == (0, 0)
    came = TimelineEntry.objects.exclude(pk=entry.pk).latest("pk")
    assert entry.pk == came.pk + 1  # numbered after those that came
    assert migrating.missing() == []
    assert "Held: 1 open incidents and 1 messages" in said
    assert people_aside(tmp_path) == 2


def test_programs_that_run_are_named(db: None, settings: Any) -> None:
    WorkerHeartbeat.objects.create(name="here:1", started_at=NOW, beat_at=NOW)
    with socket.create_server(("127.0.0.1", 0)) as web:
        settings.PAGERPAL_BIND, settings.PAGERPAL_PORT = "0.0.0.0", web.getsockname()[1]
        found = [*running._workers(NOW), *running._web()]

    assert "worker here:1" in found[0]
    assert f"port {settings.PAGERPAL_PORT}" in found[1]
    assert running._web() == []


# --- The file ------------------------------------------------------------------------------------
@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A backup of hardly anything."""
    file = tmp_path / "monday.zip"
    with archive.written(file, NOW, connection.vendor) as writer:
        writer.manifest.migrations = ["incidents.0001_initial"]
        with writer.part("tables/one") as part:
            part.write(bytes(range(256)) * 40)
    return file


def cut(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])


def change_a_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 255
    file.write_bytes(data)


def make_other(**changed: Any) -> Callable[[Path], None]:
    """The same archive with other words in its manifest."""

    def change(file: Path) -> None:
        with zipfile.ZipFile(file) as old:
            parts = {name: old.read(name) for name in old.namelist()}
        manifest = json.loads(parts.pop(archive.MANIFEST)) | changed
        with zipfile.ZipFile(file, "w") as new:
            for name, data in parts.items():
                new.writestr(name, data)
            new.writestr(archive.MANIFEST, json.dumps(manifest))

    return change


def make_foreign_zip(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as new:
        new.writestr("holiday.txt", "sun")


def add_a_part(file: Path) -> None:
    with zipfile.ZipFile(file, "a") as old:
        old.writestr("../evil", "x")


def test_a_whole_backup_is_usable(made: Path) -> None:
    assert "A whole backup" in restore(made, "--check")


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (cut, "no backup, or is damaged"),
        (change_a_byte, "amaged"),
        (make_foreign_zip, "no backup of PagerPal"),
        (lambda file: file.write_text("hello"), "no backup"),
        (lambda file: file.write_bytes(b""), "no backup"),
        (lambda file: file.unlink(), "cannot be read"),
        (add_a_part, "does not hold the parts"),
        (make_other(product="OtherPal"), "but of OtherPal"),
        (make_other(format=2), "newer PagerPal"),
        (make_other(migrations=["incidents.9999_wonder"], version="9.0"), "9.0 made this backup"),
        (make_other(database="oracle"), "a backup of oracle"),
        (make_other(parts={}), "does not hold the parts"),
        (make_other(parts={"tables/one": "0" * 64}), "tables/one is not what was written"),
        (make_other(surprise=1), "manifest is damaged"),
    ],
)
def test_a_file_that_is_no_whole_backup_of_here_is_refused(
    harm: Callable[[Path], None], why: str, made: Path
) -> None:
    harm(made)

    assert why in refused(made, "--replace")


def test_a_backup_is_for_its_owner_only_and_never_half(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = made.read_bytes()

    def fail(*args: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(backing_up, "_add_sqlite", fail)
    monkeypatch.setattr(backing_up, "_add_tables", fail)
    with pytest.raises(CommandError, match="no space left"):
        call_command("backup", str(made), "--force", stdout=StringIO())

    assert made.stat().st_mode & 0o777 == 0o600
    assert made.read_bytes() == before
    assert [one.name for one in made.parent.glob(".monday*")] == []
    with pytest.raises(CommandError, match="is there already"):
        call_command("backup", str(made))


def test_a_key_that_was_made_here_comes_with_the_backup(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR, kept = tmp_path, tmp_path / "secret_key"
    kept.write_text(settings.SECRET_KEY)
    with archive.written(tmp_path / "x.zip", NOW, "sqlite") as writer:
        writer.add(backing_up.KEY, kept)
    settings.SECRET_KEY = "another machine made this one by itself"
    kept.write_text(settings.SECRET_KEY)

    [said] = restoring._restore_key(Archive(tmp_path / "x.zip"), "now")

    assert "The key of the backup is in place" in said
    assert kept.read_text() != settings.SECRET_KEY
    assert (tmp_path / "secret_key.before_restore_now").read_text() == settings.SECRET_KEY


def test_a_key_of_the_environment_is_missed_when_it_is_another(
    made: Path, tmp_path: Path, settings: Any
) -> None:
    settings.DATA_DIR = tmp_path
    same = restoring._restore_key(Archive(made), "now")
    settings.SECRET_KEY = "another machine has this one in its environment"

    [said] = restoring._restore_key(Archive(made), "now")

    assert same == []
    assert "SECRET_KEY is not the one" in said


def test_a_damaged_sqlite_file_is_not_backed_up(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x")) as file:
        file.executescript(
            "CREATE TABLE a (id INTEGER PRIMARY KEY); "
            "CREATE TABLE b (a INTEGER REFERENCES a (id)); INSERT INTO b VALUES (7);"
        )
        with pytest.raises(NotUsable, match="others that are not there"):
            backing_up.check(file)


# --- From SQLite to PostgreSQL -------------------------------------------------------------------
@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of our own; its address without a database."""
    binaries = postgres.programs()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed to copy to")
    with postgres.alone(binaries) as own_server:
        yield own_server.url.rpartition("/")[0]


@pytest.fixture
def empty_postgres(server: str) -> str:
    name = f"copy_{secrets.token_hex(4)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


def on_sqlite() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the tests run on PostgreSQL: nothing to copy from")


def test_everything_is_copied_to_postgresql_and_counted(
    house: Incident, empty_postgres: str
) -> None:
    on_sqlite()
    said = StringIO()
    WorkerHeartbeat.objects.all().delete()

    call_command("copy_to_postgres", empty_postgres, stdout=said)

    with psycopg.connect(empty_postgres) as there:
        [(title, opened_at)] = there.execute(
            "SELECT title, opened_at FROM incidents_incident"
        ).fetchall()
        [(context,)] = there.execute("SELECT context FROM notifications_notification").fetchall()
        [(number,)] = there.execute(
            "SELECT nextval(pg_get_serial_sequence('incidents_incident', 'id'))"
        ).fetchall()
        applied = there.execute("SELECT count(*) FROM django_migrations").fetchone()
    assert (title, opened_at) == (house.title, house.opened_at)
    assert context["many"] == [1, None, {"a": True}]
    assert number == house.pk + 1
    assert applied is not None
    assert applied[0] > 50
    assert "incidents_incident" in said.getvalue()
    assert "every table has as many" in said.getvalue()


def test_a_postgresql_database_that_is_not_empty_is_left_alone(
    house: Incident, empty_postgres: str
) -> None:
    on_sqlite()
    with psycopg.connect(empty_postgres, autocommit=True) as there:
        there.execute("CREATE TABLE precious (id integer)")

    with pytest.raises(CommandError, match="not empty: it has 1 tables, such as precious"):
        call_command("copy_to_postgres", empty_postgres)

    with psycopg.connect(empty_postgres) as there:
        schemas = there.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'pagerpal%'")
        assert schemas.fetchall() == []


def make_tables(*args: object, **options: object) -> None:
    """As migrations would, but at once."""
    with connection.schema_editor() as editor:
        for model in arriving.all_models():
            if not model._meta.auto_created:
                editor.create_model(model)
        editor.create_model(MigrationRecorder(connection).Migration)


def test_a_row_that_does_not_fit_leaves_nothing_behind(
    house: Incident, empty_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_sqlite()
    monkeypatch.setattr(copying, "call_command", make_tables)
    with connection.cursor() as cursor:  # SQLite takes what is too long
        cursor.execute("UPDATE incidents_incident SET title = %s", ["x" * 500])

    with pytest.raises(CommandError, match="incidents_incident could not be copied: value too"):
        call_command("copy_to_postgres", empty_postgres, stdout=StringIO())

    with psycopg.connect(empty_postgres) as there:
        found = there.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert found.fetchone() == (0,)


@pytest.mark.parametrize("url", ["mysql://x@y/z", "nonsense", "sqlite:///x"])
def test_what_is_no_address_of_postgresql_is_refused(url: str, db: None) -> None:
    on_sqlite()

    with pytest.raises(CommandError, match="Expected an address"):
        call_command("copy_to_postgres", url)
