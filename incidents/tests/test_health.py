"""The clock of an incident: what the database refuses, and what health says of what got in."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from incidents import health
from incidents.models import Incident
from pagerpal.testing import NOON, make_incident

pytestmark = pytest.mark.django_db
CLOCKLESS: dict[str, Any] = {"state": "triggered", "escalate_at": None}
TICKING: dict[str, Any] = {
    "state": "acknowledged",
    "acknowledged_at": NOON,
    "escalate_at": NOON,
}
TICKING_ON: dict[str, Any] = {"state": "resolved", "resolved_at": NOON, "escalate_at": NOON}


@pytest.mark.parametrize("fields", [CLOCKLESS, TICKING, TICKING_ON])
def test_the_database_refuses_a_clock_that_contradicts_its_state(fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make_incident(**fields)


def test_what_nobody_is_paged_for_needs_no_clock() -> None:
    make_incident(urgency="none", **CLOCKLESS)

    assert health.health(NOON) == []


@pytest.fixture
def unguarded() -> Any:
    """The database without its constraints, as a row could get in around them."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
            yield
            cursor.execute("PRAGMA ignore_check_constraints = OFF")
            return
        # Undone with the test.
        for name in ("incident_triggered_has_a_clock", "incident_answered_has_no_clock"):
            cursor.execute(f"ALTER TABLE {Incident._meta.db_table} DROP CONSTRAINT {name}")
        yield


@pytest.mark.parametrize("fields", [CLOCKLESS, TICKING, TICKING_ON])
def test_health_names_a_clock_that_contradicts_its_state(
    unguarded: None, fields: dict[str, Any]
) -> None:
    incident = make_incident(**fields)

    assert health.health(NOON) == [f"The escalation clock of #{incident.pk} contradicts its state."]
    assert health.count_violations() == 1
