"""Keeps out of every process what only one of them uses, and that not yet."""

from __future__ import annotations

import sys
from importlib import import_module


def load_queue_without_prometheus() -> None:
    """Django-Q2 loads prometheus_client (5 MB, a tenth of a second) wherever it is installed, for
    counters of its own that we do not use; here it learns that there is none.

    To be called before anything else has loaded Django-Q2.
    """
    if "prometheus_client" in sys.modules:
        return
    sys.modules["prometheus_client"] = None  # type: ignore[assignment]
    try:
        import_module("django_q.conf")
    finally:
        del sys.modules["prometheus_client"]
