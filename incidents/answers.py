"""The signed token in every page: who answers, about which incident."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core import signing
from django.db.models import Q

from incidents.models import BY_HAND, EscalationStep, Incident
from schedules import roles
from schedules.models import Override, User

# A token works until this long after the incident was resolved.
VALID_AFTER_RESOLVE = timedelta(hours=24)
_signer = signing.Signer(salt="incidents.answers", sep=".")


class BadToken(Exception):
    """Not one of ours, or about something that is not there."""


class ExpiredToken(Exception):
    """It was good once: the incident is long resolved, or its person left or is switched off."""


@dataclass(frozen=True)
class Answer:
    """Who holds the token, and what it is about."""

    incident: Incident
    user: User


def token_for(incident_id: int, user_id: int) -> str:
    """A token for this person and incident; safe in a path, good for acting without a login."""
    return _signer.sign(f"{incident_id}-{user_id}")


def read_token(token: str, *, now: datetime) -> Answer:
    """Who and what a token stands for. Raises BadToken or ExpiredToken.

    SECRET_KEY_FALLBACKS are tried too, so a page sent before a key change can still be answered.
    """
    try:
        incident_id, _, user_id = _signer.unsign(token).partition("-")
        incident = Incident.objects.select_related("team", "owner").get(pk=int(incident_id))
        user = User.objects.get(pk=int(user_id))
    except (signing.BadSignature, ValueError, Incident.DoesNotExist, User.DoesNotExist) as error:
        raise BadToken from error
    resolved_at = incident.resolved_at
    if not user.is_active or (resolved_at and now > resolved_at + VALID_AFTER_RESOLVE):
        raise ExpiredToken
    if not still_answers(user, incident):
        raise ExpiredToken
    return Answer(incident, user)


def still_answers(user: User, incident: Incident) -> bool:
    """Whether PagerPal could still call this person about the incident: a link does not outlive
    its person's leaving."""
    if roles.may_answer(user, incident.team_id):
        return True
    if incident.team.fallback_people.filter(pk=user.pk).exists():
        return True
    steps = set(incident.pages.filter(user=user).values_list("step", flat=True))
    if steps & BY_HAND:
        return True
    return bool(steps) and (roles.may_see(user, incident.team_id) or _is_named(user, incident))


def _is_named(user: User, incident: Incident) -> bool:
    """Whether the incident's policy names this person, or a rotation that they are in or cover."""
    steps = EscalationStep.objects.filter(policy=incident.policy_id)
    covers = Override.objects.filter(user=user, ends_at__gte=incident.opened_at)
    named = Q(people=user) | Q(rotations__members__user=user) | Q(rotations__overrides__in=covers)
    return steps.filter(named).exists()
