"""A person's own page, for programs: who they are, how they are reached, a test of it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema
from pydantic import Field

from notifications import addresses, me_acts, outbox, rule_words, trials, verification, working
from notifications.limits import Refused
from notifications.me_forms import AddressForm, ProfileForm, RuleForm, may_use
from notifications.models import ContactMethod, NotificationRule, Urgency
from schedules.api import people
from schedules.api.fields import (
    Body,
    Clock,
    Id,
    Line,
    Said,
    one,
    person,
    wrong,
)
from schedules.api.people import PersonOut
from schedules.api.set_up import fill
from schedules.api.teams import UNSET
from schedules.models import User

router = Router(tags=["me"])


class Me(PersonOut):
    called_for_high: str
    called_for_low: str
    trouble: str


class Profile(Body):
    name: Line = UNSET
    time_zone: Line = UNSET
    quiet_from: Clock | None = None
    quiet_until: Clock | None = None
    remind_hours: int = UNSET
    wants_handover_note: bool = UNSET


class MethodOut(Schema):
    id: int
    channel: str
    label: str
    address: str
    is_on: bool
    wants_updates: bool
    is_verified: bool
    works: bool
    trouble: str


class Methods(Schema):
    items: list[MethodOut]


class MethodNew(Body):
    channel: Line
    address: Line


class MethodChange(Body):
    address: Line = UNSET
    is_on: bool = UNSET
    wants_updates: bool = UNSET


class Code(Body):
    code: Annotated[str, Field(max_length=40)]


class RuleOut(Schema):
    id: int
    contact_method: int
    urgency: str
    after_minutes: float
    repeats: int
    every_seconds: int


class Rules(Schema):
    items: list[RuleOut]


class RuleNew(Body):
    contact_method: Id
    urgency: Literal["high", "low"] = Field("high", description="Left out: high.")
    after_minutes: Annotated[float, Field(ge=0, le=1440, allow_inf_nan=False)] = 0
    repeats: Annotated[int, Field(ge=0, le=20)] = 0
    every_seconds: Annotated[int, Field(ge=30, le=3600)] = 60


class RuleChange(RuleNew):
    contact_method: Id = UNSET


class Message(Schema):
    label: str
    address: str
    what: str
    state: str
    at: datetime
    outcome: str


class Progress(Schema):
    is_running: bool
    is_under_way: bool
    messages: list[Message]


@router.get("", response=Me, summary="Who you are")
def show_me(request: HttpRequest) -> Any:
    return _me(person(request))


@router.patch("", response=Me, summary="Change how you are set up")
def change_me(request: HttpRequest, body: Profile) -> Any:
    user = User.objects.get(pk=person(request).pk)
    form = ProfileForm({}, instance=user)
    fill(form, body.given())
    if not form.is_valid():
        raise wrong((name, str(texts[0])) for name, texts in form.errors.items())
    form.instance.save(update_fields=form.changed_data)
    return _me(user)


@router.get("/contact-methods", response=Methods, summary="Your contact methods")
def list_methods(request: HttpRequest) -> Any:
    return {"items": methods_shown(person(request))}


@router.post("/contact-methods", response={201: MethodOut}, summary="Add a contact method")
def add_method(request: HttpRequest, body: MethodNew) -> Any:
    """A code is sent to it; until it is entered, the method is used last."""
    user = person(request)
    if not may_use(user, body.channel):
        raise wrong([("channel", "There is no such kind, or it is not yours to use.")])
    me_acts.check_number(user)
    method = addresses.add(user, body.channel, _address(body.channel, body.address))
    method = user.contact_methods.get(pk=method.pk)
    with suppress(Refused):  # it is added; the code can be asked for later
        verification.send_code(method, now=timezone.now())
    return method_shown(method)


@router.patch("/contact-methods/{int:pk}", response=MethodOut, summary="Change a contact method")
def change_method(request: HttpRequest, pk: Id, body: MethodChange) -> Any:
    method = _own(request, pk)
    given = body.given()
    if "address" in given:
        address = _address(method.channel, given["address"])
        addresses.change(method, address, now=timezone.now())
    if "is_on" in given:
        addresses.switch(method, is_on=given["is_on"])
    if "wants_updates" in given:
        addresses.want_updates(method, wants=given["wants_updates"])
    return method_shown(_own(request, pk))


@router.delete("/contact-methods/{int:pk}", response={204: None}, summary="Remove it")
def remove_method(request: HttpRequest, pk: Id) -> Any:
    """The rules that use it go with it."""
    addresses.remove(_own(request, pk), now=timezone.now())
    return None


@router.post("/contact-methods/{int:pk}/send-code", response=Said, summary="Send it a code")
def send_code(request: HttpRequest, pk: Id) -> Any:
    verification.send_code(_own(request, pk), now=timezone.now())
    return {"changed": True, "text": "A code is on its way to it."}


@router.post("/contact-methods/{int:pk}/code", response=Said, summary="Enter its code")
def enter_code(request: HttpRequest, pk: Id, body: Code) -> Any:
    entered = verification.enter_code(_own(request, pk), body.code, now=timezone.now())
    return {"changed": entered.is_right, "text": entered.words}


@router.post("/contact-methods/{int:pk}/test", response=Said, summary="Send it a test")
def try_method(request: HttpRequest, pk: Id) -> Any:
    trials.try_address(_own(request, pk), now=timezone.now())
    return {"changed": True, "text": "A test is on its way to it."}


@router.get("/rules", response=Rules, summary="Your notification rules")
def list_rules(request: HttpRequest) -> Any:
    return {"items": [rule_shown(rule) for rule in person(request).notification_rules.all()]}


@router.post("/rules", response={201: RuleOut}, summary="Add a notification rule")
def add_rule(request: HttpRequest, body: RuleNew) -> Any:
    user = person(request)
    if user.notification_rules.count() >= me_acts.MOST_RULES:
        raise Refused(f"{me_acts.MOST_RULES} are enough: remove one first.")
    return rule_shown(_saved(user, body, None))


@router.patch("/rules/{int:pk}", response=RuleOut, summary="Change a notification rule")
def change_rule(request: HttpRequest, pk: Id, body: RuleChange) -> Any:
    user = person(request)
    return rule_shown(_saved(user, body, one(user.notification_rules.all(), pk, "rule")))


@router.delete("/rules/{int:pk}", response={204: None}, summary="Remove a notification rule")
def remove_rule(request: HttpRequest, pk: Id) -> Any:
    one(person(request).notification_rules.all(), pk, "rule").delete()
    return None


@router.post("/test-page", response=Progress, summary="Page yourself, as a test")
def page_me(request: HttpRequest) -> Any:
    user, now = person(request), timezone.now()
    trials.page_now(user, now=now)
    return _progress(user)


@router.get("/test-page", response=Progress, summary="What became of the test")
def progress(request: HttpRequest) -> Any:
    return _progress(person(request))


@router.post("/test-page/stop", response=Said, summary="End the test: you got it")
def stop(request: HttpRequest) -> Any:
    ended = trials.stop(person(request), now=timezone.now())
    return {"changed": bool(ended), "text": me_acts.ENDED if ended else "It was over already."}


def _me(user: User) -> dict[str, Any]:
    calls = {one: outbox.calls_of([user], one)[user.pk] for one in (Urgency.HIGH, Urgency.LOW)}
    quiet = rule_words.quiet(user)
    return {
        **people.shown(user, user, {user.pk}),
        "called_for_high": rule_words.manner(Urgency.HIGH, calls[Urgency.HIGH]).words,
        "called_for_low": rule_words.manner(Urgency.LOW, calls[Urgency.LOW], quiet=quiet).words,
        "trouble": working.without_way([user.pk]).get(user.pk, ""),
    }


def _own(request: HttpRequest, pk: int) -> ContactMethod:
    return one(person(request).contact_methods.kept(), pk, "contact method")


def _address(channel: str, text: str) -> str:
    form = AddressForm({"address": text}, kind=channel)
    if not form.is_valid():
        raise wrong([("address", str(form.errors["address"][0]))])
    found: str = form.cleaned_data["address"]
    return found


def methods_shown(user: User) -> list[dict[str, Any]]:
    return [_shown(standing) for standing in working.standings(user.contact_methods.kept())]


def method_shown(method: ContactMethod) -> dict[str, Any]:
    return _shown(working.standings([method])[0])


def _shown(standing: working.Standing) -> dict[str, Any]:
    """The address is masked, as on every page: whoever has the token knows their own."""
    method = standing.method
    return {
        "id": method.pk,
        "channel": method.channel,
        "label": standing.label,
        "address": method.masked_address,
        "is_on": method.is_on,
        "wants_updates": method.hears_updates,
        "is_verified": method.is_verified,
        "works": standing.works,
        "trouble": standing.missing or standing.words,
    }


def _saved(user: User, body: RuleNew, rule: NotificationRule | None) -> NotificationRule:
    said = body.given() if rule else body.model_dump()
    names = {"after_minutes": "after", "every_seconds": "seconds"}
    given = {names.get(name, name): value for name, value in said.items()}
    form = RuleForm({}, methods=user.contact_methods.kept(), rule=rule)
    if "contact_method" in given:
        given["contact_method"] = str(given["contact_method"])
    if "after" in given:
        given["after"] = f"{given['after']:.2f}"
    fill(form, given)
    if not form.is_valid():
        raise wrong((name, str(texts[0])) for name, texts in form.errors.items())
    return form.save()


def rule_shown(rule: NotificationRule) -> dict[str, Any]:
    return {
        "id": rule.pk,
        "contact_method": rule.contact_method_id,
        "urgency": rule.urgency,
        "after_minutes": rule.delay.total_seconds() / 60,
        "repeats": rule.repeats,
        "every_seconds": int(rule.repeat_every.total_seconds()),
    }


def _progress(user: User) -> dict[str, Any]:
    found = trials.progress(user, now=timezone.now())
    return {
        "is_running": found.is_running,
        "is_under_way": found.is_under_way,
        "messages": found.rows,
    }
