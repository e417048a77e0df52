"""The ledger of a run: a line for all that was promised, and all that came; and its judgement.

Every script writes lines of its own: `alert` (answered 2xx), `message` (reached a provider), `ack`
(an acknowledgement that was answered 2xx), `health` (what /health said), `blocked` (from, until:
nothing could have gone out), `broken` (how many calls in hand the fault cut at most).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A page is late when it came so much later than it could.
LATE_AFTER = 120.0
# From the answer to an acknowledgement on, until a message that was claimed before it has arrived.
ON_ITS_WAY = 2.0
SETTLED = frozenset({"failed", "held"})
Line = dict[str, Any]


class Ledger:
    """Appended to by several processes; a line is one write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._lock = threading.Lock()

    def note(self, what: str, **facts: Any) -> None:
        line = json.dumps({"what": what, "at": time.time(), **facts}) + "\n"
        with self._lock:
            os.write(self._file, line.encode())

    def lines(self) -> Iterator[Line]:
        for line in self.path.read_text().splitlines():
            yield json.loads(line)


@dataclass(frozen=True)
class Rows:
    """What the database says in the end."""

    # key of a notification -> thread, address, purpose, state
    notifications: dict[str, tuple[str, str, str, str]]
    # number of a bundle -> the threads it told of
    bundles: dict[int, list[str]]
    incidents: frozenset[int]
    # Calls that PagerPal noted no result of, as their process was gone; each is made once more.
    cut: int = 0
    # The same, and those whose provider did not answer in time.
    unheard: int = 0


@dataclass
class Judgement:
    """What came of one fault."""

    alerts: int = 0
    messages: int = 0
    lost: list[int] = field(default_factory=list)
    failed: int = 0
    cut: int = 0
    unheard: int = 0
    doubled: int = 0
    # Of the doubled: those that do not replace the first one, having another name.
    renamed: int = 0
    late: int = 0
    slowest: float = 0.0
    acknowledged: int = 0
    claimed_after: int = 0
    # Seconds for which a page had been waiting for over two minutes and /health was green.
    green_while_stuck: float = 0.0


def judge(lines: Iterable[Line], rows: Rows) -> Judgement:
    """Put every promise beside what came of it."""
    by_kind: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_kind[line["what"]].append(line)
    told = _Told(rows)
    for message in sorted(by_kind["message"], key=lambda line: line["at"]):
        told.take(message)
    found = Judgement(messages=told.messages, doubled=told.doubled, renamed=told.renamed)
    found.cut, found.unheard = rows.cut, rows.unheard
    blocked = [(line["at"], line["until"]) for line in by_kind["blocked"]]
    stuck: list[tuple[float, float]] = []
    for incident, at in _first_answers(by_kind["alert"]).items():
        found.alerts += 1
        _judge_one(found, incident, could_go_at(at, blocked), told, rows)
        stuck.append((at + LATE_AFTER, told.first.get(f"incident:{incident}", time.time())))
    found.green_while_stuck = _green(by_kind["health"], stuck)
    for ack in by_kind["ack"]:
        _judge_ack(found, ack, told)
    return found


def could_go_at(at: float, blocked: Iterable[tuple[float, float]]) -> float:
    """When a page that was asked for at this moment could have gone out."""
    for begun, until in sorted(blocked):
        # What came a moment before was still under way.
        if begun - 15 <= at <= until:
            at = until
    return at


def plain(key: str) -> str:
    """A key as providers are told it: what ntfy allows, or its digest where it is long."""
    found = re.sub(r"[^-_A-Za-z0-9]", "-", key)
    return found if len(found) <= 64 else f"pp-{hashlib.sha256(key.encode()).hexdigest()[:40]}"


class _Told:
    """Goes through the messages in order, and knows what each address had been told by then."""

    def __init__(self, rows: Rows) -> None:
        self.messages = self.doubled = self.renamed = 0
        self.first: dict[str, float] = {}
        self.pages: list[tuple[float, list[str], str]] = []
        self.states: dict[str, set[str]] = defaultdict(set)
        self._pairs: set[tuple[str, str]] = set()
        self._names: set[tuple[str, str]] = set()
        self._threads: dict[str, list[str]] = {}
        for key, (thread, _, purpose, state) in rows.notifications.items():
            if purpose == "page":
                self.states[thread].add(state)
                self._threads[plain(key)] = [thread]
                # E-mail has no limit on the length of a key.
                self._threads[re.sub(r"[^-_A-Za-z0-9]", "-", key)] = [thread]
        for number, threads in rows.bundles.items():
            self._threads[f"bundle-{number}"] = threads

    def threads_of(self, key: str) -> list[str]:
        return self._threads.get(key, [])

    def take(self, message: Line) -> None:
        threads = self.threads_of(message["key"])
        if not threads or not message["taken"]:
            return
        self.messages += 1
        self.pages.append((message["at"], threads, message["address"]))
        new = [one for one in threads if (one, message["address"]) not in self._pairs]
        name = (message["key"], message["address"])
        self.doubled += not new  # it said nothing that had not been said
        self.renamed += not new and name not in self._names
        self._names.add(name)
        for one in new:
            self._pairs.add((one, message["address"]))
            self.first.setdefault(one, message["at"])


def _first_answers(alerts: Iterable[Line]) -> dict[int, float]:
    found: dict[int, float] = {}
    for line in alerts:
        for incident in line["incidents"] or [0]:
            found[incident] = min(line["at"], found.get(incident, line["at"]))
    return found


def _judge_one(found: Judgement, incident: int, at: float, told: _Told, rows: Rows) -> None:
    thread = f"incident:{incident}"
    arrived = told.first.get(thread)
    if arrived is not None:
        found.slowest = max(found.slowest, arrived - at)
        found.late += arrived - at > LATE_AFTER
    elif incident in rows.incidents and told.states[thread] & SETTLED:
        found.failed += 1
    else:
        found.lost.append(incident)


def _green(health: Iterable[Line], stuck: Iterable[tuple[float, float]]) -> float:
    """Of all samples in a row within such a time, the longest green run, in seconds."""
    spans = [(begun, ended) for begun, ended in stuck if ended > begun]
    longest, since = 0.0, None
    for sample in sorted(health, key=lambda line: line["at"]):
        at = sample["at"]
        if sample["status"] == 200 and any(begun <= at <= ended for begun, ended in spans):
            since = at if since is None else since
            longest = max(longest, at - since)
        else:
            since = None
    return longest


def _judge_ack(found: Judgement, ack: Line, told: _Told) -> None:
    threads = set(told.threads_of(ack["key"]))
    found.acknowledged += bool(threads)
    for at, said, _ in told.pages:
        found.claimed_after += at > ack["at"] + ON_ITS_WAY and bool(said) and set(said) <= threads
