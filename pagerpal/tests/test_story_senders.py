"""What only a running server can show of senders: keys in every place, chunks, long lines."""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
import requests
from moto import mock_aws
from moto.sns.models import sns_backends

from alertsources.models import Alert, AlertSource, ReceivedPayload
from alertsources.tests.bodies import Recorded, recorded
from alertsources.tests.sns import HOST, TOKEN, TOPIC, own_certificate, signed
from incidents.models import Incident
from notifications.models import Notification
from pagerpal.testing import make_policy, make_source, make_team, make_user
from pagerpal.tests.processes import NtfyServer, Site, ntfy, site, wait_until

__all__ = ["ntfy", "site"]  # fixtures

KEY = "sendersk3y0123456789abcdefghijkl"
JSON = {"Content-Type": "application/json"}

pytestmark = pytest.mark.processes


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


PLACES: list[tuple[str, dict[str, str]]] = [
    (f"/in/{KEY}", {}),
    (f"/in/{KEY}/", {}),
    (f"/api/v1/alerts/{KEY}", {}),
    (f"/api/v1/alerts?key={KEY}", {}),
    (f"/api/v1/alerts/generic/?apiKey={KEY}", {}),
    ("/api/v1/alerts", {"Authorization": f"Bearer {KEY}"}),
    ("/api/v1/alerts/", {"Authorization": f"GenieKey {KEY}"}),
    ("/api/v1/alerts/generic", {"Authorization": KEY}),
    ("/api/v1/alerts", basic("pagerpal", KEY)),
    ("/api/v1/alerts", basic(KEY, "")),
    ("/api/v1/alerts", {"X-Api-Key": KEY}),
    ("/api/v1/alerts", {"X-Alert-Source-Key": KEY}),
]


class Sender:
    """Sends as monitors do, without following what it is answered."""

    def __init__(self, site: Site) -> None:
        self.port = site.port

    def send(
        self, path: str, body: Any, headers: dict[str, str], *, method: str = "POST"
    ) -> tuple[int, dict[str, str], str]:
        server = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        is_chunked = not isinstance(body, bytes)
        server.request(method, path, body, headers, encode_chunked=is_chunked)
        answer = server.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read().decode()
        server.close()
        return found

    def send_recorded(self, request: Recorded, *, in_chunks: bool = False) -> dict[str, Any]:
        path = f"/api/v1/alerts/{request.kind}"
        path = f"{path}?{request.query}" if request.query else path
        headers = request.headers | {"X-API-Key": KEY}
        body: Any = pieces(request.body) if in_chunks else request.body
        status, _, text = self.send(path, body, headers, method=request.method)
        assert status == 202, text
        found: dict[str, Any] = json.loads(text)
        return found


def pieces(body: bytes, size: int = 700) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def test_a_key_is_found_in_every_place_and_shown_in_no_log(site: Site) -> None:
    make_source(make_team(), key=KEY)
    web = site.start_web()
    sender = Sender(site)

    for number, (path, headers) in enumerate(PLACES):
        body = json.dumps({"title": f"Alert {number}"}).encode()
        status, _, text = sender.send(path, body, headers | JSON)
        assert (status, json.loads(text)["status"]) == (202, "accepted"), path

    # SNS asks without credentials first, and comes again with them once it is challenged.
    status, headers, _ = sender.send("/api/v1/alerts", b'{"title": "SNS"}', {})
    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="PagerPal"')
    assert sender.send("/api/v1/alerts", b'{"title": "SNS"}', basic("sns", KEY))[0] == 202
    assert Incident.objects.count() == len(PLACES) + 1

    # Requests that fail at Django, and such that fail before it.
    AlertSource.objects.update(is_active=False)
    for path, headers in PLACES:
        assert sender.send(path, b"{}", headers)[0] == 403
    assert sender.send(f"/in/{KEY}/more", b"{}", {})[0] == 404
    for broken in (f"GET /in/{KEY} \x01 HTTP/9", f"POST /in/{KEY}?key={KEY} HTTP/1.1\r\nA b: c"):
        answer = exchange(site, f"{broken}\r\nHost: x\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 4"), answer
    assert "/in/***" in web.log
    assert KEY not in web.log
    for _, headers in PLACES:
        assert all(value.rpartition(" ")[2] not in web.log for value in headers.values())


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is missing")
def test_curl_brings_the_key_in_every_place(site: Site) -> None:
    make_source(make_team(), key=KEY)
    site.start_web()
    userinfo = site.url.replace("://", f"://pagerpal:{KEY}@")
    places = [(f"{site.url}{path}", headers) for path, headers in PLACES]

    for number, (url, headers) in enumerate([*places, (f"{userinfo}/api/v1/alerts", {})]):
        options = [option for pair in headers.items() for option in ("-H", ": ".join(pair))]
        body = json.dumps({"title": f"Alert {number}"})
        command = ["curl", "-sS", "-m", "10", "-w", "%{http_code}", *options, "-d", body, url]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert answer.endswith("202"), (url, answer)

    assert Incident.objects.count() == len(PLACES) + 1


def test_the_same_alert_from_16_connections_at_once_makes_one_incident(site: Site) -> None:
    """As two Alertmanagers that watch each other send it, only harder; 20 times."""
    make_source(make_team(), key=KEY)
    site.start_web()
    start = threading.Barrier(16)

    def post(body: bytes) -> int:
        server = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
        server.connect()
        start.wait(30)
        server.request("POST", "/api/v1/alerts", body, {"X-API-Key": KEY} | JSON)
        status = server.getresponse().status
        server.close()
        return status

    with ThreadPoolExecutor(16) as pool:
        for number in range(20):
            body = json.dumps({"title": f"Alert {number}", "external_id": str(number)}).encode()
            assert set(pool.map(post, [body] * 16)) == {202}

    assert Incident.objects.count() == Alert.objects.count() == 20
    assert set(Alert.objects.values_list("count", flat=True)) == {16}
    assert ReceivedPayload.objects.count() == 20 * 16


