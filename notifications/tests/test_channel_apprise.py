"""Apprise, an optional library, played by one with just the calls that PagerPal makes."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from notifications.channels import apprise as channel
from notifications.channels.base import Deadline, Message, Receipt, SendError, registry

URL = "gotifys://push.example.org/A3f9xk2m47q"


class Played:
    """The library: takes one target, and what `notify` must be given."""

    def __init__(self, result: Any = True, *, knows: bool = True) -> None:
        self.result, self.knows = result, knows
        self.sent: list[tuple[str, str, str]] = []

    def module(self) -> ModuleType:
        played = self

        class Apprise:
            def __init__(self) -> None:
                self.urls: list[str] = []

            def add(self, url: str) -> bool:
                self.urls.append(url)
                return played.knows

            def notify(self, *, title: str, body: str, body_format: str) -> Any:
                (url,) = self.urls
                assert body_format == "text"
                played.sent.append((url, title, body))
                return played.result

        module = ModuleType("apprise")
        module.Apprise = Apprise  # type: ignore[attr-defined]
        module.NotifyFormat = SimpleNamespace(TEXT="text")  # type: ignore[attr-defined]
        return module


def play(monkeypatch: pytest.MonkeyPatch, played: Played) -> Played:
    monkeypatch.setitem(sys.modules, "apprise", played.module())
    return played


def send(address: str = URL) -> Receipt:
    message = Message("k", "t", "Disk full", "97 %", open_url="https://pager.example.org/i/1")
    return registry["apprise"].send(message, address, Deadline(5))


class Result:
    """What a real `AppriseResult` shows of a failed target."""

    def __init__(self, said: str) -> None:
        attempt = SimpleNamespace(logs=[SimpleNamespace(message=said)])
        self.results = [SimpleNamespace(attempts=[attempt])]

    def __bool__(self) -> bool:
        return False


def test_one_target_gets_the_message_with_its_link(monkeypatch: pytest.MonkeyPatch) -> None:
    played = play(monkeypatch, Played())

    send()

    assert played.sent == [(URL, "Disk full", "97 %\nhttps://pager.example.org/i/1")]


def test_what_failed_is_tried_again_and_hides_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, Played(Result("Connection error to push.example.org/A3f9xk2m47q")))

    with pytest.raises(SendError, match="Connection error") as caught:
        send()

    assert not caught.value.permanent
    assert "A3f9xk2m47q" not in caught.value.text


def test_a_service_that_it_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, Played(knows=False))

    with pytest.raises(SendError, match="does not know") as caught:
        send()

    assert caught.value.permanent


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "syslog://",
        "SYSLOG://x",
        "rsyslog://10.0.0.1",
        "dbus://x",
        "json://127.0.0.1:8000/",
        "xmls://internal/",
        "fcm://project@api/?keyfile=/etc/shadow",
        "gotify://host/token?attach=/etc/passwd",
        "two://a b://c",
        "gotify",
    ],
)
def test_what_reaches_this_machine_is_refused_before_the_library(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    played = play(monkeypatch, Played())

    with pytest.raises(ValueError, match=r"\.$"):
        registry["apprise"].clean_address(url)
    with pytest.raises(SendError) as caught:
        send(url)

    assert caught.value.permanent
    assert played.sent == []


def test_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "find_spec", lambda name: None)
    channel._is_installed.cache_clear()

    assert registry["apprise"].needs() == ["the Python package apprise"]
    channel._is_installed.cache_clear()


def test_nothing_of_it_is_loaded_before_there_is_something_to_send() -> None:
    registry["apprise"].clean_address(URL)

    assert "apprise" not in sys.modules


def test_only_an_admin_may_enter_its_address() -> None:
    from notifications.channels.base import is_for_admins

    assert is_for_admins("apprise")
    assert not is_for_admins("ntfy")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")
def test_the_real_library_knows_these_calls() -> None:
    pytest.importorskip("apprise", reason="the extra of requirements-apprise.txt is not installed")

    with pytest.raises(SendError):
        send("gotify://127.0.0.1:9/A3f9xk2m47q")
