"""What a source is: the code that reads one monitor's messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from alertsources.models import AlertSource

FIRING = "firing"
RESOLVED = "resolved"

# Certificates and domains that will expire are told once for each threshold, mostly a week apart,
# and their renewal is never told.
EXPIRY_TOLD_FOR = timedelta(days=8)


@dataclass(frozen=True)
class Link:
    """An http(s) address the monitor gave; anything else is dropped by the parser."""

    label: str
    url: str


@dataclass(frozen=True)
class ParsedAlert:
    """One alert as its monitor names it. Texts are as sent; intake cleans and cuts them."""

    key: str
    status: str  # FIRING or RESOLVED
    title: str = ""
    group: str = ""  # the sender's own grouping; empty: each alert by itself
    detail: str = ""
    severity: str = ""  # the sender's word; empty: it did not say
    labels: Mapping[str, str] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    started_at: datetime | None = None  # the sender's own start time
    team: str = ""  # a team id the sender asked for
    closes_group: bool = False  # a resolve that stands for every alert of its group
    image: str = ""  # an http(s) address
    # When the sender saw this state; what is older than the state that is known is ignored.
    occurred_at: datetime | None = None
    is_test: bool = False  # the sender's own test button
    is_record_only: bool = False  # kept, opens nothing
    # For what never recovers: it is over when it was not repeated for so long.
    resolve_after: timedelta | None = None


@dataclass(frozen=True)
class Unreadable:
    """One alert of a message that cannot be understood; the others beside it still count."""

    why: str


@dataclass(frozen=True)
class Remark:
    """One sentence about a message: told to the sender and kept beside the message."""

    text: str


class Unavailable(Exception):
    """It cannot be done at the moment, so the sender is asked to come again: answered 503."""


class BadSignature(Exception):
    """The signature is missing or wrong; its text is one sentence for the sender, answered 403."""


class Source(Protocol):
    """One file beside this one.

    It may also have any of these; headers are found whatever the case of their names:

    - `reads_bytes = True` and `parse_body(body, headers, source)`, which is then called in place
      of `parse` for requests: for what is more than decoded JSON, or depends on the source's
      settings. The same promises as `parse`; it may also yield a Remark.
    - `reads_query = True`: it sends what it has to say in the query of a GET, too.
    - `check(body, headers, source)`, which raises BadSignature, or Unavailable when it cannot
      tell now. Called before anything is stored.
    - `marks_tests = True`: what its test button sends can be told from a real alert.
    - `takes_secret = True`: `check` goes by the source's signing secret.
    - `respond(body, headers, source)`, called after the request is stored, outside of any
      transaction: for what the message asks us to do. Unavailable asks the sender to come again.
    """

    slug: ClassVar[str]
    label: ClassVar[str]
    setup: ClassVar[str]  # shown with a copy button; {{ url }} and {{ key }} are filled in
    example: ClassVar[dict[str, Any]]

    def parse(self, payload: Any) -> Iterator[ParsedAlert | Unreadable]:
        """The alerts in a decoded JSON body.

        Whatever it raises, the raw payload is kept and an "Unreadable alert" incident opens.
        The text of a ValueError is shown: one clause that says what is wrong.
        """


BodyParser = Callable[
    [bytes, Mapping[str, str], "AlertSource"], Iterator[ParsedAlert | Unreadable | Remark]
]


def each(
    items: list[Any], read: Callable[[Any], ParsedAlert]
) -> Iterator[ParsedAlert | Unreadable]:
    """Read every item by itself, so that one bad alert of 500 costs only itself."""
    for place, item in enumerate(items, start=1):
        try:
            yield read(item)
        except ValueError as error:
            yield Unreadable(f"alert {place}: {error}")
        except Exception as error:  # a shape its author did not think of
            yield Unreadable(f"alert {place} has another shape than expected ({error!r})")


def parser_of(kind: str) -> BodyParser | None:
    """How this kind reads the bytes themselves, if it does."""
    source = registry[kind]
    return getattr(source, "parse_body", None) if getattr(source, "reads_bytes", False) else None


def check(kind: str, body: bytes, headers: Mapping[str, str], source: AlertSource) -> None:
    """Raise BadSignature for what this kind's sender cannot have signed."""
    if checking := getattr(registry.get(kind), "check", None):
        checking(body, headers, source)


def respond(kind: str, body: bytes, headers: Mapping[str, str], source: AlertSource) -> None:
    """Do what the message asks for, now that it is stored."""
    if responding := getattr(registry.get(kind), "respond", None):
        responding(body, headers, source)


def takes_secret(kind: str) -> bool:
    return bool(getattr(registry.get(kind), "takes_secret", False))


def marks_tests(kind: str) -> bool:
    return bool(getattr(registry.get(kind), "marks_tests", False))


def reads_query(kind: str) -> bool:
    return bool(getattr(registry.get(kind), "reads_query", False))


registry: dict[str, Source] = {}


def register(source: Source) -> None:
    if source.slug in registry:
        raise RuntimeError(f"two sources call themselves {source.slug}")
    registry[source.slug] = source


def source_choices() -> list[tuple[str, str]]:
    """For model fields: pass the function itself, so that a new file needs no migration."""
    return sorted((slug, source.label) for slug, source in registry.items())
