"""What /health is told about alerts."""

from __future__ import annotations

import pytest

from alertsources.health import health
from alertsources.models import Alert
from alertsources.tests.bodies import post
from pagerpal.testing import NOON, make_incident, make_source, make_team

pytestmark = pytest.mark.django_db


def test_an_alert_lost_in_a_closed_incident_is_trouble() -> None:
    make_source(make_team())
    post({"title": "Disk full"})
    assert health(NOON) == []

    Alert.objects.update(incident=make_incident(state="resolved"))

    [trouble] = health(NOON)
    assert "fire in resolved incidents though nobody answered them: 1" in trouble
