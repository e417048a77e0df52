"""How random lives are run: some short ones that are always the same, or as many as are asked for.

LIFE_EXAMPLES and LIFE_STEPS make it longer; with them, every run draws other lots.
"""

from __future__ import annotations

import logging
import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

EXAMPLES = int(os.environ.get("LIFE_EXAMPLES", "0"))


def run_lives(
    of: type[RuleBasedStateMachine], caplog: pytest.LogCaptureFixture, *, steps: int
) -> None:
    """Fails when one breaks a rule, or when anything on the way calls itself an error."""
    run_state_machine_as_test(
        of,
        settings=settings(
            max_examples=EXAMPLES or 10,
            stateful_step_count=int(os.environ.get("LIFE_STEPS", steps)),
            derandomize=not EXAMPLES,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert [one.message for one in caplog.records if one.levelno >= logging.ERROR] == []
