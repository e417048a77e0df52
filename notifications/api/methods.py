"""How other people are reached, for admins' programs: their addresses and rules, and a test."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from ninja import Router

from notifications import trials
from notifications.api.me import (
    MethodChange,
    MethodNew,
    MethodOut,
    Methods,
    RuleChange,
    RuleNew,
    RuleOut,
    Rules,
    method_shown,
    methods_shown,
    rule_shown,
)
from notifications.limits import Refused
from notifications.models import ContactMethod, NotificationRule
from schedules.api import set_up
from schedules.api.fields import Id, Said, one
from schedules.api.people import person_of
from schedules.models import User

router = Router(tags=["users"])


@router.get("/{int:user}/contact-methods", response=Methods, summary="Their contact methods")
def list_methods(request: HttpRequest, user: Id) -> Any:
    return {"items": methods_shown(_of_admin(request, user))}


@router.post(
    "/{int:user}/contact-methods", response={201: MethodOut}, summary="Add a contact method"
)
def add_method(request: HttpRequest, user: Id, body: MethodNew) -> Any:
    who = _of_admin(request, user)
    before = set(who.contact_methods.values_list("pk", flat=True))
    _save(request, who, ContactMethod, [body.given()])
    return _method(who, who.contact_methods.exclude(pk__in=before).get().pk)


@router.patch(
    "/{int:user}/contact-methods/{int:pk}", response=MethodOut, summary="Change it, or switch it"
)
def change_method(request: HttpRequest, user: Id, pk: Id, body: MethodChange) -> Any:
    who = _of_admin(request, user)
    one(who.contact_methods.all(), pk, "contact method")
    _save(request, who, ContactMethod, [{**body.given(), "id": pk}])
    return _method(who, pk)


@router.get("/{int:user}/rules", response=Rules, summary="Their notification rules")
def list_rules(request: HttpRequest, user: Id) -> Any:
    found = _of_admin(request, user).notification_rules.all()
    return {"items": [rule_shown(rule) for rule in found]}


@router.post("/{int:user}/rules", response={201: RuleOut}, summary="Add a notification rule")
def add_rule(request: HttpRequest, user: Id, body: RuleNew) -> Any:
    who = _of_admin(request, user)
    rules = list(who.notification_rules.values_list("pk", flat=True))
    rows = [*({"id": pk} for pk in rules), _fields(body, is_new=True)]
    _save(request, who, NotificationRule, rows)
    return rule_shown(who.notification_rules.exclude(pk__in=rules).get())


@router.patch("/{int:user}/rules/{int:pk}", response=RuleOut, summary="Change a rule")
def change_rule(request: HttpRequest, user: Id, pk: Id, body: RuleChange) -> Any:
    who = _of_admin(request, user)
    rule = one(who.notification_rules.all(), pk, "rule")
    rows = [
        {"id": key, **(_fields(body) if key == pk else {})}
        for key in who.notification_rules.values_list("pk", flat=True)
    ]
    _save(request, who, NotificationRule, rows)
    rule.refresh_from_db()
    return rule_shown(rule)


@router.delete("/{int:user}/rules/{int:pk}", response={204: None}, summary="Remove a rule")
def remove_rule(request: HttpRequest, user: Id, pk: Id) -> Any:
    who = _of_admin(request, user)
    one(who.notification_rules.all(), pk, "rule")
    kept = who.notification_rules.exclude(pk=pk).values_list("pk", flat=True)
    _save(request, who, NotificationRule, [{"id": key} for key in kept])
    return None


@router.post("/{int:user}/test-page", response=Said, summary="Page them, as a test")
def page_them(request: HttpRequest, user: Id) -> Any:
    who = _of_admin(request, user)
    if not who.is_active:
        raise Refused("Switched off: never paged.")
    trials.page_now(who, now=timezone.now())
    return {"changed": True, "text": f"{who} is being paged, as a test."}


def _of_admin(request: HttpRequest, pk: int) -> User:
    who = person_of(request, pk)
    if not set_up.page_of(User).has_change_permission(request, who):
        raise PermissionDenied("Admins do this for others; your own is under /api/v1/me.")
    return who


def _save(request: HttpRequest, who: User, model: type[Model], rows: list[Any]) -> None:
    set_up.save(request, User, who.pk, {}, rows={model: rows})


def _method(who: User, pk: int) -> Mapping[str, Any]:
    return method_shown(who.contact_methods.get(pk=pk))


def _fields(body: RuleNew, *, is_new: bool = False) -> dict[str, Any]:
    given = body.model_dump() if is_new else body.given()
    if "after_minutes" in given:
        given["delay"] = timedelta(minutes=given.pop("after_minutes"))
    if "every_seconds" in given:
        given["repeat_every"] = timedelta(seconds=given.pop("every_seconds"))
    return given
