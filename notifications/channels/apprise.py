"""Everything else: one of the services that the library Apprise knows, by its own URL."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from typing import Any, ClassVar

from notifications.channels import calls, links, outbound
from notifications.channels.base import Deadline, Message, Receipt, SendError, register
from notifications.channels.texts import clean, clip, one_line

MOST_TITLE = 250
MOST_BODY = 3000
_URL = re.compile(r"([a-z][a-z0-9]*)://[!-~]+", re.IGNORECASE)
# They talk to PagerPal's own machine, read its files, or post anything to any host; for that last
# there is a channel of its own, whose messages are signed.
REFUSED = frozenset(
    {
        *("file", "syslog", "rsyslog", "dbus", "qt", "glib", "kde", "gnome", "macosx", "windows"),
        *("growl", "snmp", "vapid", "fcm", "form", "forms", "json", "jsons", "xml", "xmls"),
        *("http", "https", "emq", "mqtt", "mqtts", "amqp", "amqps", "smpp", "smpps"),
    }
)
# What a URL may ask of the library beyond a message: files of this machine.
_READS_FILES = re.compile(r"[?&](keyfile|pgpkey|pgp|attach|config|include|file)=", re.IGNORECASE)


class Apprise:
    slug: ClassVar[str] = "apprise"
    kind: ClassVar[str] = "apprise"
    label: ClassVar[str] = "Apprise"
    address_label: ClassVar[str] = "Apprise URL"
    example_address: ClassVar[str] = "gotifys://push.example.org/A3f9xk2m47q"
    is_for_admins: ClassVar[bool] = True
    extra: ClassVar[str] = "requirements-apprise.txt"

    def needs(self) -> list[str]:
        return [] if _is_installed() else ["the Python package apprise"]

    def clean_address(self, text: str) -> str:
        """The library, which takes 44 MB, is not asked: only a worker loads it, to send."""
        url = text.strip()
        found = _URL.fullmatch(url)
        if found is None or len(url) > links.LONGEST:
            raise ValueError("An Apprise URL is one word such as gotifys://host/token.")
        scheme = found[1].lower()
        if scheme in REFUSED:
            raise ValueError(f"{scheme}:// is not allowed here: it can reach this machine itself.")
        if _READS_FILES.search(url):
            raise ValueError("This URL would have files of this machine read.")
        return f"{scheme}{url[len(scheme) :]}"

    def carrier(self, address: str) -> str:
        return f"{self.kind}@{address.partition('://')[0]}"[: links.LONGEST_CARRIER]

    def send(self, message: Message, address: str, deadline: Deadline) -> Receipt:
        try:
            url = self.clean_address(address)
        except ValueError as error:
            raise SendError(str(error), permanent=True) from None
        calls.within(deadline, lambda: _notify(url, message))
        return Receipt(text="taken")


@cache
def _is_installed() -> bool:
    return find_spec("apprise") is not None


def _notify(url: str, message: Message) -> None:
    """One target by itself, so that its result is this message's."""
    import apprise  # 0.9 s and 44 MB, and few have it

    target = apprise.Apprise()
    if not target.add(url):
        raise SendError("Apprise does not know this URL", permanent=True)
    body = clip(clean(message.body), MOST_BODY)
    text = "\n".join(part for part in (body, message.open_url) if part)
    title = clip(one_line(message.title), MOST_TITLE)
    with outbound.guarded():
        result = target.notify(
            title=title, body=text or title, body_format=apprise.NotifyFormat.TEXT
        )
    if not result:
        raise SendError(_why(result, url))


def _why(result: Any, url: str) -> str:
    """What the library logged; it never says whether another try could help."""
    logs = [
        str(getattr(entry, "message", entry))
        for one in getattr(result, "results", ())
        for attempt in getattr(one, "attempts", ())
        for entry in getattr(attempt, "logs", ())
    ]
    secrets = [part for part in re.split(r"[/:@?&=]+", url) if len(part) > 7]
    said = calls.quoted(" ".join(logs[-2:]), url, *secrets)
    return f"the service did not take it: {said}" if said else "the service did not take it"


register(Apprise())
