"""Pages that somebody asked for by hand, when the policy calls the same people."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Min

from incidents.models import ASKED, Incident
from incidents.planner import Phase, Planned
from notifications import outbox
from notifications.models import Notification


def take_over(
    incident: Incident, planned: Planned, *, now: datetime
) -> tuple[set[int], outbox.Written]:
    """Whom the first step finds called by hand a moment ago: that call becomes the step's.

    With what was written for them, as if the step had; nobody is called twice at once. A call
    that has failed is left alone. The caller has locked the incident.
    """
    is_first = incident.round_started_at is None and incident.next_move == Phase.STEP
    if incident.raised_key is None or not is_first:
        return set(), outbox.Written(0, None, None)
    called: dict[int, str] = {}
    asked = incident.pages.filter(episode=incident.episode, step=ASKED, user__in=planned.people)
    for page in asked:
        outcome = outbox.outcome([page.ref])
        if page.user_id and (outcome.taken or outcome.unfinished):
            page.round, page.step, page.label = planned.round, planned.step, planned.label
            page.save(update_fields=["round", "step", "label"])
            called[page.user_id] = page.ref
    due = Notification.objects.filter(ref__in=called.values()).aggregate(first=Min("due_at"))
    return set(called), outbox.Written(len(called), None, due["first"] or now)
