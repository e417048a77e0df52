"""The acts beside the big button: what there is to choose from."""

from __future__ import annotations

from typing import Any

from incidents import raising, wishes
from incidents.models import Incident, Severity
from schedules.models import Team, User

# More are found by their number.
MOST_OTHERS = 30


def facts(incident: Incident, user: User) -> dict[str, Any]:
    """For the fragment; whoever sees it may act on the incident."""
    if not incident.is_open:
        return {"is_merged": incident.merged_into_id is not None}
    people = raising.people_to_page()
    others = Incident.objects.visible_to(user).open().filter(is_test=incident.is_test)
    return {
        "is_merged": False,
        "look_again": wishes.LOOK_AGAIN.items(),
        "snoozes": wishes.SNOOZES.items(),
        "can_promise": incident.state == Incident.State.TRIGGERED
        or incident.owner_id in {None, user.pk},
        "people": people,
        "receivers": [one for one in people if one.pk not in {user.pk, incident.owner_id}],
        "teams": Team.objects.filter(is_active=True),
        "severities": [word for word in Severity.values if word != incident.severity],
        "others": others.exclude(pk=incident.pk).only("pk", "title")[:MOST_OTHERS],
        "merged": incident.merged.only("pk", "title"),
    }
