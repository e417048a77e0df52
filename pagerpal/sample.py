"""The sample team of `manage.py demo`: three people, a rotation, a policy, two sources."""

from __future__ import annotations

import secrets
from datetime import datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from alertsources.keys import hashed, new_key
from alertsources.models import Alert, AlertSource
from incidents.models import EscalationPolicy, EscalationStep, Incident, Page
from notifications.models import ContactMethod, Notification, TeamChannel
from schedules.models import (
    Membership,
    Override,
    Rotation,
    RotationMember,
    ShiftRecord,
    Team,
    User,
)

TEAM = "Demo team"
DOMAIN = "demo.example"
PEOPLE = ("alice", "bob", "carol")
SOURCES = (("generic", "Demo generic"), ("alertmanager", "Demo Alertmanager"))

Made = dict[str, Any]


def exists() -> bool:
    return Team.objects.filter(name=TEAM).exists()


@transaction.atomic
def make(now: datetime) -> Made:
    """Make the sample and say what was made, with the keys and the password: shown this once."""
    password = secrets.token_urlsafe(9)
    team = Team.objects.create(name=TEAM)
    people = [_person(name, team, password if name == PEOPLE[0] else None) for name in PEOPLE]
    rotation = Rotation.objects.create(
        team=team,
        name="primary",
        starts_on=(now - timedelta(days=now.weekday())).date(),
        handover_time=time(0),
    )
    for place, user in enumerate(people):
        RotationMember.objects.create(rotation=rotation, user=user, position=place)
    policy = _policy(team, rotation)
    keys = {kind: new_key() for kind, _ in SOURCES}
    for kind, name in SOURCES:
        AlertSource.objects.create(
            team=team,
            name=name,
            kind=kind,
            policy=policy,
            key_hash=hashed(keys[kind]),
            key_hint=keys[kind][-4:],
        )
    return describe(password, keys)


def describe(password: str | None = None, keys: dict[str, str] | None = None) -> Made:
    """What the sample holds; password and keys are None when they were shown before."""
    team = Team.objects.get(name=TEAM)
    users = User.objects.filter(memberships__team=team).order_by("pk")
    return {
        "base_url": settings.PAGERPAL_BASE_URL,
        "admin": {"email": _email(PEOPLE[0]), "password": password},
        "team": {"id": team.pk, "name": team.name},
        "users": [{"id": user.pk, "email": user.email} for user in users],
        "sources": [
            {
                "id": source.pk,
                "kind": source.kind,
                "name": source.name,
                "key": (keys or {}).get(source.kind),
            }
            for source in AlertSource.objects.filter(team=team).order_by("pk")
        ],
    }


@transaction.atomic
def remove() -> None:
    """Take the sample away with everything that came in through it.

    Of other teams only what names the sample's people goes: their places, covers and messages.
    """
    team = Team.objects.filter(name=TEAM).first()
    if team is None:
        return
    of_team = Q(memberships__team=team, email__endswith=f"@{DOMAIN}")
    named = Q(email__in=[_email(name) for name in PEOPLE])
    ids = list(User.objects.filter(of_team | named).distinct().values_list("pk", flat=True))
    _remove_incidents(team)
    _remove_traces(ids)
    AlertSource.objects.filter(team=team).delete()
    EscalationPolicy.objects.filter(team=team).delete()
    Override.objects.filter(rotation__team=team).delete()
    RotationMember.objects.filter(rotation__team=team).delete()
    Rotation.objects.filter(team=team).delete()
    Notification.objects.filter(team_channel__team=team).delete()
    TeamChannel.objects.filter(team=team).delete()
    team.delete()
    User.objects.filter(pk__in=ids).delete()


def _remove_incidents(team: Team) -> None:
    """With what is still to be sent about them, to whomever; locked first, as everywhere."""
    locked = Incident.objects.select_for_update().filter(team=team).order_by("pk")
    list(locked.values_list("pk"))
    Alert.objects.filter(source__team=team).delete()
    # A source that has gone to another team since keeps its alerts.
    Alert.objects.filter(incident__team=team).update(incident=None)
    Notification.objects.unfinished().filter(team=team).delete()
    Incident.objects.filter(team=team).delete()


def _remove_traces(user_ids: list[int]) -> None:
    """What protects people from being deleted."""
    Page.objects.filter(user__in=user_ids).delete()
    Notification.objects.filter(user__in=user_ids).delete()
    RotationMember.objects.filter(user__in=user_ids).delete()
    Override.objects.filter(user__in=user_ids).delete()
    ShiftRecord.objects.filter(user__in=user_ids).delete()
    Rotation.objects.filter(kept_user__in=user_ids).update(kept_user=None, kept_until=None)


def _email(name: str) -> str:
    return f"{name}@{DOMAIN}"


def _person(name: str, team: Team, password: str | None) -> User:
    is_admin = password is not None
    user = User.objects.create_user(
        _email(name), password, name=name, is_staff=is_admin, is_superuser=is_admin
    )
    role = Membership.Role.LEAD if is_admin else Membership.Role.RESPONDER
    Membership.objects.create(team=team, user=user, role=role)
    topic = f"pagerpal-{name}-{secrets.token_hex(8)}"
    ContactMethod.objects.create(user=user, channel="ntfy", address=topic)
    ContactMethod.objects.create(user=user, channel="email", address=user.email)
    return user


def _policy(team: Team, rotation: Rotation) -> EscalationPolicy:
    """Whoever is on call, then everybody."""
    policy = EscalationPolicy.objects.create(team=team, name="default", is_default=True)
    first = EscalationStep.objects.create(policy=policy, position=0, delay=timedelta(minutes=5))
    first.rotations.add(rotation)
    EscalationStep.objects.create(
        policy=policy, position=1, whole_team=True, delay=timedelta(minutes=10)
    )
    return policy
