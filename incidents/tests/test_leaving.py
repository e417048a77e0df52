"""A team that is needed cannot be switched off."""

from __future__ import annotations

import pytest

from pagerpal.testing import make_incident, make_source, make_team
from schedules.models import Team
from schedules.signals import team_closing

pytestmark = pytest.mark.django_db


def objections(team: Team) -> list[str]:
    return [str(words) for _, words in team_closing.send(sender=Team, team=team) if words]


def test_a_team_with_open_incidents_or_active_sources_stays_on() -> None:
    team = make_team("Platform")
    make_incident(team)
    make_source(team, name="Prometheus")

    assert sorted(objections(team)) == [
        "Platform has 1 open incidents: resolve them first.",
        "Platform has active alert sources: Prometheus.",
    ]


def test_a_team_without_them_may_go() -> None:
    team = make_team("Platform")
    make_incident(team, state="resolved")
    make_source(team, is_active=False)

    assert sorted(objections(team)) == []
