"""What holds for every source, also for the next one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from alertsources.reading import read
from alertsources.severities import severity_of
from alertsources.sources.base import register, registry, source_choices
from alertsources.tests import bodies
from pagerpal.testing import NOON, make_source, make_team

JUNK: list[Any] = [
    None,
    True,
    5,
    "hello",
    {},
    {"a": {"b": 1}},
    {"status": "resolved"},
    [[]],
    [None],
]
# Whatever comes is an alert to them.
TAKE_ALL = {"any-json", "cloudwatch"}

WITHOUT_A_NETWORK = """
import sys
def refuse(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.sendto"}:
        raise SystemExit(f"{event} {arguments}")
sys.addaudithook(refuse)
import django
django.setup()
from alertsources.sources.base import registry
print(*registry)
"""


@pytest.mark.parametrize("kind", registry)
def test_a_source_introduces_itself(kind: str) -> None:
    source = registry[kind]

    assert re.fullmatch(r"[a-z][a-z0-9-]{1,23}", source.slug)
    assert source.label
    assert "{{ url }}" in source.setup


@pytest.mark.parametrize("kind", registry)
@pytest.mark.django_db
def test_a_source_understands_its_own_example(kind: str) -> None:
    source = make_source(make_team(), kind=kind)
    body = json.dumps(registry[kind].example).encode()

    reading = read(body, source, kind=kind, now=NOON)

    assert not reading.troubles
    assert [alert.status for alert in reading.alerts] == ["firing"]
    assert all(alert.key and alert.title and not alert.is_test for alert in reading.alerts)


@pytest.mark.parametrize("kind", registry)
@pytest.mark.parametrize("junk", JUNK, ids=str)
@pytest.mark.django_db
def test_junk_leads_somewhere(kind: str, junk: Any) -> None:
    source = make_source(make_team(), kind=kind)

    reading = read(json.dumps(junk).encode(), source, kind=kind, now=NOON)

    assert len(reading.alerts) == 1
    if kind not in TAKE_ALL:
        assert reading.troubles


def test_sources_ask_no_network_when_they_are_imported() -> None:
    found = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_NETWORK], capture_output=True, text=True, check=False
    )

    assert set(found.stdout.split()) == {*registry}, found.stderr


def test_two_sources_cannot_share_a_name() -> None:
    with pytest.raises(RuntimeError, match="generic"):
        register(registry["generic"])
    assert ("generic", "Generic JSON") in source_choices()


@pytest.mark.parametrize("kind", registry)
@pytest.mark.parametrize("name", bodies.NASTY)
@pytest.mark.django_db
def test_reading_never_raises(kind: str, name: str) -> None:
    source = make_source(make_team())

    reading = read(bodies.nasty(name), source, kind=kind, now=NOON)

    assert bool(reading.troubles) == any("Unreadable" in one.title for one in reading.alerts)


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("critical", "critical"),
        ("PAGE", "critical"),
        ("P1", "critical"),
        ("error", "high"),
        (" Warning ", "warning"),
        ("none", "info"),
        ("P5", "info"),
        ("", "high"),
        ("purple", "high"),
    ],
)
def test_severity_words_are_known(word: str, severity: str) -> None:
    assert severity_of(word, "high") == severity
