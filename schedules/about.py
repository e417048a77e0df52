"""What is being worked at just now, so that every line of the log can say it.

Whoever takes a thing up says so around the work; `pagerpal.logs` puts it into each line.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Empty between requests.
request_id: ContextVar[str] = ContextVar("request_id", default="")
# As notifications call it: `incident:412`.
thread: ContextVar[str] = ContextVar("thread", default="")


@contextmanager
def about(name: str) -> Iterator[None]:
    """Until the end of this block all is about that thread."""
    token = thread.set(name)
    try:
        yield
    finally:
        thread.reset(token)
