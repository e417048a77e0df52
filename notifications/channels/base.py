"""What a channel is: the code that carries notifications of one kind."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import ClassVar, Protocol


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
    actions: tuple[Action, ...] = ()
    html: str = ""
    clears: str = ""  # the key of an earlier message to take off the screen, instead of a new one
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Receipt:
    """The provider took it. `text` is what it said, for the history."""

    provider_id: str = ""
    text: str = ""


class SendError(Exception):
    """The provider did not take it, or nobody knows.

    `permanent` stops the tries for this address; the rest is retried. `timed_out` counts for the
    breaker. `retry_after` is in seconds, when the provider said so.
    """

    def __init__(
        self,
        text: str,
        *,
        permanent: bool = False,
        timed_out: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text[:500])
        self.text = text[:500]
        self.permanent = permanent
        self.timed_out = timed_out
        self.retry_after = retry_after


class Channel(Protocol):
    """One file beside this one. Never touches the database."""

    slug: ClassVar[str]
    label: ClassVar[str]
    address_label: ClassVar[str]
    example_address: ClassVar[str]

    def needs(self) -> list[str]:
        """Names of settings it cannot work without and that are not set."""

    def clean_address(self, text: str) -> str:
        """The address in its one spelling; ValueError with a sentence when it cannot be one."""

    def send(self, message: Message, address: str, deadline: Deadline) -> Receipt:
        """One provider call. Raises SendError."""


registry: dict[str, Channel] = {}


def register(channel: Channel) -> None:
    if channel.slug in registry:
        raise RuntimeError(f"two channels call themselves {channel.slug}")
    registry[channel.slug] = channel


def channel_choices() -> list[tuple[str, str]]:
    """For model fields: pass the function itself, so that a new file needs no migration."""
    return sorted((slug, channel.label) for slug, channel in registry.items())
