"""From which address a request came, however many proxies are in between."""

from __future__ import annotations

import ipaddress
import socket

from django.conf import settings
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address_of(request: HttpRequest) -> str:
    """The nearest address that is none of TRUSTED_PROXIES; empty when there is none.

    Whoever is no trusted proxy may claim anything in X-Forwarded-For, so it is read from its
    end, and only as far as those who wrote it are trusted.
    """
    nearest = _parsed(request.META.get("REMOTE_ADDR", ""))
    claimed = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    while claimed and nearest is not None and _is_trusted(nearest):
        before = _parsed(claimed.pop())
        if before is None:
            break
        nearest = before
    return str(nearest) if nearest is not None else ""


def came_by_proxy(request: HttpRequest) -> bool:
    """Whether one of TRUSTED_PROXIES handed it to us, so that its headers are believed."""
    peer = _parsed(request.META.get("REMOTE_ADDR", ""))
    return peer is not None and _is_trusted(peer)


def network_of(address: str) -> str:
    """What one attacker has at hand: an IPv4 address, or an IPv6 network of 64 bits."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


def is_this_machine(address: str) -> bool:
    """Whether it is one of our own addresses; also true for what is no address at all."""
    parsed = _parsed(address)
    if parsed is None or parsed.is_loopback:
        return True
    family = socket.AF_INET if parsed.version == 4 else socket.AF_INET6
    try:
        # Only an own address can be listened on; nothing is sent.
        with socket.socket(family, socket.SOCK_DGRAM) as own:
            own.bind((str(parsed), 0))
    except OSError:
        return False
    return True


def _parsed(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found


def _is_trusted(address: Address) -> bool:
    for one in settings.TRUSTED_PROXIES:
        try:
            if address in ipaddress.ip_network(one, strict=False):
                return True
        except ValueError:
            continue
    return False
