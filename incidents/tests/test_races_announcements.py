"""A storm from many workers: threads with connections of their own, on either database."""

from __future__ import annotations

import pytest

from incidents import lifecycle
from incidents.lifecycle import Actor, Opening
from notifications import dispatch
from notifications.models import Notification
from notifications.tests.test_races import at_once
from notifications.updates import MOST_FOR_A_CHANNEL
from pagerpal.testing import NOON, Recorder, make_channel, make_team, minutes, seconds

pytestmark = pytest.mark.django_db(transaction=True)
MONITOR = Actor(None, "Alertmanager", "monitor")
WORKERS, EACH = 4, 20


def test_a_storm_from_many_workers_is_counted_whole(recorder: Recorder) -> None:
    team = make_team("Platform")
    make_channel(team, wants_opened=True, wants_resolved=True)

    def storm(number: int) -> None:
        for n in range(EACH):
            opening = Opening(team, f"Host {number}-{n} down", urgency="none")
            incident = lifecycle.open_incident(opening, now=NOON + seconds(1))
            if n % 2:
                lifecycle.resolve(incident.pk, MONITOR, now=NOON + seconds(2))

    at_once(*(lambda number=number: storm(number) for number in range(WORKERS)))
    while dispatch.send_best_due(NOON + minutes(2), seconds=8):
        pass

    rows = Notification.objects.filter(team_channel__isnull=False)
    told = rows.filter(ref__startswith="update:").count()
    folded = rows.filter(ref__startswith="in:").count()
    (digest,) = rows.filter(ref__startswith="digest:")
    assert told + folded == WORKERS * EACH * 3 // 2
    assert told <= MOST_FOR_A_CHANNEL + WORKERS  # each may have looked before the others wrote
    assert digest.state == "sent"
    recorder.take_all()
