"""Posts alerts as monitors do, again until each is answered; or asks /health each second.

A script of the standard library. It ends with its standard input.
"""

from __future__ import annotations

import http.client
import itertools
import json
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from pagerpal.faults.ledger import Ledger

PAUSE = 0.2


@dataclass(frozen=True)
class Load:
    """`rate` alerts a second in all, 0 for as many as are answered; each is posted so often.

    Without threads nothing is posted and /health is watched.
    """

    port: int
    keys: list[str]
    name: str
    rate: float
    threads: int
    times: int


class Driver:
    def __init__(self, load: Load, ledger: Ledger) -> None:
        self.load = load
        self.ledger = ledger
        self.ending = threading.Event()
        self._numbers = itertools.count()

    def run(self) -> None:
        """Until our standard input ends; what is under way is asked until it is answered."""
        work = [threading.Thread(target=self._post_all) for _ in range(self.load.threads)]
        if not work:
            threading.Thread(target=self._watch, daemon=True).start()
        for thread in work:
            thread.start()
        sys.stdin.read()
        self.ending.set()
        for thread in work:
            thread.join(120)

    def _post_all(self) -> None:
        pause = self.load.threads / self.load.rate if self.load.rate else 0
        asked: http.client.HTTPConnection | None = None
        while not self.ending.is_set():
            number = next(self._numbers)
            for _ in range(self.load.times):
                asked = self._post(asked, number)
            if pause:
                self.ending.wait(pause)

    def _post(
        self, kept: http.client.HTTPConnection | None, number: int
    ) -> http.client.HTTPConnection:
        """Again until it is answered 2xx or we end; the connection to use for the next."""
        name = f"{self.load.name}-{number}"
        body = json.dumps({"title": name, "external_id": name, "severity": "critical"})
        headers = {"X-API-Key": self.load.keys[number % len(self.load.keys)]}
        headers["Content-Type"] = "application/json"
        connection = kept or self._connect()
        while True:
            try:
                connection.request("POST", "/api/v1/alerts", body, headers)
                answer = connection.getresponse()
                said = answer.read()
                if 200 <= answer.status < 300:
                    found = json.loads(said).get("incidents") or []
                    self.ledger.note("alert", name=name, status=answer.status, incidents=found)
                    return connection
                self.ledger.note("refused", name=name, status=answer.status)
            except (OSError, http.client.HTTPException, ValueError):
                connection.close()
                connection = self._connect()
            time.sleep(PAUSE)
            if self.ending.is_set():  # never answered, so never promised
                return connection

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.load.port, timeout=30)

    def _watch(self) -> None:
        while True:
            self.ledger.note("health", status=health(self.load.port))
            time.sleep(1)


def health(port: int, path: str = "/health") -> int:
    """The status; 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


if __name__ == "__main__":
    Driver(Load(**json.loads(sys.argv[2])), Ledger(Path(sys.argv[1]))).run()
