"""The rounds in a process of their own."""

from __future__ import annotations

import os
import traceback

import pytest

from incidents.models import Round
from pagerpal import aside, tasks

pytestmark = pytest.mark.django_db(transaction=True)


def test_another_process_makes_the_rounds_and_they_are_made_when_it_returns() -> None:
    aside.look_around()

    assert {job.name for job in tasks.JOBS} == set(Round.objects.values_list("name", flat=True))


def test_rounds_that_die_are_a_failed_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "look_around", lambda: os._exit(3))

    with pytest.raises(RuntimeError, match="ended with 3"):
        aside.look_around()


def test_an_error_does_not_go_on_in_a_second_process(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tasks, "look_around", lambda: 1 / 0)
    monkeypatch.setattr(aside.log, "critical", lambda *_, **__: traceback.print_exc())

    with pytest.raises(RuntimeError, match="ended with 1"):
        aside.look_around()

    assert "ZeroDivisionError" in capfd.readouterr().err
