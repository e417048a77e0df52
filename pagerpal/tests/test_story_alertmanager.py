"""The whole way with real programs: Alertmanager, web and worker, a phone, a mailbox."""

from __future__ import annotations

import email
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import Message as Mail
from pathlib import Path
from typing import Any

import pytest
import requests
from aiosmtpd.controller import Controller

from alertsources.models import AlertSource
from incidents.models import Incident
from pagerpal.testing import make_policy, make_source, make_team, make_user, seconds
from pagerpal.tests.processes import (  # noqa: F401  ntfy and site are fixtures
    NtfyServer,
    Site,
    free_port,
    get,
    ntfy,
    site,
    wait_until,
)

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
KEY = "alertmanagerkey0123456789abcdefg"

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        ALERTMANAGER is None, reason="needs Alertmanager: apt install prometheus-alertmanager"
    ),
]

CONFIGURATION = """
route:
  receiver: pagerpal
  group_by: [alertname]
  group_wait: 200ms
  group_interval: 1s
  repeat_interval: 4h
receivers:
  - name: pagerpal
    webhook_configs:
      - url: {url}
        http_config:
          authorization:
            credentials: {key}
"""


class Mailbox:
    """A mail server that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, Mail]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append((envelope.rcpt_tos[0], email.message_from_bytes(envelope.content)))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    kept, port = Mailbox(), free_port()
    controller = Controller(kept, hostname="127.0.0.1", port=port)
    controller.start()
    yield kept, port
    controller.stop()


@pytest.fixture
def alertmanager(site: Site, tmp_path: Path) -> Iterator[str]:  # noqa: F811
    """A running Alertmanager that sends everything to PagerPal; its address."""
    port = free_port()
    configuration = tmp_path / "alertmanager.yml"
    url = f"{site.url}/api/v1/alerts/alertmanager"
    configuration.write_text(CONFIGURATION.format(url=url, key=KEY))
    assert ALERTMANAGER
    log = (tmp_path / "alertmanager.log").open("wb")
    process = subprocess.Popen(
        [
            ALERTMANAGER,
            f"--config.file={configuration}",
            f"--storage.path={tmp_path / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    wait_until(lambda: get(f"{address}/-/ready")[0] == 200, why="Alertmanager to be ready")
    yield address
    process.kill()
    process.wait(10)
    log.close()


def post_alert(alertmanager: str, *, ends_at: datetime | None = None) -> None:
    alert: dict[str, Any] = {
        "labels": {"alertname": "DiskFull", "instance": "db-6", "severity": "critical"},
        "annotations": {"summary": "Disk 96% full on db-6"},
    }
    if ends_at:
        alert["endsAt"] = ends_at.isoformat()
    answer = requests.post(f"{alertmanager}/api/v2/alerts", json=[alert], timeout=5)
    assert answer.status_code == 200, answer.text


def messages(phone: NtfyServer) -> list[dict[str, Any]]:
    """What rang; orders to clear a message do not."""
    return [call.body for call in list(phone.calls) if call.method == "POST"]


def press(message: dict[str, Any]) -> tuple[int, str]:
    """Tap the Acknowledge button, as the app does: an empty POST without cookies."""
    button = next(one for one in message["actions"] if one["label"] == "Acknowledge")
    request = urllib.request.Request(button["url"], data=b"", method=button["method"])
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.status, answer.read().decode()


def state() -> str:
    return Incident.objects.get().state


def prepare() -> AlertSource:
    """alice answers first and has push and mail; two seconds later it is bob's turn."""
    alice = make_user("alice", email=True)
    bob = make_user("bob")
    team = make_team("Platform", alice, bob)
    policy = make_policy(team, alice, bob, delay=seconds(2))
    return make_source(team, key=KEY, kind="alertmanager", policy=policy)


def mail_at_once() -> None:
    """alice wants her mail together with the push."""
    from notifications.models import ContactMethod, NotificationRule

    for method in ContactMethod.objects.filter(user__name="alice"):
        NotificationRule.objects.create(
            user=method.user, urgency="high", contact_method=method, delay=seconds(0)
        )


def test_an_alert_wakes_alice_then_bob_who_answers_with_one_tap(
    site: Site,  # noqa: F811
    ntfy: NtfyServer,  # noqa: F811
    mailbox: tuple[Mailbox, int],
    alertmanager: str,
) -> None:
    kept, port = mailbox
    site.environment |= {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(port),
        "SMTP_SECURITY": "none",
        "SMTP_FROM": "pagerpal@example.org",
        "PAGERPAL_BASE_URL": site.url,
    }
    prepare()
    mail_at_once()
    served = site.manage("serve")
    wait_until(lambda: get(f"{site.url}/health")[0] == 200, seconds=30, why=served.log)

    post_alert(alertmanager)

    first = wait_until(lambda: messages(ntfy), why="a push to alice")[0]
    assert first["topic"] == "topic-alice"
    assert "Disk 96% full on db-6" in first["title"]
    assert first["priority"] == 5
    wait_until(lambda: kept.mails, why="a mail to alice")
    to, mail = kept.mails[0]
    assert to == "alice@example.org"
    assert "Disk 96% full on db-6" in str(mail["Subject"])

    # Nobody answers: two seconds later it is bob's turn.
    second = wait_until(lambda: messages(ntfy)[1:], why="a push to bob")[0]
    assert second["topic"] == "topic-bob"

    status, words = press(second)

    assert (status, words.strip()) == (200, f"#{Incident.objects.get().pk} is yours.")
    assert state() == "acknowledged"
    third = wait_until(lambda: messages(ntfy)[2:], why="word to alice that bob has it")[0]
    assert (third["topic"], third["priority"] < 3) == ("topic-alice", True)
    heard, read = len(messages(ntfy)), len(kept.mails)
    time.sleep(4)  # two more steps' worth of silence
    assert (len(messages(ntfy)), len(kept.mails)) == (heard, read) == (3, 1)

    post_alert(alertmanager, ends_at=datetime.now(UTC))

    wait_until(lambda: state() == "resolved", why="Alertmanager's resolve")
    ends = wait_until(lambda: messages(ntfy)[4:] and messages(ntfy)[3:], why="word of the end")
    assert {end["topic"] for end in ends} == {"topic-alice", "topic-bob"}
    assert len(kept.mails) == 1
