"""Bodies without a length, through the real server: the test client cannot send them."""

from __future__ import annotations

import http.client
import io
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from alertsources.models import ReceivedPayload
from pagerpal.dechunk import LIMIT, dechunk
from pagerpal.testing import make_source, make_team
from pagerpal.tests.processes import Site, ntfy, site

__all__ = ["ntfy", "site"]  # fixtures

KEY = "k" * 32
ALERT = json.dumps({"title": "Disk full"}).encode()


def call(environ: dict[str, Any]) -> tuple[str, bytes]:
    """The wrapper around an application that answers with what it could read."""
    statuses: list[str] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))]

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        statuses.append(status)

    [body] = dechunk(app)(environ, start_response)
    return statuses[0], body


def chunked_environ(body: bytes, **more: Any) -> dict[str, Any]:
    return {
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input_terminated": True,
        "wsgi.input": io.BytesIO(body),
    } | more


def test_a_chunked_body_gets_its_length() -> None:
    assert call(chunked_environ(ALERT)) == ("200 OK", ALERT)


def test_a_body_with_a_length_is_left_alone() -> None:
    environ = {"CONTENT_LENGTH": "5", "wsgi.input": io.BytesIO(b"hello, world")}

    assert call(environ) == ("200 OK", b"hello")


def test_a_server_that_does_not_end_the_input_is_not_waited_for() -> None:
    environ = chunked_environ(ALERT, **{"wsgi.input_terminated": False})

    assert call(environ) == ("200 OK", b"")


@pytest.mark.parametrize(
    ("size", "status"), [(LIMIT, "200 OK"), (LIMIT + 1, "413 Content Too Large")]
)
def test_one_mebibyte_is_the_limit(size: int, status: str) -> None:
    assert call(chunked_environ(b"x" * size))[0] == status


def pieces(body: bytes, size: int = 7) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def post(server: http.client.HTTPConnection, body: Any) -> tuple[int, dict[str, Any]]:
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
    server.request("POST", "/api/v1/alerts", body, headers, encode_chunked=True)
    answer = server.getresponse()
    return answer.status, json.loads(answer.read())


@pytest.mark.processes
def test_gunicorn_takes_chunked_bodies_and_refuses_large_ones(site: Site) -> None:
    make_source(make_team(), key=KEY)
    site.start_web()
    server = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)

    status, answer = post(server, pieces(ALERT))
    large, error = post(server, pieces(b"x" * (LIMIT + 1), 65536))
    server.close()

    assert (status, answer["status"]) == (202, "accepted")
    assert bytes(ReceivedPayload.objects.get().body) == ALERT
    assert (large, list(error)) == (413, ["error"])


@pytest.mark.processes
def test_gunicorn_answers_what_is_no_chunk_at_all(site: Site) -> None:
    site.start_web()

    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as server:
        server.sendall(
            b"POST /api/v1/alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: k\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n"
        )
        answer = server.recv(4096)

    assert answer.startswith(b"HTTP/1.1 400 ")
