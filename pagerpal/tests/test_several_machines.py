"""Two web and two worker processes on one PostgreSQL behind nginx: no node is special."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from incidents.models import Incident
from notifications.models import DeliveryEvent, Notification
from pagerpal.testing import make_admin, make_policy, make_source, make_team, make_user
from pagerpal.tests.processes import NtfyServer, Program, Site, free_port, wait_until

pytestmark = pytest.mark.processes

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
KEY = "k" * 32
CONFIG = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream pagerpal {{ server 127.0.0.1:{one}; server 127.0.0.1:{two}; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://pagerpal;
      proxy_set_header Host localhost;
      proxy_connect_timeout 2s;
    }}
  }}
}}
"""


@pytest.fixture
def second(site: Site) -> Iterator[Site]:
    """Another machine with the same database, key and environment."""
    folder = site.folder / "second"
    folder.mkdir()
    running = Site(site.database_url, folder, site.environment)
    yield running
    running.end()


@pytest.fixture
def entrance(site: Site, second: Site) -> Iterator[str]:
    """Where nginx listens, in front of both."""
    if connection.vendor != "postgresql":
        pytest.skip("the tests run on SQLite, which is for one machine")
    if not Path(NGINX).exists():
        pytest.skip("nginx is missing: install Debian's package nginx-light")
    port = free_port()
    config = site.folder / "balance.conf"
    names = {"folder": site.folder, "port": port, "one": site.port, "two": second.port}
    config.write_text(CONFIG.format(**names))
    process = subprocess.Popen([NGINX, "-e", f"{site.folder}/error.log", "-c", str(config)])
    yield f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGQUIT)
    process.wait(20)


def post(url: str, name: str) -> None:
    """As monitors do: again and again until it is taken."""
    body = json.dumps({"title": name, "external_id": name, "severity": "critical"}).encode()
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
    for _ in range(20):
        asked = urllib.request.Request(f"{url}/api/v1/alerts", body, headers)
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                assert answer.status < 300
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{name} was not taken")


def who_answers(url: str, cookie: str) -> str:
    """The status of a page for somebody who signed in, without being led elsewhere."""
    asked = urllib.request.Request(f"{url}/incidents", headers={"Cookie": cookie})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return f"{answer.status} {answer.url.removeprefix(url)}"


def told_of(ntfy: NtfyServer) -> Counter[int]:
    """How often a page told of each incident."""
    calls = [call.body for call in list(ntfy.calls) if call.method == "POST" and call.body]
    texts = [f"{body.get('title')} {body.get('message')}" for body in calls]
    return Counter(int(n) for text in texts for n in set(re.findall(r"#(\d+)", text)))


def kill(program: Program) -> None:
    """With all that it started: the machine is gone."""
    for process in [*program.children(recursive=True)]:
        process.kill()
    program.process.kill()
    program.wait()


def test_any_machine_may_die_and_nothing_is_lost_or_doubled(
    site: Site, second: Site, entrance: str, ntfy: NtfyServer
) -> None:
    alice = make_user("alice")
    team = make_team("house", alice)
    make_policy(team, alice)
    make_source(team, key=KEY)
    browser = Client()
    browser.force_login(make_admin())
    cookie = f"sessionid={browser.cookies['sessionid'].value}"
    webs = [site.start_web(), second.start_web()]
    workers = [site.start_worker()[0], second.start_worker()[0]]

    for place in range(8):
        post(entrance, f"before-{place}")
    seen = {who_answers(entrance, cookie) for _ in range(6)}
    wait_until(lambda: len(told_of(ntfy)) == 8, seconds=30, why=workers[1])
    wait_until(lambda: not Notification.objects.filter(state="sending").exists())
    kill(workers[0])
    for place in range(16):
        if place == 4:
            kill(webs[0])
        post(entrance, f"after-{place}")
    seen |= {who_answers(entrance, cookie) for _ in range(6)}
    wait_until(lambda: len(told_of(ntfy)) == 24, seconds=30, why=workers[1])
    wait_until(lambda: not Notification.objects.filter(state="sending").exists())

    sent = DeliveryEvent.objects.filter(kind="sent").values_list("notification", flat=True)
    assert seen == {"200 /incidents"}
    assert Incident.objects.count() == 24
    assert set(told_of(ntfy).values()) == {1}
    assert set(Counter(sent).values()) == {1}
