"""Workers of one machine take turns at a SQLite database, and none waits for ever."""

from __future__ import annotations

import fcntl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from schedules import turns
from schedules.turns import turn


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(turns, "_path", lambda: str(tmp_path / "turn"))
    return tmp_path / "turn"


def is_free(path: Path) -> bool:
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_two_are_never_at_work_at_once() -> None:
    at_work, most = [0], [0]

    def work(number: int) -> None:
        for _ in range(20):
            with turn():
                at_work[0] += 1
                most[0] = max(most[0], at_work[0])
                threading.Event().wait(0.0005)
                at_work[0] -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    assert most == [1]


def test_whoever_waits_too_long_works_without() -> None:
    done = []

    def work() -> None:
        with turn(patience=0.01):
            done.append("the other")

    with turn():
        other = threading.Thread(target=work)
        other.start()
        other.join(10)

    assert done == ["the other"]


def test_turns_may_be_nested_and_the_outer_one_ends_it(path: Path) -> None:
    with turn():
        with turn():
            pass
        assert not is_free(path)
    assert is_free(path)


def test_an_error_gives_the_turn_back(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), turn():
        raise ZeroDivisionError

    assert is_free(path)


def test_where_no_file_is_nobody_waits(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(turns, "_path", lambda: "")

    with turn():
        pass

    assert not path.exists()
