"""Runs the faults that are named, else all, on both databases, and prints one table.

FAULTS_SCALE: 1 for the full counts and lengths. FAULTS_ON: sqlite, postgresql or both.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from pagerpal.bench.site import ROOT, environment
from pagerpal.faults import clocks, kills, providers, stores  # noqa: F401  they register
from pagerpal.faults.databases import Database, databases
from pagerpal.faults.house import House, Scale
from pagerpal.faults.ledger import Judgement
from pagerpal.faults.registry import FAULTS, Fault

HEAD = "| fault | database | tried | cut off | lost | doubled | renamed | late | needed hands |"
GREEN_FOR = 5.0


@dataclass(frozen=True)
class Outcome:
    """One line of the table and what stands below it."""

    words: str
    database: str
    house: House
    found: Judgement

    @property
    def row(self) -> str:
        found = self.found
        cells = [self.words, self.database, self.house.tried, found.cut, len(found.lost)]
        cells += [found.doubled, found.renamed, found.late, self.house.hands]
        return "| " + " | ".join(map(str, cells)) + " |"

    @property
    def complaints(self) -> list[str]:
        found, house = self.found, self.house
        said = list(house.troubles)
        said += [f"lost {found.lost[:5]}"] if found.lost else []
        if found.cut > house.excused:
            said.append(f"{found.cut} calls cut off where {house.excused} can have been")
        if found.doubled > found.unheard:
            said.append(f"{found.doubled} doubled where {found.unheard} calls had no result")
        said += [f"{found.late} late, up to {found.slowest:.0f} s"] if found.late else []
        said += [f"{found.claimed_after} sent after an answer"] if found.claimed_after else []
        if found.green_while_stuck > GREEN_FOR:
            said.append(f"/health was green for {found.green_while_stuck:.0f} s of a stuck page")
        return said


def run(fault: Fault, database: Database, folder: Path, keys: dict[str, list[str]]) -> Outcome:
    """One fault on a fresh database, from start to settled."""
    place = Path(tempfile.mkdtemp(dir=folder))
    database.renew()
    scale = Scale(float(os.environ.get("FAULTS_SCALE", "1")))
    house = House(database, place, keys, scale, free_port())
    try:
        if fault.serves:
            house.serve()
            house.wait_until_healthy()
        try:
            fault.run(house)
        except Exception:
            house.troubles.append(traceback.format_exc(limit=-3))
        found = house.settle()
    finally:
        house.close()
    outcome = Outcome(fault.words, database.name, house, found)
    facts = f"{found.alerts} alerts, {found.messages} messages, {found.acknowledged} answers"
    facts += f", {found.failed} failed"
    print(f"{outcome.row}  {facts}, slowest {found.slowest:.1f} s", flush=True)
    for complaint in outcome.complaints:
        print(f"    {complaint}", flush=True)
    if outcome.complaints:
        print(f"    see {place}", flush=True)
    else:
        shutil.rmtree(place)
    return outcome


def prepared(database: Database, folder: Path) -> dict[str, list[str]]:
    made = subprocess.run(
        [sys.executable, "-m", "pagerpal.faults.preparing"],
        env=environment(str(folder), 8000, database.template()),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    keys: dict[str, list[str]] = json.loads(made.stdout.splitlines()[-1])
    return keys


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def main(names: list[str]) -> int:
    if unknown := set(names) - set(FAULTS):
        print(f"{unknown.pop()}: expected some of {', '.join(FAULTS)}")
        return 2
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # end what we started
    random.seed(seed := os.environ.get("FAULTS_SEED", str(time.time())))
    print(f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.2f}, seed {seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="pagerpal-faults-"))
    wanted = os.environ.get("FAULTS_ON", "sqlite,postgresql").split(",")
    outcomes = []
    with databases(folder, wanted) as found:
        for database in found:
            keys = prepared(database, folder)
            for fault in FAULTS.values():
                if (not names or fault.name in names) and fault.only in {"", database.name}:
                    outcomes.append(run(fault, database, folder, keys))
    print(f"\n{HEAD}\n{'| --- ' * 9}|")
    print("\n".join(outcome.row for outcome in outcomes))
    answers = sum(outcome.found.acknowledged for outcome in outcomes)
    after = sum(outcome.found.claimed_after for outcome in outcomes)
    print(f"\nSent after an acknowledgement was stored: {after} of {answers} answered messages.")
    is_bad = any(outcome.complaints or outcome.house.hands for outcome in outcomes)
    return int(is_bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
