"""docs/nginx.conf with a real nginx and TLS: who is believed, and what browsers are given."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from pagerpal.models import SignIn, TryCount
from pagerpal.testing import make_admin, make_source, make_team
from pagerpal.tests.processes import ROOT, Site, free_port, wait_until
from pagerpal.throttle import PER_ADDRESS, hashed

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
CERTIFICATE = ROOT / "notifications/tests/loopback.pem"
PASSWORD = "horse battery staple"
KEY = "k" * 32


@dataclass
class Proxy:
    """An nginx in front of a site; `plain` and `tls` are its ports."""

    site: Site
    plain: int
    tls: int
    log: Path

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.tls}"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str


def ask(
    port: int,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    body: bytes = b"",
    source: str = "127.0.0.1",
    tls: bool = True,
) -> Answer:
    """One request from this address of the loopback network."""
    sent = dict(headers or {})
    if form is not None:
        body = urlencode(form).encode()
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    here = (source, 0)
    context = ssl.create_default_context(cafile=str(CERTIFICATE))
    connection = (
        http.client.HTTPSConnection("localhost", port, source_address=here, context=context)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, source_address=here)
    )
    with closing(connection):
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode())


def form_of(page: Answer) -> tuple[str, dict[str, str]]:
    """The cookie that a browser would send back, and the form's token with a right password."""
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token, page.text
    filled = {"username": "root@example.org", "password": PASSWORD}
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    return cookie, {**filled, "csrfmiddlewaretoken": token[1]}


@pytest.fixture
def proxy(site: Site, tmp_path: Path) -> Iterator[Proxy]:
    if not Path(NGINX).exists():
        pytest.skip("nginx is missing: install Debian's package nginx-light")
    found = Proxy(site, free_port(), free_port(), tmp_path / "pagerpal.log")
    site.environment |= {
        "PAGERPAL_BASE_URL": found.origin,
        "SESSION_COOKIE_SECURE": "true",
        "TRUSTED_PROXIES": "127.0.0.1",
    }
    site.start_web()
    config = tmp_path / "nginx.conf"
    config.write_text(_whole(found, tmp_path))
    process = subprocess.Popen([NGINX, "-p", str(tmp_path), "-e", "stderr", "-c", str(config)])
    try:
        wait_until(lambda: _is_open(found.tls) or process.poll() is not None)
        yield found
    finally:
        process.terminate()
        process.wait(10)


def _is_open(port: int) -> bool:
    with socket.socket() as plain:
        return plain.connect_ex(("127.0.0.1", port)) == 0


def _whole(proxy: Proxy, folder: Path) -> str:
    """The file of docs/, its ports, names and paths replaced, inside what nginx has around it."""
    text = (ROOT / "docs/nginx.conf").read_text()
    for written, here in (
        ("listen [::]:80;", ""),
        ("listen [::]:443 ssl;", ""),
        ("listen 80;", f"listen 127.0.0.1:{proxy.plain};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{proxy.tls} ssl;"),
        ("pager.example.org;", "localhost;"),
        ("/etc/letsencrypt/live/pager.example.org/fullchain.pem", str(CERTIFICATE)),
        ("/etc/letsencrypt/live/pager.example.org/privkey.pem", str(CERTIFICATE)),
        ("/var/log/nginx/", f"{folder}/"),
        ("http://127.0.0.1:8000", proxy.site.url),
    ):
        assert written in text, written
        text = text.replace(written, here)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    around = f"daemon off; master_process off; pid {folder}/pid; events {{}}"
    return f"{around} http {{ {paths}\n{text} }}"


@pytest.mark.processes
def test_behind_nginx_as_documented_pagerpal_knows_who_asks_and_how(proxy: Proxy) -> None:
    root = make_admin()
    # By a hasher of the real settings: those of the tests have another.
    root.password = PBKDF2PasswordHasher().encode(PASSWORD, "salt", 1000)
    root.save(update_fields=["password"])
    make_source(make_team("Platform"), key=KEY)

    _browsers_sign_in_by_https(proxy)
    _strangers_are_not_believed(proxy)
    _monitors_are_never_redirected(proxy)


def _browsers_sign_in_by_https(proxy: Proxy) -> None:
    page = ask(proxy.tls, "GET", "/login")
    cookie, form = form_of(page)

    assert re.fullmatch(r"__Host-csrftoken=\w+; .*; Path=/; .*; Secure", page.headers["Set-Cookie"])
    assert "Domain" not in page.headers["Set-Cookie"]
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert page.headers["Server"] == "nginx"  # server_tokens off

    given = {"Cookie": cookie, "X-Forwarded-For": "203.0.113.7"}
    strange = {**given, "Origin": "https://evil.example"}
    ours = {**given, "Origin": proxy.origin}
    refused = ask(proxy.tls, "POST", "/login", form=form, headers=strange)
    right = ask(proxy.tls, "POST", "/login", form=form, headers=ours, source="127.0.0.9")

    assert (refused.status, right.status) == (403, 302)
    cookies = {one.partition("=")[0]: one for one in right.headers.get_all("Set-Cookie", [])}
    assert {"__Host-sessionid", "__Host-known"} <= set(cookies)
    assert all("Secure" in one and "Domain" not in one for one in cookies.values())
    assert "HttpOnly" in cookies["__Host-sessionid"]
    # What the browser claimed before it came to nginx is not believed.
    assert SignIn.objects.get().address == "127.0.0.9"


def _strangers_are_not_believed(proxy: Proxy) -> None:
    """Whoever reaches gunicorn itself, from an address that is no proxy's, may claim nothing."""
    port, source = proxy.site.port, "127.0.0.2"
    claims = {"X-Forwarded-For": "203.0.113.8", "X-Forwarded-Proto": "https"}
    page = ask(port, "GET", "/login", headers=claims, source=source, tls=False)
    cookie, form = form_of(page)
    wrong, claims = {**form, "password": "guessed"}, {**claims, "Cookie": cookie}
    ask(port, "POST", "/login", form=wrong, headers=claims, source=source, tls=False)
    other = ask(proxy.tls, "GET", "/login", headers={"Host": "evil.example"})

    assert "Strict-Transport-Security" not in page.headers
    counted = set(TryCount.objects.filter(tries=1).values_list("key_hash", flat=True))
    assert hashed(PER_ADDRESS, "127.0.0.2") in counted
    assert hashed(PER_ADDRESS, "203.0.113.8") not in counted
    assert other.status == 400


def _monitors_are_never_redirected(proxy: Proxy) -> None:
    alert = json.dumps({"title": "Disk full", "description": "x" * 900_000}).encode()
    path, kind = f"/in/{KEY}", {"Content-Type": "application/json"}

    taken = ask(proxy.tls, "POST", path, body=alert, headers=kind)
    too_large = ask(proxy.tls, "POST", path, body=alert * 3, headers=kind)
    by_http = ask(proxy.plain, "POST", path, body=b"{}", headers=kind, tls=False)
    browser = ask(proxy.plain, "GET", "/incidents", headers={"Host": "localhost"}, tls=False)

    assert (taken.status, too_large.status, by_http.status) == (202, 413, 403), taken.text
    assert "nginx" not in too_large.text
    assert browser.status == 301
    assert browser.headers["Location"] == "https://localhost/incidents"
    said = proxy.log.read_text()
    assert "/in/***" in said
    assert KEY not in said
