"""Who is on call now, as the dashboard and the admin's first page show it to a person."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from schedules import sight, troubles
from schedules.duty import Duty, duties_at, with_troubles
from schedules.models import Rotation, User


def on_duty(user: User, now: datetime) -> list[Duty]:
    """Who would be paged now, and who after that, in the rotations of this person's teams.

    And in whatever other team they take turns or cover: whoever is on call must see it here.
    """
    theirs = Q(team__in=sight.teams_of(user)) | sight.has_turns(user, since=now)
    rotations = Rotation.objects.filter(theirs, is_active=True, team__is_active=True)
    duties = duties_at(rotations.select_related("team"), now)
    return with_troubles(duties, troubles.of_people(duty.person for duty in duties))
