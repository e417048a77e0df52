"""What each channel makes of a provider that fails, in every way in which one can."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from notifications.channels.base import Deadline, Message, Receipt, SendError, registry
from notifications.tests.phone_companies import NUMBER, PhoneCompany, phone_company
from notifications.tests.receivers import TAKEN, Receiver, receiver
from notifications.tests.servers import Provider, Reply, slow

PEM = Path(__file__).with_name("loopback.pem")
PHONES = ["sms_infobip", "sms_twilio", "whatsapp_infobip", "whatsapp_twilio"]
CHANNELS = [*sorted(TAKEN), *PHONES]
# The standard that it follows says that any 2xx is a yes, whatever else is in the answer.
PARTICULAR = [slug for slug in CHANNELS if slug != "webhook"]
WHOLE = {
    **{slug: reply.body for slug, reply in TAKEN.items()},
    "sms_twilio": '{"sid": "SM00000000000000000000000000000001", "status": "queued"}',
    "sms_infobip": '{"messages": [{"messageId": "x", "status": {"groupId": 1, "id": 26}}]}',
}
WHOLE |= {f"whatsapp_{name}": WHOLE[f"sms_{name}"] for name in ("twilio", "infobip")}
ERROR = '{"ok": false, "code": 40001, "errorCode": "E400", "error": "no", "message": "no"}'


def message() -> Message:
    return Message(
        key="page:981/method:7/repeat:0",
        thread="incident:412",
        title="[critical] " + "Disk full \x00\x1b[31m\r\n" * 1000,
        body="Since 03:00 UTC.\x07\n" + "Ünïcödé 🔥" * 1000,
        priority=5,
        open_url="https://pager.example.org/incidents/412",
        answer_url="https://pager.example.org/a/t0ken",
    )


@pytest.fixture(params=CHANNELS)
def slug(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def playing(slug: str, settings: Any) -> Iterator[Provider]:
    """The provider, which takes messages strictly until it is told to fail."""
    with ExitStack() as stack:
        if slug in PHONES:
            yield stack.enter_context(phone_company(settings))
            return
        found = stack.enter_context(receiver(slug))
        settings.NTFY_BASE_URL = found.url
        yield found


def send(slug: str, server: Provider, *, within: float = 5.0) -> Receipt:
    address = server.address() if isinstance(server, Receiver) else NUMBER
    return registry[slug].send(message(), address, Deadline(within))


def error_of(slug: str, settings: Any, *replies: Reply) -> SendError:
    with playing(slug, settings) as server:
        if isinstance(server, PhoneCompany):
            server.faults = list(replies)
        else:
            server.replies = list(replies)
        with pytest.raises(SendError) as caught:
            send(slug, server)
    assert "s3cr3tpart" not in caught.value.text
    assert "<" not in caught.value.text
    return caught.value


def test_ten_thousand_letters_and_control_characters_are_taken(slug: str, settings: Any) -> None:
    with playing(slug, settings) as server:
        send(slug, server)

        (call,) = server.calls
    assert not {"\\u0000", "\\u001b", "%00", "%1B"} & set(call.body.decode())


@pytest.mark.parametrize(
    ("body", "said"), [(ERROR, ""), ("<html>Log in</html>", "check"), ("", ""), ("{}", "")]
)
@pytest.mark.parametrize("slug", PARTICULAR)
def test_a_200_that_does_not_say_so_has_taken_nothing(
    slug: str, body: str, said: str, settings: Any
) -> None:
    error = error_of(slug, settings, Reply(200, body))

    assert said in error.text
    assert error.text
    assert body == ERROR or not error.permanent


@pytest.mark.parametrize("slug", PARTICULAR)
def test_half_an_answer_may_be_a_yes_and_is_tried_again(slug: str, settings: Any) -> None:
    error = error_of(slug, settings, replace(Reply(200, WHOLE[slug]), is_half=True))

    assert not error.permanent
    assert error.text


def test_a_redirect_is_not_followed_and_final(slug: str, settings: Any) -> None:
    error = error_of(slug, settings, Reply(302, "", {"Location": "http://127.0.0.1:9/"}))

    assert error.permanent
    assert "HTTP 302" in error.text
    assert "redirects" in error.text


def test_a_web_page_with_502_is_trouble_of_theirs(slug: str, settings: Any) -> None:
    assert not error_of(slug, settings, Reply(502, "<html>Bad gateway</html>")).permanent


def test_429_says_how_long_to_wait_or_not(slug: str, settings: Any) -> None:
    told = error_of(slug, settings, Reply(429, ERROR, {"Retry-After": "3"}))
    untold = error_of(slug, settings, Reply(429, "{}"))

    assert (told.permanent, told.retry_after) == (False, 3)
    assert not untold.permanent
    assert untold.retry_after in {None, 7}


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_is_final_with_its_status(slug: str, status: int, settings: Any) -> None:
    error = error_of(slug, settings, Reply(status, ERROR))

    assert error.permanent
    assert f"HTTP {status}" in error.text


@pytest.mark.parametrize("drip", [b"", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 99], ids=["hang", "drip"])
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # given up at any point
def test_one_that_hangs_or_drips_costs_its_deadline(slug: str, drip: bytes, settings: Any) -> None:
    with playing(slug, settings) as server, slow(drip=drip, every=0.02) as silent:
        for name in ("NTFY_BASE_URL", "TWILIO_BASE_URL", "INFOBIP_BASE_URL"):
            setattr(settings, name, silent.url)
        address = server.address() if isinstance(server, Receiver) else NUMBER
        with pytest.raises(SendError) as caught:
            registry[slug].send(message(), address.replace(server.url, silent.url), Deadline(0.08))

    assert caught.value.timed_out
    assert not caught.value.permanent


def test_a_certificate_nobody_vouches_for_is_no_provider(slug: str, settings: Any) -> None:
    with playing(slug, settings) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PEM)
        server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
        url = server.url.replace("http://", "https://")
        for name in ("NTFY_BASE_URL", "TWILIO_BASE_URL", "INFOBIP_BASE_URL"):
            setattr(settings, name, url)
        address = server.address() if isinstance(server, Receiver) else NUMBER
        with pytest.raises(SendError, match="certificate is not trusted") as caught:
            registry[slug].send(message(), address.replace("http://", "https://"), Deadline(5))

        assert not server.calls
    assert not caught.value.permanent
