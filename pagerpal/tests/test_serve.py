"""Tests of `manage.py serve`: web and worker under one supervisor, as real processes."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import psutil
import pytest
from django.core.management.base import CommandError
from django.utils import timezone

from notifications.models import Notification
from pagerpal import migrating, supervisor
from pagerpal.supervisor import LEAST_PAUSE, LOOK_EVERY, MOST_PAUSE, QUICK, Program, Supervisor
from pagerpal.testing import make_user
from pagerpal.tests.processes import NtfyServer, Site, get, wait_until
from pagerpal.tests.processes import Program as Running


def health(on: Site) -> int:
    return get(f"{on.url}/health")[0]


def live(on: Site) -> int:
    return get(f"{on.url}/health/live")[0]


def serve(on: Site) -> Running:
    """`manage.py serve`, healthy; on an empty database it has all to migrate first."""
    program = on.manage("serve")
    wait_until(lambda: health(on) == 200, seconds=60, why=program)
    return program


def web_and_worker(program: Running) -> tuple[psutil.Process, psutil.Process]:
    """The two that the supervisor started, both up."""

    def find() -> Any:
        parents = [child for child in program.children() if child.children()]
        listening = [child for child in parents if is_listening(child)]
        others = [child for child in parents if child not in listening]
        return (listening[0], others[0]) if listening and others else None

    found: tuple[psutil.Process, psutil.Process] = wait_until(find, why=program)
    return found


def is_listening(process: psutil.Process) -> bool:
    return any(at.status == psutil.CONN_LISTEN for at in process.net_connections("tcp"))


@pytest.mark.processes
def test_one_command_migrates_and_serves_and_stops(new_site: Site) -> None:
    program = serve(new_site)

    said = program.log
    program.send(signal.SIGTERM)
    code = program.wait()

    assert "The database is up to date." in said
    assert "First run" in said
    assert f"PagerPal listens on {new_site.url}" in said
    assert code == 0, program.log
    assert new_site.survivors() == []


@pytest.mark.processes
def test_whichever_dies_is_started_again_while_the_other_goes_on(site: Site) -> None:
    program = serve(site)
    web, worker = web_and_worker(program)

    worker.kill()
    wait_until(lambda: "worker ended (signal 9)" in program.log)
    went_on = live(site)
    _, second_worker = web_and_worker(program)
    web.kill()
    wait_until(lambda: "web ended (signal 9)" in program.log)
    wait_until(lambda: live(site) == 200, why=program)
    second_web, same_worker = web_and_worker(program)

    assert went_on == 200
    assert second_worker.pid != worker.pid
    assert second_web.pid != web.pid
    assert same_worker.pid == second_worker.pid


@pytest.mark.processes
def test_nothing_outlives_a_killed_supervisor(site: Site) -> None:
    program = serve(site)

    program.send(signal.SIGKILL)
    program.wait()

    wait_until(lambda: not site.survivors(), seconds=10, why=str(site.survivors()))


@pytest.mark.processes
def test_of_those_that_start_at_once_one_migrates(new_site: Site) -> None:
    script = "from pagerpal import migrating as m; print('did', m.bring_up_to_date())"

    all_three = [new_site.manage("shell", "--no-imports", "-c", script) for _ in range(3)]
    codes = [program.wait(seconds=90) for program in all_three]
    logs = [program.log for program in all_three]

    assert codes == [0, 0, 0], logs
    assert sum("Applying schedules.0001_initial... OK" in log for log in logs) == 1, logs


@pytest.mark.processes
def test_what_is_being_sent_when_all_are_told_to_stop_is_sent_to_its_end(
    site: Site, ntfy: NtfyServer
) -> None:
    method = make_user("alice").contact_methods.get(address="topic-alice")
    program = serve(site)
    ntfy.hang()
    due = Notification.objects.create(
        purpose="page",
        thread="house:1",
        key="page",
        user=method.user,
        contact_method=method,
        channel="ntfy",
        address=method.address,
        due_at=timezone.now(),
    )
    ntfy.wait_for(1)

    program.send(signal.SIGTERM)
    wait_until(lambda: "is stopping" in program.log, why=program)
    ntfy.work()
    code = program.wait()

    due.refresh_from_db()
    assert code == 0, program.log
    assert due.state == "sent"
    assert len(ntfy.calls) == 1
    assert site.survivors() == []


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # pytest-xdist has threads
def test_a_migration_that_fails_in_its_process_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(**_: object) -> bool:
        raise CommandError("another process has been migrating for two minutes")

    monkeypatch.setattr(migrating, "missing", lambda: ["incidents.0002_more"])
    monkeypatch.setattr(migrating, "bring_up_to_date", fail)

    with pytest.raises(CommandError, match="could not be brought up to date"):
        migrating.bring_up_to_date_aside()


# --- The supervisor alone ------------------------------------------------------------------------
def died(program: Program, *, after: float) -> float:
    """How long the next start waits when it ran for this long."""
    program._started_at = 100.0
    program.pid = 2**22 + 1  # nobody: above the largest process number
    program.ended(9, 100.0 + after)
    return program.start_at - (100.0 + after)


def test_quick_deaths_wait_longer_each_time_and_a_long_life_forgives() -> None:
    program = Program("web", lambda: None)

    quick = [died(program, after=1) for _ in range(7)]
    long = died(program, after=QUICK)
    again = died(program, after=1)

    assert quick == [LEAST_PAUSE, 1, 2, 4, 8, MOST_PAUSE, MOST_PAUSE]
    assert (long, again) == (0, LEAST_PAUSE)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # pytest-xdist has threads
@pytest.mark.parametrize(
    ("main", "code"),
    [
        (lambda: None, 0),
        (lambda: os._exit(3), 3),
        (lambda: exit_with(4), 4),
        (lambda: exit_with("a sentence"), 1),
        (lambda: 1 / 0, 1),
    ],
)
def test_a_program_never_comes_back_into_the_supervisor(
    main: Any, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threading.active_count", lambda: 1)
    program = Program("web", main)

    program.start(0)
    _, status = os.waitpid(program.pid, 0)

    assert os.waitstatus_to_exitcode(status) == code


def exit_with(code: Any) -> None:
    raise SystemExit(code)


def test_it_sleeps_until_the_next_start_or_the_next_look() -> None:
    waiting, running = Program("web", print), Program("worker", print)
    waiting.start_at, running.pid = 0.0, 17

    assert Supervisor([running])._next_start() == LOOK_EVERY
    assert Supervisor([waiting, running])._next_start() == 0


@pytest.mark.parametrize(
    ("signed_at", "slept", "is_killed"),
    [
        (0.0, 5, False),  # it has never promised any
        (900.0, 5, True),
        (950.0, 5, False),
        (900.0, 3600, False),  # so did the machine
    ],
)
def test_a_program_without_a_sign_of_life_is_killed(
    signed_at: float, slept: float, is_killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, killed = Program("worker", print), []
    program.pid, program.sign[0] = 2**22 + 1, signed_at
    monkeypatch.setattr(program, "kill_group", lambda: killed.append(program.name))

    Supervisor([program])._end_what_hangs(1000.0 - slept, 1000.0)

    assert bool(killed) is is_killed


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # pytest-xdist has threads
def test_the_supervisor_sees_the_signs_of_its_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threading.active_count", lambda: 1)
    program = Program("worker", supervisor.touch)

    program.start(0)
    os.waitpid(program.pid, 0)

    assert 0 < program.sign[0] <= time.monotonic()


def test_how_a_program_ended_is_said_in_words() -> None:
    assert supervisor.how(9) == "signal 9"
    assert supervisor.how(3 << 8) == "code 3"