def test_a_topic_of_sns_confirms_itself_and_brings_its_alarm(site: Site) -> None:
    source = make_source(make_team(), kind="cloudwatch", key=KEY)
    pem, asked = site.folder / "own.pem", site.folder / "asked.txt"
    pem.write_text(own_certificate())
    environment = {"AMAZON_PEM": str(pem), "AMAZON_ASKED": str(asked)}
    site.start_web("pagerpal.tests.wsgi_with_amazon", **environment)
    sender = Sender(site)

    def deliver(body: bytes) -> int:
        headers = {"Content-Type": "text/plain; charset=UTF-8"} | basic("sns", KEY)
        return sender.send("/api/v1/alerts/cloudwatch", body, headers)[0]

    alarm = {"AlarmName": "cpu", "AlarmArn": "arn:cpu", "NewStateValue": "ALARM"}
    notification = {"Type": "Notification", "Message": json.dumps(alarm)}
    assert deliver(signed()) == 202
    assert deliver(signed(**notification)) == 202
    assert deliver(signed(**notification, Signature="AAAA")) == 403
    assert deliver(signed(**notification, TopicArn=f"{TOPIC}-2")) == 403

    source.refresh_from_db()
    assert source.topic_arn == TOPIC
    assert Incident.objects.get().title == "cpu"
    confirmations = [url for url in asked.read_text().splitlines() if "Confirm" in url]
    assert [url.startswith(f"{HOST}/?") and TOKEN in url for url in confirmations] == [True]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_alarms_that_moto_signs_page_and_resolve(
    site: Site, ntfy: NtfyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An SNS that is not ours: it signs with its own key, and posts as its topic's subscriber."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    team = make_team()
    make_policy(team, make_user("ada"))
    make_source(team, kind="cloudwatch", key=KEY, settings={"sns_signature": "required"})
    pem, asked = site.folder / "moto.pem", site.folder / "asked.txt"
    environment = {"AMAZON_PEM": str(pem), "AMAZON_ASKED": str(asked)}
    alarm = json.loads(json.loads(recorded("sns", "cloudwatch_alarm_v1").body)["Message"])
    over = alarm | {"NewStateValue": "OK", "StateChangeTime": "2026-08-22T14:20:00.000+0000"}

    with mock_aws():
        topic = boto3.resource("sns", region_name="eu-central-1").create_topic(Name="alarms")
        topic.subscribe(Protocol="http", Endpoint=f"{site.url}/in/{KEY}")
        [subscription] = sns_backends["123456789012"]["eu-central-1"].subscriptions.values()
        certificate = subscription.get_post_data("x", "m-0", None)["SigningCertURL"]
        pem.write_text(requests.get(certificate, timeout=5).text)
        site.start_web("pagerpal.tests.wsgi_with_amazon", **environment)
        site.start_worker()

        topic.publish(Message=json.dumps(alarm))
        ntfy.wait_for(1)
        assert Incident.objects.get().title == alarm["AlarmName"]
        topic.publish(Message=json.dumps(over))

    assert Incident.objects.get().state == Incident.State.RESOLVED


def exchange(site: Site, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as server:
        server.sendall(request)
        return server.recv(4096)


def test_uptime_kuma_in_all_its_modes_pages_once_and_recovers(
    site: Site,
    ntfy: NtfyServer,
) -> None:
    team = make_team()
    make_policy(team, make_user("ada"))
    make_source(team, kind="uptime-kuma", key=KEY)
    site.start_web()
    site.start_worker()
    sender = Sender(site)

    form = sender.send_recorded(recorded("uptime-kuma", "form_down"), in_chunks=True)
    ntfy.wait_for(1)
    json_ = sender.send_recorded(recorded("uptime-kuma", "down"))
    get = sender.send_recorded(recorded("uptime-kuma", "get_down"))

    assert form["incident"] == json_["incident"] == get["incident"]
    incident = Incident.objects.get()
    assert incident.title == "Shop front page is down"
    assert sender.send_recorded(recorded("uptime-kuma", "test"))["incidents"] == []
    up = sender.send_recorded(recorded("uptime-kuma", "up"))
    assert up["note"].startswith(f"Resolved #{incident.pk}.")
    wait_until(lambda: Incident.objects.get().state == Incident.State.RESOLVED)
    pages = Notification.objects.filter(purpose=Notification.Purpose.PAGE)
    assert pages.filter(state=Notification.State.SENT).count() == 1
    assert ReceivedPayload.objects.filter(result="unreadable").count() == 0


def test_request_lines_of_8_kilobytes_are_taken(site: Site) -> None:
    make_source(make_team(), key=KEY)
    web = site.start_web()
    sender = Sender(site)
    path = f"/api/v1/alerts?key={KEY}&title="
    room = 8190 - len(f"GET {path} HTTP/1.1\r\n")

    fits, _, text = sender.send(path + "x" * room, b"", {}, method="GET")
    too_long, _, _ = sender.send(path + "x" * (room + 10), b"", {}, method="GET")

    assert (fits, json.loads(text)["status"]) == (202, "accepted")
    assert 400 <= too_long < 500
    assert Incident.objects.get().title.startswith("xxx")
    assert KEY not in web.log
