"""Where calls to addresses that people enter may go: a table, and the ways around it."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import pytest

from notifications.channels import calls, outbound
from notifications.channels.base import Deadline, Message, SendError, registry
from notifications.channels.links import clean_link
from notifications.tests.servers import Reply, free_port, provider

# Hosts as they stand in a URL, none of which anybody may have PagerPal call.
FORBIDDEN = (
    # This machine, in every spelling that a resolver understands.
    *("127.0.0.1", "127.8.9.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1"),
    *("0177.0.0.1", "017700000001", "0.0.0.0", "0", "[::1]", "[::]", "[::ffff:127.0.0.1]"),
    *("[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]"),
    # The networks around it.
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1", "3232235521"),
    *("100.64.0.1", "[fc00::1]", "[fd12:3456::1]", "[::ffff:192.168.0.1]", "[64:ff9b::a00:1]"),
    *("[fec0::1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]"),
    # What clouds tell a machine of itself.
    *("169.254.169.254", "2852039166", "0xA9FEA9FE", "[fe80::a9fe:a9fe]", "[fd00:ec2::254]"),
    *("168.63.129.16", "100.100.100.200", "[::ffff:a9fe:a9fe]"),
    # Nobody, or everybody.
    *("169.254.0.7", "224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1"),
    *("192.0.2.1", "198.18.0.1", "203.0.113.9", "[ff02::1]", "[2001:db8::1]", "[100::1]"),
)
PUBLIC = ("1.1.1.1", "93.184.216.34", "172.15.0.1", "172.32.0.1", "192.169.0.1", "100.128.0.1",
          "[2606:4700::1111]", "[::ffff:1.1.1.1]", "16843009")  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_allowed(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []


def connect(host: str) -> None:
    """What a guarded socket does first; the suite's own guard would come before it."""
    with outbound.guarded():
        outbound.check((host, 9))


def test_the_table_is_long_enough() -> None:
    assert len(set(FORBIDDEN)) >= 40


@pytest.mark.parametrize("host", FORBIDDEN)
def test_no_spelling_of_a_forbidden_address_is_taken_or_called(host: str) -> None:
    with pytest.raises(ValueError, match="OUTBOUND_ALLOWED_NETWORKS"):
        clean_link(f"https://{host}:8443/hook")
    with pytest.raises(outbound.Forbidden) as caught:
        connect(host.strip("[]"))

    assert caught.value.permanent


@pytest.mark.parametrize("host", PUBLIC)
def test_the_public_internet_is_open(host: str) -> None:
    assert clean_link(f"https://{host}/hook")


@pytest.mark.parametrize(
    ("words", "opened", "closed"),
    [
        (["private"], ["10.1.2.3", "192.168.1.20", "fd12::1", "100.64.3.4", "::ffff:10.0.0.1"],
         ["127.0.0.1", "169.254.169.254", "100.100.100.200", "fd00:ec2::254", "169.254.0.7"]),
        (["192.168.1.20"], ["192.168.1.20", "::ffff:192.168.1.20"], ["192.168.1.21", "10.0.0.1"]),
        (["10.0.0.0/8", "::1"], ["10.9.9.9", "::1"], ["127.0.0.1", "192.168.1.20"]),
        (["169.254.0.0/16"], ["169.254.169.254"], ["168.63.129.16"]),
    ],
)  # fmt: skip
def test_what_the_operator_names_is_open_and_no_more(
    settings: Any, words: list[str], opened: list[str], closed: list[str]
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = words

    assert [one for one in opened if not outbound.is_allowed(ip_address(one))] == []
    assert [one for one in closed if outbound.is_allowed(ip_address(one))] == []


@pytest.mark.parametrize("slug", ["webhook", "slack", "mattermost", "discord"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "hooks.example.org"])
def test_no_channel_calls_what_a_name_leads_to(
    monkeypatch: pytest.MonkeyPatch, slug: str, host: str
) -> None:
    """A name in public DNS may lead anywhere."""
    with provider(Reply(200, "ok")) as server:
        _lead_to_loopback(monkeypatch)
        address = server.url.replace("127.0.0.1", host)
        with pytest.raises(SendError, match=r"adds 127\.0\.0\.1 to OUTBOUND") as caught:
            registry[slug].send(Message("k", "t", "Disk full", ""), address, Deadline(5))

    assert caught.value.permanent
    assert not server.calls


def test_each_channel_with_web_addresses_is_in_the_test_above() -> None:
    linked = {one.slug for one in registry.values() if one.example_address.startswith("http")}

    assert linked == {"webhook", "slack", "mattermost", "discord"}


def test_a_name_is_looked_up_once_and_that_address_is_called(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """Were it looked up to be checked and again to be called, the second could lead elsewhere."""
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.1"]
    asked = _lead_to_loopback(monkeypatch)
    with provider(Reply(200, "ok")) as server:
        address = server.url.replace("127.0.0.1", "hooks.example.org")
        registry["slack"].send(Message("k", "t", "Disk full", ""), address, Deadline(5))

    assert asked == ["hooks.example.org"]
    assert server.calls[0].headers["Host"].startswith("hooks.example.org:")


def test_what_leaves_a_name_to_the_system_is_refused() -> None:
    with pytest.raises(outbound.Forbidden):
        connect("hooks.example.org")


def test_a_library_that_swallows_the_refusal_is_overruled() -> None:
    with pytest.raises(outbound.Forbidden), outbound.guarded(), suppress(SendError):
        socket.socket().connect_ex(("127.0.0.1", 80))


def test_a_library_that_makes_something_else_of_it_is_overruled() -> None:
    def wrapping() -> None:
        try:
            socket.create_connection(("127.0.0.1", 9))
        except SendError as error:
            raise RuntimeError("the service failed") from error

    with pytest.raises(outbound.Forbidden), outbound.guarded():
        wrapping()


def test_nothing_else_is_guarded() -> None:
    """What settings name is called wherever it is, also after a guarded call."""
    with pytest.raises(outbound.Forbidden), outbound.guarded():
        socket.create_connection(("127.0.0.1", 9))
    with provider(Reply(200, "{}")) as server:
        assert calls.request("POST", server.url, deadline=Deadline(5)).is_taken
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port()))


def _lead_to_loopback(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every name resolves to this machine; says which were asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, *rest: Any, **options: Any) -> Any:
        if host != "127.0.0.1":
            asked.append(host)
        return real("127.0.0.1", *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked
