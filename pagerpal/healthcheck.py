"""What a container asks itself: `python -m pagerpal.healthcheck`, exit code 0 while all is well.

Without an argument: does /health/live answer here? With `worker`: has a worker of this machine
written its row lately? It is run every half minute for years, so it loads no Django.
"""

from __future__ import annotations

import http.client
import os
import socket
import sqlite3
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pagerpal import env

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 4.0
# The worker writes every 5 s; its own watchdog ends it after 20.
FRESH_FOR = timedelta(seconds=30)
NEWEST = "SELECT max(beat_at) FROM pagerpal_workerheartbeat WHERE name LIKE {}"


def web() -> str:
    """What is wrong with the web process of this machine, or nothing."""
    bind = env.text("PAGERPAL_BIND", "127.0.0.1")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}.get(bind, bind)  # noqa: S104
    asked = http.client.HTTPConnection(
        host.strip("[]"), env.integer("PAGERPAL_PORT", 8000), timeout=PATIENCE
    )
    try:
        # That name is allowed however the site is called.
        asked.request("GET", "/health/live", headers={"Host": "localhost"})
        answer = asked.getresponse()
        text = answer.read(500).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"/health/live does not answer: {error}"
    return "" if answer.status == 200 else f"/health/live answers {answer.status}: {text}"


def worker() -> str:
    """What is wrong with the worker of this machine, or nothing."""
    try:
        beat_at = _newest_beat(f"{socket.gethostname()[:100]}:%")
    except Exception as error:
        return f"the database cannot be read: {error}"
    if beat_at is None:
        return "no worker of this machine has written its row"
    age = datetime.now(UTC) - beat_at
    return "" if age < FRESH_FOR else f"the worker's row is {age.total_seconds():.0f} s old"


def _newest_beat(like: str) -> datetime | None:
    url = env.text("DATABASE_URL")
    if url.startswith("postgres"):
        import psycopg

        with psycopg.connect(url, connect_timeout=3) as server:
            server.execute("SET statement_timeout = 3000")
            row = server.execute(NEWEST.format("%s"), [like]).fetchone()
            return row[0] if row else None
    default = Path(env.text("PAGERPAL_DATA_DIR", str(ROOT / "data"))) / "pagerpal.sqlite3"
    path = url.removeprefix("sqlite:///") or str(default)
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=PATIENCE) as file:
        text = file.execute(NEWEST.format("?"), [like]).fetchone()[0]
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def main(arguments: list[str]) -> int:
    env.load_dotenv(Path(env.text("PAGERPAL_ENV_FILE", str(ROOT / ".env"))))
    begun = time.monotonic()
    trouble = worker() if arguments == ["worker"] else web()
    print(trouble or f"OK after {time.monotonic() - begun:.2f} s")
    sys.stdout.flush()
    return int(bool(trouble))


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
