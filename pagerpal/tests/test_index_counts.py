"""SQLite knows what its indexes hold: without that it reads all that ever was for a week of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from incidents import figures
from incidents.models import Incident
from pagerpal import tasks
from pagerpal.sqlite import index_counts
from pagerpal.testing import NOON, make_team, make_user

pytestmark = pytest.mark.django_db


def make_history(incidents: int) -> None:
    """One a day, none of them merged into another."""
    team = make_team("Platform")
    Incident.objects.bulk_create(
        Incident(
            team=team, title="Disk full", urgency="none", opened_at=NOON - timedelta(days=number)
        )
        for number in range(incidents)
    )


def test_incidents_of_a_week_are_found_by_when_they_opened() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL counts by itself")
    make_history(300)
    found = figures.counted(Incident.objects.order_by())
    week = found.filter(opened_at__gte=NOON - timedelta(days=7))
    before = week.explain()

    index_counts.renew(NOON)

    assert "incident_opened" not in before
    assert "incident_opened" in week.explain()


def test_a_round_counts_each_day() -> None:
    [job] = [job for job in tasks.JOBS if job.do is index_counts.renew]

    job.do(NOON)  # on PostgreSQL nothing

    assert job.every == timedelta(days=1)


def test_pages_of_a_person_are_found_by_incident_before_anything_was_counted() -> None:
    """Else SQLite would read all pages that the person ever got, for each incident of a list."""
    if connection.vendor != "sqlite":
        pytest.skip("SQLite plans so that the name of the index shows")
    visible = Incident.objects.visible_to(make_user("alice")).order_by("-pk")

    assert "page_of_person (user_id=? AND incident_id" in visible.explain()
