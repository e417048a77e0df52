"""What a channel is: the code that carries notifications of one kind."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Protocol, cast

from django.conf import settings
from django.utils.translation import gettext


class Deadline:
    """A moment on the monotonic clock that a whole provider call must not pass."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._ends - time.monotonic())

    @property
    def is_over(self) -> bool:
        return self.remaining() <= 0


@dataclass(frozen=True)
class Action:
    """A button in the message. `url` of a POST action acts at once; any other only opens."""

    label: str
    url: str
    is_post: bool = False


@dataclass(frozen=True)
class Message:
    """A rendered message, the same for every channel; each channel takes what it can carry."""

    key: str  # idempotency: the same key means the same message sent again
    thread: str  # messages about one thing belong together: `incident:412`
    title: str  # one line
    body: str
    subject: str = ""  # the same for all messages of a thread; empty: the title
    priority: int = 3  # 1 to 5; 5 wakes people
    tags: tuple[str, ...] = ()
    open_url: str = ""
    answer_url: str = ""  # the page with one button; GET never acts
    answer_label: str = ""  # empty: Acknowledge
    actions: tuple[Action, ...] = ()
    html: str = ""
    clears: str = ""  # the key of an earlier message to take off the screen, instead of a new one
    headers: dict[str, str] = field(default_factory=dict)
    is_reply: bool = False  # its reader wrote to us within a day: WhatsApp takes free text
    sms: str = ""  # short enough for one text message where that is possible; empty: the title
    event: dict[str, Any] = field(default_factory=dict)  # the facts, for programs that read it
    secret: str = ""  # what a program's message is signed with
    template: str = ""  # the wire form its receiver wants instead of ours

    @property
    def button(self) -> str:
        """What the button says that answers."""
        return self.answer_label or gettext("Acknowledge")


@dataclass(frozen=True)
class Receipt:
    """The provider took it. `text` is what it said, for the history."""

    provider_id: str = ""
    text: str = ""


@dataclass(frozen=True)
class Report:
    """What a provider says later about a message it took: its `provider_id`, and how it fared.

    Neither delivered nor failed: it is still on its way.
    """

    provider_id: str
    text: str = ""
    is_delivered: bool = False
    has_failed: bool = False


class SendError(Exception):
    """The provider did not take it, or nobody knows.

    `permanent` stops the tries for this address; the rest is retried. `timed_out` counts for the
    breaker. `retry_after` is in seconds, when the provider said so. `is_gone` says that the address
    asked never to be used again.
    """

    def __init__(
        self,
        text: str,
        *,
        permanent: bool = False,
        timed_out: bool = False,
        retry_after: float | None = None,
        is_gone: bool = False,
    ) -> None:
        super().__init__(text[:500])
        self.text = text[:500]
        self.permanent = permanent
        self.timed_out = timed_out
        self.retry_after = retry_after
        self.is_gone = is_gone


class Kind(Protocol):
    """What all providers of one kind of address share: SMS, whoever carries it.

    It may say `is_for_people = False` or `is_for_teams = False`, and `is_for_admins = True` where
    only an admin may give it an address; `wakes = False` where a phone that sleeps stays silent,
    and `is_push = True` where it rings at once and is answered with one tap.
    `suggest_address(name)` makes an address up, `hint()` says what to do to receive there. `extra`
    names the file of Python packages that it takes besides.
    """

    kind: ClassVar[str]
    label: ClassVar[str]
    address_label: ClassVar[str]
    example_address: ClassVar[str]

    def clean_address(self, text: str) -> str:
        """The address in its one spelling; ValueError with a sentence when it cannot be one."""


class Channel(Kind, Protocol):
    """One provider of one kind: a file beside this one. Never touches the database."""

    # The provider's name: that of the kind, if only one provider can carry it.
    slug: ClassVar[str]

    def needs(self) -> list[str]:
        """Names of settings it cannot work without and that are not set."""

    def send(self, message: Message, address: str, deadline: Deadline) -> Receipt:
        """One provider call. Raises SendError."""


class Reporting(Channel, Protocol):
    """A provider that says later what became of a message."""

    # Without a receipt for so long, the person's next method is used.
    receipt_within: ClassVar[timedelta]

    def ask(self, provider_id: str, deadline: Deadline) -> Report | None:
        """What is known of this message by now; None when it cannot be asked. Raises SendError."""


registry: dict[str, Channel] = {}


def register(channel: Channel) -> None:
    if channel.slug in registry:
        raise RuntimeError(f"two channels call themselves {channel.slug}")
    if not hasattr(channel, "kind"):
        type(channel).kind = channel.slug
    registry[channel.slug] = channel


def reporting(provider: str) -> Reporting | None:
    """The provider, if it says later what became of its messages."""
    channel = registry.get(provider)
    has_receipts = getattr(channel, "receipt_within", None) is not None
    return cast(Reporting, channel) if has_receipts else None


def channel_choices() -> list[tuple[str, str]]:
    """The kinds. Model fields take the function itself, so that a new file needs no migration."""
    return sorted({(channel.kind, channel.label) for channel in registry.values()})


def kind_of(name: str) -> Kind | None:
    """How addresses of this kind are called and spelt; None when nothing here carries it."""
    return next((one for one in registry.values() if one.kind == name), None)


def all_of(kind: str) -> list[Channel]:
    """Every provider of the kind, also those that are not set up, in the order of attempts."""
    found = [one for one in registry.values() if one.kind == kind]
    named = getattr(settings, f"{kind.upper()}_PROVIDERS", [])
    order = {f"{kind}_{name}": place for place, name in enumerate(named)}
    return sorted(
        (one for one in found if not order or one.slug in order),
        key=lambda one: order.get(one.slug, 0),
    )


def providers_of(kind: str) -> list[Channel]:
    """The providers that can carry this kind, in the order of attempts."""
    return [one for one in all_of(kind) if not one.needs()]


def missing_for(kind: str) -> list[str]:
    """Settings without which nothing of this kind goes out; empty when it does, or is unknown.

    Of several providers those of the one that lacks least.
    """
    return min((one.needs() for one in all_of(kind)), key=len, default=[])


def remedy(missing: list[str]) -> str:
    """What to do about what a kind needs: settings are in capitals, all else is a package."""
    verb = "set" if all(name.isupper() for name in missing) else "install"
    return f"{verb} {', '.join(missing)}"


def carrier(kind: str, address: str) -> str:
    """The provider of this address, of a kind in which each host is one by itself; else empty.

    One that hangs must not keep the messages to the others.
    """
    named = getattr(kind_of(kind), "carrier", None)
    return str(named(address)) if named else ""


def person_channel_choices() -> list[tuple[str, str]]:
    """Those that may carry messages to one person."""
    return [one for one in channel_choices() if _says(one[0], "is_for_people", True)]


def team_channel_choices() -> list[tuple[str, str]]:
    """Those that may carry messages to a whole team."""
    return [one for one in channel_choices() if _says(one[0], "is_for_teams", True)]


def is_for_admins(kind: str) -> bool:
    """Whether only an admin may enter an address of this kind."""
    return _says(kind, "is_for_admins", False)


def _says(kind: str, claim: str, otherwise: bool) -> bool:
    return bool(getattr(kind_of(kind), claim, otherwise))
