"""The System page and the doctor: one answer on top, and what it stands on below."""

from __future__ import annotations

import io
import json
import re
from datetime import datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from notifications.channels.base import SendError
from notifications.models import Notification, ProviderState
from pagerpal.models import SiteFact, WorkerHeartbeat
from pagerpal.system import ground, processes, table, ways
from pagerpal.system.line import Line
from pagerpal.system.report import report
from pagerpal.testing import (
    NOON,
    make_admin,
    make_incident,
    make_rotation,
    make_source,
    make_team,
    make_user,
    minutes,
    seconds,
)
from schedules.models import User

pytestmark = pytest.mark.django_db
GOOD_KEY = "Zq8vN2mXw5rT7yLp4sKd9fGh3jBc6aUe"


@pytest.fixture(autouse=True)
def well_set_up(settings: Any) -> None:
    """Nothing to find, but for what a test breaks; no other time zone than UTC."""
    settings.NOTIFICATION_SENDING_ENABLED = True
    settings.PAGERPAL_BASE_URL = "https://pager.example.org"
    settings.SESSION_COOKIE_SECURE = True
    settings.SECRET_KEY = GOOD_KEY
    settings.HEARTBEAT_URL = "https://hc.example.org/s3cret"


def a_worker(now: datetime = NOON, **fields: Any) -> None:
    WorkerHeartbeat.objects.create(name="host-a:71", started_at=now, beat_at=now, **fields)


def on_call(*, email: bool = False, ntfy: bool = True) -> User:
    user = make_user(email=email, ntfy=ntfy)
    make_rotation(make_team("Platform", user), user)
    return user


def line(slug: str, *, try_it: bool = False) -> Line:
    return next(one for one in report(NOON, try_it=try_it).lines if one.slug == slug)


def test_a_house_that_is_well_set_up_has_no_finding() -> None:
    a_worker()
    on_call()

    found = report(NOON)

    assert found.answer == "YES"
    assert found.findings == []
    assert not found.has_bad


def no_worker(settings: Any) -> None:
    WorkerHeartbeat.objects.all().delete()


def escalation_off(settings: Any) -> None:
    settings.ESCALATION_WORKER_ENABLED = False


def late_step(settings: Any) -> None:
    make_incident(now=NOON - minutes(3))


def slow_sweep(settings: Any) -> None:
    WorkerHeartbeat.objects.update(sweep_ms=1500)


def sending_worker_off(settings: Any) -> None:
    settings.NOTIFICATION_RETRY_WORKER_ENABLED = False


def old_task(settings: Any) -> None:
    OrmQ.objects.create(key="pagerpal", payload="x", lock=NOON - minutes(3))


def mail_unreceived(settings: Any) -> None:
    settings.INBOUND_SMTP_PORT = 2525


def unwatched(settings: Any) -> None:
    settings.HEARTBEAT_URL = ""


def beat_refused(settings: Any) -> None:
    SiteFact.objects.create(name="beat-failed", since=NOON, at=NOON, words="HTTP 404")


def beat_withheld(settings: Any) -> None:
    SiteFact.objects.create(name="beat-withheld", since=NOON, at=NOON, words="No worker.")


