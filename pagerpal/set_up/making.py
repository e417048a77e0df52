"""What the steps of the set-up make: by the forms and functions of the admin and the pages.

Whatever is there already is left alone, so a step that is sent twice makes one thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib.admin.models import ADDITION, LogEntry
from django.db import IntegrityError, models, transaction
from django.utils.crypto import salted_hmac

from alertsources.models import AlertSource
from alertsources.source_pages import form as source_form
from alertsources.sources.base import source_choices
from incidents.models import EscalationPolicy, EscalationStep
from incidents.policy_forms import PolicyForm, StepForm
from notifications import addresses
from notifications.channels.ntfy import Ntfy
from notifications.limits import Refused
from notifications.me_forms import AddressForm
from pagerpal.set_up import steps
from pagerpal.set_up.forms import MeForm, TeamStepForm, as_posted
from schedules import editing
from schedules.forms import PlaceForm, PlaceFormSet, RotationForm
from schedules.models import Membership, Rotation, RotationMember, Team, User

PUSH = "ntfy"
LOGGED = "Made in the guided set-up."
PLACES = "places"
SUGGESTED_TEAM = "Ops"


class NotMade(Exception):
    """It could not be made; the text is a sentence that says why."""


def suggested_topic(user: User) -> str:
    """The same each time it is asked, so that a phone may subscribe before it is stored.

    Another one once they gave a topic, as that one may have been given up for a reason.
    """
    given = user.contact_methods.filter(channel=PUSH).count()
    seed = salted_hmac("pagerpal.set_up.topic", f"{user.pk}/{given}", algorithm="sha256").digest()
    return push().suggest_address(user.name, seed)


def suggested_team() -> str:
    return "" if Team.objects.filter(name=SUGGESTED_TEAM).exists() else SUGGESTED_TEAM


def push() -> Ntfy:
    return Ntfy()


def team(user: User, form: TeamStepForm, me: MeForm) -> None:
    """The team with this person as its lead, in whose zone it keeps its hours."""
    try:
        with _alone(user):
            if steps.found(user).team is not None:
                return
            me.instance.save(update_fields=["name", "time_zone"])
            made = form.save(commit=False)
            made.time_zone = me.instance.time_zone
            made.save()
            Membership.objects.create(team=made, user=user, role=Membership.Role.LEAD)
            _log(user, made)
    except IntegrityError:
        raise NotMade("There is a team of this name already: choose another one.") from None


def phone(user: User, form: AddressForm) -> None:
    try:
        addresses.add(user, PUSH, form.cleaned_data["address"])
    except Refused as refused:
        raise NotMade(refused.message) from None


def turns(user: User, answers: dict[str, Any], *, now: datetime) -> None:
    """A weekly rotation of who answers in the team, and a policy that pages it, then everybody."""
    with _alone(user):
        here = steps.found(user)
        if here.team is None:
            raise NotMade("First comes the team.")
        rotation = here.rotation or _rotation(user, here.team, answers, now)
        if here.policy is None:
            _policy(user, here.team, rotation, timedelta(minutes=answers["minutes"]))


def source(user: User, answers: dict[str, Any]) -> tuple[AlertSource, str] | None:
    """The new source and its key, or nothing where the team has one."""
    with _alone(user):
        here = steps.found(user)
        if here.team is None:
            raise NotMade("First comes the team.")
        if here.source is not None:
            return None
        name = answers["name"] or dict(source_choices()).get(answers["kind"], answers["kind"])
        blank = source_form.SourceForm(user=user)
        data = as_posted(blank, team=here.team, kind=answers["kind"], name=name)
        form = source_form.SourceForm(data, user=user)
        key = source_form.create(form) if form.is_valid() else ""
        if not key:
            raise NotMade(_said(form))
        _log(user, form.instance)
        return form.instance, key


def _rotation(user: User, team: Team, answers: dict[str, Any], now: datetime) -> Rotation:
    at: time = answers["handover_time"]
    data = as_posted(
        RotationForm(),
        team=team,
        handover_time=at,
        time_zone=team.time_zone,
        starts_on=turn_began_on(answers["weekday"], at, team.time_zone, now),
        is_active=True,
    )
    form = RotationForm(data)
    if not form.is_valid():
        raise NotMade(_said(form))
    begun = editing.begin(None, now=now)
    rotation = form.save()
    formset_class: Any = forms.inlineformset_factory(
        Rotation, RotationMember, form=PlaceForm, formset=PlaceFormSet
    )
    people = steps.people_of(team, user)
    sent: dict[str, Any] = {
        f"{PLACES}-TOTAL_FORMS": len(people), f"{PLACES}-INITIAL_FORMS": 0,
        **{f"{PLACES}-{place}-user": person.pk for place, person in enumerate(people)},
    }  # fmt: skip
    places = formset_class(sent, instance=rotation, prefix=PLACES)
    if not places.is_valid():
        raise NotMade(" ".join([*places.non_form_errors(), *map(_said, places.forms)]))
    places.save()
    begun.finish(by=user, now=now, rotation=rotation)
    _log(user, rotation)
    return rotation


def turn_began_on(weekday: int, at: time, zone: str, now: datetime) -> date:
    """The last day on which such a turn began, so that somebody is on call from now on."""
    local = now.astimezone(ZoneInfo(zone))
    days = (local.weekday() - weekday) % 7
    if days == 0 and local.time() < at:
        days = 7
    return local.date() - timedelta(days=days)


def _policy(user: User, team: Team, rotation: Rotation, delay: timedelta) -> EscalationPolicy:
    policy = team.policies.filter(is_default=True).first()
    if policy is None:
        form = PolicyForm(as_posted(PolicyForm(), team=team, is_default=True))
        policy = _saved(form)
        _log(user, policy)
    targets: list[dict[str, Any]] = [{"rotations": [rotation.pk]}, {"whole_team": True}]
    for place, whom in enumerate(targets):
        step = EscalationStep(policy=policy)
        data = as_posted(StepForm(instance=step), position=place, delay=delay, **whom)
        _saved(StepForm(data, instance=step))
    return policy


def _saved(form: Any) -> Any:
    if not form.is_valid():
        raise NotMade(_said(form))
    return form.save()


def _said(form: forms.BaseForm) -> str:
    """The form's errors in one line, each with the name of its field."""
    found = []
    for name, errors in form.errors.items():
        field = form.fields.get(name)
        label = f"{field.label or name}: " if field else ""
        found += [f"{label}{error}" for error in errors]
    return " ".join(found)


@contextmanager
def _alone(user: User) -> Iterator[None]:
    """One step of a person at a time, however often a button was pressed."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        yield


def _log(user: User, made: models.Model) -> None:
    """Where the admin keeps its history, so that there is one."""
    LogEntry.objects.log_actions(user.pk, [made], ADDITION, LOGGED, single_object=True)
