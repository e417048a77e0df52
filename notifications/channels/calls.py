"""One provider call under one total deadline: DNS, connect, TLS, headers and body together."""

from __future__ import annotations

import ctypes
import json
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3

from notifications.channels.base import Deadline, SendError
from notifications.channels.texts import clip, one_line

Result = TypeVar("Result")

# No answer of a provider that matters is longer.
MOST_BYTES = 64 * 1024
# What a provider says about itself; the rest of an answer may be anything, also our own secrets.
MOST_QUOTED = 300
RETRIED_STATUS = frozenset({408, 425, 429})


class _Abandoned(BaseException):
    """Raised inside a helper thread whose caller has stopped waiting."""


class _Helper(threading.Thread, Generic[Result]):
    """Runs one call, so that its caller can stop waiting whatever the call is stuck in."""

    def __init__(self, call: Callable[[], Result]) -> None:
        super().__init__(daemon=True, name="provider-call")
        self._call = call
        self.done = threading.Event()
        self.result: Result | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            try:
                self.result = self._call()
            except BaseException as error:  # handed to the caller, whatever it is
                self.error = error
            self.done.set()
        except _Abandoned:
            self.done.set()  # it came just as the call had ended

    def abandon(self) -> None:
        """End the thread at its next step: late, it must not talk to the provider any more.

        No timeout of a socket stops a host that sends a byte a second, or a slow resolver.
        """
        if self.ident is not None and self.is_alive():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self.ident), ctypes.py_object(_Abandoned)
            )


def no_answer(deadline: Deadline) -> SendError:
    return SendError(f"no answer within {deadline.seconds:.2g} s", timed_out=True)


def within(deadline: Deadline, call: Callable[[], Result]) -> Result:
    """What `call` returns or raises, if it ends in time; else SendError(timed_out=True).

    `call` runs in a thread of its own and must not touch the database.
    """
    helper = _Helper(call)
    helper.start()
    if not helper.done.wait(deadline.remaining()):
        helper.abandon()
        raise no_answer(deadline)
    if helper.error is not None:
        if isinstance(helper.error, TimeoutError):
            raise no_answer(deadline) from None
        raise helper.error
    return helper.result  # type: ignore[return-value]  # set whenever error is not


def socket_timeout(deadline: Deadline) -> float:
    """For the sockets inside a call: a little more than is left, so that `within` speaks first."""
    return deadline.remaining() + 0.5


@dataclass(frozen=True)
class Answer:
    """What a provider answered, at most 64 kB of it."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> dict[str, Any]:
        """Its JSON object; empty for anything else, such as a proxy's error page."""
        try:
            value = json.loads(self.text)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def is_taken(self) -> bool:
        return 200 <= self.status < 300


def request(
    method: str,
    url: str,
    *,
    deadline: Deadline,
    headers: Mapping[str, str] | None = None,
    payload: bytes = b"",
    guard: AbstractContextManager[None] | None = None,
) -> Answer:
    """Send one request and read its answer. Never follows a redirect.

    Raises SendError when there is no answer; its text holds no URL, as a path may be a secret.
    Addresses that people enter are called by `links.post`, which gives the `guard`.
    """
    host = urlsplit(url).netloc.rpartition("@")[2]

    def call() -> Answer:
        with guard or nullcontext():
            return _exchange(method, url, deadline, headers or {}, payload)

    try:
        return within(deadline, call)
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        raise no_answer(deadline) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise SendError(f"{host}: {reason_of(error)}") from None


def _exchange(
    method: str, url: str, deadline: Deadline, headers: Mapping[str, str], payload: bytes
) -> Answer:
    with requests.Session() as session:
        session.trust_env = False  # no proxy or password from the environment or ~/.netrc
        response = session.request(
            method,
            url,
            data=payload,
            headers={"Accept-Encoding": "identity", **headers},
            timeout=socket_timeout(deadline),
            allow_redirects=False,
            stream=True,
        )
        with response:
            body = _read(response, deadline)
        return Answer(response.status_code, body.decode("utf-8", "replace"), response.headers)


def _read(response: requests.Response, deadline: Deadline) -> bytes:
    parts = bytearray()
    while len(parts) < MOST_BYTES:
        if deadline.is_over:
            raise TimeoutError
        # read1: what has come so far, where read would wait for all of it
        part = response.raw.read1(MOST_BYTES - len(parts))
        if not part:
            break
        parts += part
    return bytes(parts)


def reason_of(error: BaseException) -> str:
    """Why a connection failed, from the innermost cause that says it in words."""
    found = type(error).__name__
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({at.verify_message})"
        if isinstance(at, OSError) and at.strerror:
            found = at.strerror
        inner = getattr(at, "reason", None)
        at = inner if isinstance(inner, BaseException) else _first_cause(at)
    return one_line(found)


def _first_cause(error: BaseException) -> BaseException | None:
    inside = [arg for arg in error.args if isinstance(arg, BaseException)]
    return inside[0] if inside else error.__cause__ or error.__context__


def refusal(answer: Answer, words: str, *, now: datetime | None = None) -> SendError:
    """The error for an answer that is not 2xx: 408, 425, 429 and 5xx are worth another try."""
    retried = answer.status in RETRIED_STATUS or answer.status >= 500
    text = f"HTTP {answer.status}: {words}" if words else f"HTTP {answer.status}"
    return SendError(text, permanent=not retried, retry_after=retry_after(answer, now=now))


def retry_after(answer: Answer, *, now: datetime | None = None) -> float | None:
    """Seconds to wait as the provider asked, given as a number or as an HTTP date."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


def quoted(text: str, *secrets: str) -> str:
    """A provider's words on one line, cut, and without our own secrets."""
    line = one_line(text)
    for secret in secrets:
        if secret:
            line = line.replace(secret, "***")
    return clip(line, MOST_QUOTED)