def safe_mode(settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = False


def mail_not_set_up(settings: Any) -> None:
    settings.SMTP_HOST = ""
    make_user("bob", email=True)


def breaker_open(settings: Any) -> None:
    ProviderState.objects.create(
        provider="ntfy", timeouts=3, probe_at=NOON, last_error="no answer", last_error_at=NOON
    )


def refused_last(settings: Any) -> None:
    ProviderState.objects.create(
        provider="ntfy", last_error="balance is 0.00", last_error_at=NOON,
        last_taken_at=NOON - minutes(5),
    )  # fmt: skip


def unreachable(settings: Any) -> None:
    User.objects.get(name="alice").contact_methods.update(is_on=False)


def behind(settings: Any) -> None:
    WorkerHeartbeat.objects.create(name="host-b:9", started_at=NOON, beat_at=NOON + seconds(30))


def loopback(settings: Any) -> None:
    settings.PAGERPAL_BASE_URL = "https://127.0.0.1"


def plain_http(settings: Any) -> None:
    settings.PAGERPAL_BASE_URL = "http://pager.example.org"


def careless_cookies(settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = False


def weak_key(settings: Any) -> None:
    settings.SECRET_KEY = "change-me"


@pytest.mark.parametrize(
    ("breaks", "slug", "mark", "mends"),
    [
        (no_worker, "worker", "bad", "python manage.py worker"),
        (escalation_off, "engine", "held", "ESCALATION_WORKER_ENABLED=true"),
        (late_step, "engine", "bad", "over two minutes late"),
        (slow_sweep, "engine", "warn", "the database is slow"),
        (sending_worker_off, "queue", "held", "NOTIFICATION_RETRY_WORKER_ENABLED=true"),
        (old_task, "queue", "warn", "over two minutes"),
        (mail_unreceived, "mail-in", "bad", "python manage.py mail"),
        (unwatched, "watchdog", "warn", "HEARTBEAT_URL=https://hc-ping.com/YOUR-UUID"),
        (beat_refused, "watchdog", "warn", "HTTP 404"),
        (beat_withheld, "watchdog", "warn", "withheld: No worker."),
        (safe_mode, "sending", "held", "NOTIFICATION_SENDING_ENABLED=true"),
        (mail_not_set_up, "provider-email", "bad", "SMTP_HOST=..."),
        (breaker_open, "provider-ntfy", "bad", "does not answer"),
        (refused_last, "provider-ntfy", "warn", "refused the last message"),
        (unreachable, "people", "bad", "alice is on call and has no contact method that is on."),
        (behind, "clock", "warn", "timedatectl set-ntp true"),
        (loopback, "address", "warn", "PAGERPAL_BASE_URL=http://ADDRESS:8000"),
        (plain_http, "https", "warn", "SESSION_COOKIE_SECURE=true"),
        (careless_cookies, "https", "warn", "SESSION_COOKIE_SECURE=true"),
        (weak_key, "secret-key", "warn", "SECRET_KEY=..."),
    ],
)
def test_each_finding_names_the_line_that_mends_it(
    breaks: Any, slug: str, mark: str, mends: str, settings: Any
) -> None:
    a_worker()
    on_call()
    breaks(settings)

    found = line(slug)

    assert found.mark == mark
    said = [" ".join([one.says, *one.env, one.command]) for one in found.remedies]
    assert [one for one in said if mends in one], said


@pytest.mark.parametrize(
    ("free", "mark"), [(2**40, "ok"), (200 * 2**20, "warn"), (2**20, "bad"), (None, "warn")]
)
def test_the_disk_is_told_of_before_it_is_full(
    free: int | None, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pagerpal.health.disk_free", lambda: free)

    assert ground.disk().mark == mark


def test_the_line_of_retention_names_all_that_is_deleted(settings: Any) -> None:
    settings.KEEP_MESSAGES_DAYS, settings.KEEP_TIMELINE_DAYS = 90, 365
    assert line("retention").says == (
        "Messages are kept for 90 days, lines of the timeline that PagerPal wrote for 365 after "
        "the incident's end."
    )

    make_source(make_team("Web"), keep_days=14)

    assert line("retention").says.endswith("what sources sent for up to 14, as each source says.")


def test_missing_migrations_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pagerpal.migrating.missing", lambda: ["incidents.0099_more"])

    found = ground.migrations()

    assert "incidents.0099_more" in found.says
    assert found.remedies[0].command == "python manage.py migrate"


def test_a_database_that_is_away_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise OperationalError("password authentication failed for user pager")

    monkeypatch.setattr(processes, "lines", refuse)

    found = report(NOON)

    assert [one.slug for one in found.findings] == ["database"]
    assert "pager" not in repr(found.lines)


def test_nothing_calls_the_mail_server_until_asked_to_try(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SMTP_HOST, settings.SMTP_FROM = "mail.example.org", "pager@example.org"
    settings.SMTP_USER = "pager"
    monkeypatch.setattr("notifications.channels.calls.request", refuse_all)
    monkeypatch.setattr(ways, "sign_in_only", refuse_all)

    assert line("provider-email").mark == "ok"
    tried = line("provider-email", try_it=True)
    assert tried.mark == "bad"
    assert "535 no" in tried.remedies[0].says
    assert tried.remedies[0].env == ("SMTP_USER=...", "SMTP_PASSWORD=...")
    assert "cannot be opened from here" in line("address", try_it=True).remedies[0].says


def refuse_all(*args: Any, **kwargs: Any) -> Any:
    raise SendError("535 no", permanent=True)


def doctor(*args: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("doctor", *args, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_the_doctor_ends_with_1_and_the_line_for_the_settings(settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = False
    a_worker(timezone.now())
    on_call()

    code, text = doctor()

    assert code == 1
    assert "Would a page go out now? held" in text
    assert "    NOTIFICATION_SENDING_ENABLED=true\n" in text


def test_the_doctor_ends_with_0_where_a_page_would_go_out_and_says_what_else(
    settings: Any,
) -> None:
    settings.HEARTBEAT_URL = ""
    a_worker(timezone.now())
    on_call()

    code, text = doctor("--json")

    found = json.loads(text)
    assert (code, found["answer"]) == (0, "YES")
    [mended] = [one for one in found["lines"] if one["mark"] == "warn"]
    assert mended["name"] == "watchdog"
    assert mended["remedies"][0]["env"] == ["HEARTBEAT_URL=https://hc-ping.com/YOUR-UUID"]


class TestPage:
    def test_an_admin_sees_the_answer_the_lines_and_the_settings(
        self, client: Client, settings: Any
    ) -> None:
        settings.SMTP_PASSWORD = "hunter2"
        a_worker(timezone.now())
        on_call()
        client.force_login(make_admin())

        text = client.get("/settings").content.decode()

        assert re.search(r"Would a page go out now\?.*YES", text, re.DOTALL)
        assert "host-a pid 71, alive" in text
        assert "<dt>SMTP_PASSWORD</dt>" in text
        assert "hunter2" not in text
        assert GOOD_KEY not in text
        assert "s3cret" not in text

    def test_others_see_how_it_stands_and_nothing_of_the_settings(self, client: Client) -> None:
        refused_last(None)
        client.force_login(make_user("bob"))

        text = client.get("/settings").content.decode()

        assert re.search(r"Would a page go out now\?.*NO", text, re.DOTALL)
        assert "None has ever run." in text
        assert "SMTP_PASSWORD" not in text
        assert "balance is 0.00" not in text
        assert "Send test" not in text

    def test_a_poll_that_would_say_the_same_is_answered_204(self, client: Client) -> None:
        a_worker(timezone.now())
        client.force_login(make_admin())
        seen = client.get("/settings").context["seen"]

        same = client.get("/settings", {"seen": seen}, headers={"HX-Request": "true"})
        WorkerHeartbeat.objects.all().delete()
        other = client.get("/settings", {"seen": seen}, headers={"HX-Request": "true"})

        assert same.status_code == 204
        assert other.content.decode().startswith('<div id="system"')
        assert "SMTP_PASSWORD" not in other.content.decode()

    def test_a_test_goes_to_the_admins_own_address_through_the_outbox(self, client: Client) -> None:
        admin = make_user("root", is_staff=True, is_superuser=True)
        client.force_login(admin)

        client.post("/settings/test/ntfy")

        row = Notification.objects.get()
        assert (row.user, row.purpose, row.address) == (admin, "test", "topic-root")

    def test_an_admin_without_such_an_address_is_sent_to_add_one(self, client: Client) -> None:
        client.force_login(make_admin())

        assert client.post("/settings/test/ntfy")["Location"] == "/me"
        assert not Notification.objects.exists()


class TestTable:
    def test_it_has_every_setting_of_the_example_in_its_order(self, settings: Any) -> None:
        example = (settings.BASE_DIR / ".env.example").read_text()
        named = re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)

        assert [row.name for _, rows in table.groups() for row in rows] == named

    def test_whatever_is_secret_by_its_name_is_not_told(self) -> None:
        names = [row.name for _, rows in table.groups() for row in rows]
        secret = re.compile(r"PASSWORD|TOKEN|SECRET|API_KEY|DATABASE_URL|HEARTBEAT.*URL")

        assert {name for name in names if secret.search(name)} <= table.SECRETS

    def test_every_other_setting_has_a_value_to_show(self, settings: Any) -> None:
        for _, rows in table.groups():
            for row in rows:
                if row.name not in table.SECRETS:
                    assert hasattr(settings, table.CALLED.get(row.name, row.name)), row.name

    def test_a_secret_is_only_set_or_not_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NTFY_TOKEN", raising=False)
        before = table.row("NTFY_TOKEN")
        monkeypatch.setenv("NTFY_TOKEN_FILE", "/run/secrets/ntfy")

        assert (before.shown, before.is_given) == ("not set", False)
        assert table.row("NTFY_TOKEN") == table.Row("NTFY_TOKEN", "set", True)
