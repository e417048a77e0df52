"""What holds for every source, also for the next one."""

from __future__ import annotations

import pytest

from alertsources.reading import read
from alertsources.severities import severity_of
from alertsources.sources.base import register, registry, source_choices
from alertsources.tests import bodies
from pagerpal.testing import NOON, make_source, make_team


@pytest.mark.parametrize("kind", registry)
def test_a_source_understands_its_own_example(kind: str) -> None:
    alerts = list(registry[kind].parse(registry[kind].example))

    assert alerts
    assert "{{ url }}" in registry[kind].setup


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
