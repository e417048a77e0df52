"""Makes the database that every fault begins with, and prints the keys of its alert sources."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

# Teams of one person each; `tap` answers each message, and has a second address that follows.
TEAMS = {"one": 4, "tap": 2, "mail": 2, "both": 2}
FOLLOWS_AFTER = timedelta(seconds=5)
# So long that no second step belongs to what is counted.
STEP = timedelta(hours=2)


def prepare() -> dict[str, list[str]]:
    """By kind of team, the keys of its sources."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return {
        kind: [a_team(kind, number) for number in range(teams)] for kind, teams in TEAMS.items()
    }


def a_team(kind: str, number: int) -> str:
    """A team of one with a source; the source's key. Django is set up."""
    from alertsources.keys import hashed, new_key
    from alertsources.models import AlertSource
    from incidents.models import EscalationPolicy, EscalationStep
    from schedules.models import Membership, Team, User

    name = f"{kind}-{number}"
    team = Team.objects.create(name=name)
    policy = EscalationPolicy.objects.create(team=team, is_default=True)
    user = User.objects.create_user(f"{name}@example.org", name=name)
    Membership.objects.create(team=team, user=user)
    for channel, address, delay in _addresses(kind, name):
        _method(user, channel, address, delay)
    EscalationStep.objects.create(policy=policy, position=0, delay=STEP).people.add(user)
    key = new_key()
    AlertSource.objects.create(
        team=team, name=name, key_hash=hashed(key), key_hint=key[-4:], limit_per_minute=0
    )
    return key


def _addresses(kind: str, name: str) -> list[tuple[str, str, timedelta]]:
    now = timedelta()
    if kind == "tap":
        return [("ntfy", name, now), ("ntfy", f"{name}-follows", FOLLOWS_AFTER)]
    if kind == "mail":
        return [("email", f"{name}@example.org", now)]
    if kind == "both":
        return [("ntfy", name, now), ("email", f"{name}@example.org", timedelta(minutes=60))]
    return [("ntfy", name, now)]


def _method(user: Any, channel: str, address: str, delay: timedelta) -> None:
    from notifications.models import ContactMethod, NotificationRule

    method = ContactMethod.objects.create(user=user, channel=channel, address=address)
    for urgency in ("high", "low"):
        NotificationRule.objects.create(
            user=user, contact_method=method, urgency=urgency, delay=delay, repeats=0
        )


if __name__ == "__main__":
    print(json.dumps(prepare()))
