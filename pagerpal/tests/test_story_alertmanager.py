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

from alertsources.models import Alert, AlertSource
from incidents import lifecycle
from incidents.lifecycle import Actor
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
  group_interval: {interval}
  repeat_interval: {repeat}
receivers:
  - name: pagerpal
    webhook_configs:
      - url: {url}
        max_alerts: 3
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
def alertmanager(
    request: pytest.FixtureRequest,
    site: Site,  # noqa: F811
    tmp_path: Path,
) -> Iterator[str]:
    """A running Alertmanager that sends everything to PagerPal; its address."""
    port = free_port()
    interval, repeat = getattr(request, "param", ("1s", "4h"))
    configuration = tmp_path / "alertmanager.yml"
    url = f"{site.url}/api/v1/alerts/alertmanager"
    configuration.write_text(
        CONFIGURATION.format(url=url, key=KEY, interval=interval, repeat=repeat)
    )
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


def post_alerts(
    alertmanager: str, *instances: str, name: str = "DiskFull", ends_at: datetime | None = None
) -> None:
    alerts = [
        {
            "labels": {"alertname": name, "instance": instance, "severity": "critical"},
            "annotations": {"summary": f"Disk 96% full on {instance}"},
        }
        | ({"endsAt": ends_at.isoformat()} if ends_at else {})
        for instance in instances
    ]
    answer = requests.post(f"{alertmanager}/api/v2/alerts", json=alerts, timeout=5)
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

    post_alerts(alertmanager, "db-6")

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

    post_alerts(alertmanager, "db-6", ends_at=datetime.now(UTC))

    wait_until(lambda: state() == "resolved", why="Alertmanager's resolve")
    ends = wait_until(lambda: messages(ntfy)[4:] and messages(ntfy)[3:], why="word of the end")
    assert {end["topic"] for end in ends} == {"topic-alice", "topic-bob"}
    assert len(kept.mails) == 1


def firing(incident: Incident) -> set[str]:
    found = Alert.objects.firing().filter(incident=incident)
    return {labels["instance"] for labels in found.values_list("labels", flat=True)}


def wait_for_a_repeat() -> None:
    """Alertmanager says all that fires once more."""
    before = sum(Alert.objects.firing().values_list("count", flat=True))
    wait_until(
        lambda: sum(Alert.objects.firing().values_list("count", flat=True)) > before,
        why="a repeat",
    )


@pytest.mark.parametrize("alertmanager", [("400ms", "900ms")], indirect=True)
def test_a_group_grows_shrinks_repeats_is_answered_and_is_cut(
    site: Site,  # noqa: F811
    ntfy: NtfyServer,  # noqa: F811
    alertmanager: str,
) -> None:
    team = make_team("Platform", alice := make_user("alice"))
    policy = make_policy(team, alice, delay=seconds(600))
    make_source(team, key=KEY, kind="alertmanager", policy=policy)
    site.start_web()
    site.start_worker()

    # Grouped: one incident, one page. Growing and repeating add alerts and counts to it.
    post_alerts(alertmanager, "db-1", "db-2")
    ntfy.wait_for(1)
    first = Incident.objects.get()
    assert firing(first) == {"db-1", "db-2"}
    post_alerts(alertmanager, "db-3")
    wait_until(lambda: firing(first) == {"db-1", "db-2", "db-3"}, why="db-3 to join")
    wait_for_a_repeat()

    # Shrinking: what ended is told once, and its absence afterwards ends nothing else.
    post_alerts(alertmanager, "db-2", ends_at=datetime.now(UTC))
    wait_until(lambda: firing(first) == {"db-1", "db-3"}, why="db-2 to end")
    wait_for_a_repeat()
    assert (Incident.objects.count(), state(), len(messages(ntfy))) == (1, "triggered", 1)

    # Resolved by a human while it fires: repeats count and page nobody; its end is noted.
    lifecycle.resolve(first.pk, Actor(alice, "alice", "page"), now=datetime.now(UTC))
    heard = len(messages(ntfy))
    wait_for_a_repeat()
    assert (Incident.objects.count(), state()) == (1, "resolved")
    post_alerts(alertmanager, "db-1", "db-3", ends_at=datetime.now(UTC))
    wait_until(lambda: not firing(first), why="the rest to end")
    assert not [call for call in messages(ntfy)[heard:] if call.get("priority", 3) > 3]

    # Firing anew after its end is a new incident; its own end resolves it.
    post_alerts(alertmanager, "db-1")
    second = wait_until(lambda: Incident.objects.exclude(pk=first.pk).first(), why="a new one")
    post_alerts(alertmanager, "db-1", ends_at=datetime.now(UTC))
    wait_until(lambda: not Incident.objects.open().exists(), why="the monitor's resolve")

    # Cut at three alerts: the incident says so, and the end of the group is the end of all.
    hosts = [f"web-{number}" for number in range(5)]
    post_alerts(alertmanager, *hosts, name="HostDown")
    third = wait_until(lambda: Incident.objects.filter(pk__gt=second.pk).first(), why="the cut one")
    assert third.detail.endswith("2 more alerts were not transmitted.")
    assert len(firing(third)) == 3
    post_alerts(alertmanager, *hosts, name="HostDown", ends_at=datetime.now(UTC))
    wait_until(lambda: not Alert.objects.firing().exists(), why="the end of all")
    assert Incident.objects.count() == 3
    assert not Incident.objects.open().exists()
