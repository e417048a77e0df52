"""Where calls to addresses that people enter may go: not into the network around PagerPal.

It is looked at where a connection is made, for a socket's address can neither be written in
another way, nor lead elsewhere, nor resolve to something else a moment later. So it holds for
every library that calls out, also after a redirect.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.conf import settings

from notifications.channels.base import SendError

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PRIVATE_WORD = "private"
# What that word stands for: home and office networks, and those of VPNs such as Tailscale.
PRIVATE = tuple(
    ipaddress.ip_network(one)
    for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
# Where clouds tell a machine its own passwords; only a network that is named opens these.
METADATA = frozenset(
    ipaddress.ip_address(one)
    for one in ("169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254")
)
# IPv6 addresses that stand for an IPv4 one, in their last 32 bits.
EMBEDDING = tuple(ipaddress.IPv6Network(one) for one in ("::ffff:0:0/96", "::/96", "64:ff9b::/96"))
UNICAST = ipaddress.IPv6Network("2000::/3")


class Forbidden(SendError):
    """The address is not one that PagerPal calls for anybody; the text says what would allow it."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} is not on the public internet, so PagerPal does not call it: to allow that, "
            f"whoever runs PagerPal adds {host} to OUTBOUND_ALLOWED_NETWORKS.",
            permanent=True,
        )


_thread = threading.local()


@contextmanager
def guarded() -> Iterator[None]:
    """Inside, this thread connects only to where it may; anything else raises Forbidden.

    Also where a library took that for a failure like any other.
    """
    _thread.is_guarded, _thread.refused = True, None
    try:
        yield
    except Exception as error:
        raise _thread.refused or error from None
    finally:
        _thread.is_guarded = False
    if _thread.refused is not None:
        raise _thread.refused


def refuse_literal(host: str) -> None:
    """Raises Forbidden for a host that is a forbidden address, in whatever spelling.

    A name is not looked up: where it leads counts when it is called.
    """
    address = _literal(host)
    if address is not None and not is_allowed(address):
        raise Forbidden(str(address))


def is_allowed(address: IP) -> bool:
    plain, words = _plain(address), settings.OUTBOUND_ALLOWED_NETWORKS
    if any(one in network for network in _allowed(tuple(words)) for one in (address, plain)):
        return True
    if plain in METADATA:
        return False
    is_private = any(plain in network for network in PRIVATE)
    return _is_public(plain) or (is_private and PRIVATE_WORD in words)


def _is_public(plain: IP) -> bool:
    if plain.is_multicast or plain.is_reserved or not plain.is_global:
        return False
    if isinstance(plain, ipaddress.IPv4Address):
        return True
    # 6to4 and Teredo are tunnels that nobody has any more, to wherever their sender wants.
    return plain in UNICAST and not plain.sixtofour and not plain.teredo


@cache
def _allowed(words: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(one) for one in words if one != PRIVATE_WORD)


def _plain(address: IP) -> IP:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv6Address) and any(address in one for one in EMBEDDING):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _literal(host: str) -> IP | None:
    """The address that is written there; also 2130706433, 0x7f.1 and 0177.0.0.1, as C reads it."""
    text = host.strip("[]")
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text))
    except (OSError, ValueError):
        return None


def check(address: Any) -> None:
    """What a socket is to connect to: raises Forbidden unless it is a host that may be called."""
    host = str(address[0]) if isinstance(address, tuple) else "a local socket"
    literal = _literal(host) if isinstance(address, tuple) else None
    # Libraries look names up themselves; where one leaves that to the system, nobody has checked.
    if literal is None or not is_allowed(literal):
        _thread.refused = Forbidden(host)
        raise _thread.refused


def _looking_first(real: Callable[..., Any]) -> Callable[..., Any]:
    def connect(self: socket.socket, address: Any, /) -> Any:
        if getattr(_thread, "is_guarded", False):
            try:
                check(address)
            except Forbidden:
                self.close()  # libraries do it for errors they know
                raise
        return real(self, address)

    return connect


socket.socket.connect = _looking_first(socket.socket.connect)  # type: ignore[method-assign]
socket.socket.connect_ex = _looking_first(socket.socket.connect_ex)  # type: ignore[method-assign]
