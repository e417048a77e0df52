"""Runs manage.py beneath libfaketime, which ends or prolongs Python's own sleep.

It takes the hour that it adds to the time of day from every moment that is slept until, whichever
clock that is of: ahead, the call is refused; behind, it lasts an hour. A wait for no files is
left alone.
"""

from __future__ import annotations

import runpy
import select
import sys
import time
from typing import Any

from pagerpal.bench.site import ROOT


def sleep(seconds: Any) -> None:
    select.select([], [], [], seconds)


if __name__ == "__main__":
    time.sleep = sleep
    sys.argv[0] = str(ROOT / "manage.py")
    runpy.run_path(sys.argv[0], run_name="__main__")
