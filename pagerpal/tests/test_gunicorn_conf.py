"""How many web processes there are."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WORKERS = (
    "import os; os.cpu_count = lambda: {}; from pagerpal import gunicorn_conf as conf;"
    "print(conf.workers)"
)


@pytest.mark.parametrize(
    ("database", "cores", "processes"),
    [("sqlite:///x", 8, 1), ("postgres://x/y", 2, 1), ("postgres://x/y", 4, 2)],
)
def test_a_second_web_process_runs_where_there_is_a_core_for_it(
    database: str, cores: int, processes: int
) -> None:
    environment = {**os.environ, "DATABASE_URL": database, "PAGERPAL_ENV_FILE": os.devnull}

    said = subprocess.run(
        [sys.executable, "-c", WORKERS.format(cores)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert int(said.stdout) == processes
