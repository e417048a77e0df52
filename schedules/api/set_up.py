"""Set-up by programs goes through the admin's own forms, checks and saves: there is one way.

What a ModelAdmin allows, refuses, tells and logs for a person at its page holds here too.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, QueryDict
from django.utils.html import strip_tags

from schedules.admin import leaving
from schedules.api.fields import wrong
from schedules.api.problems import Problem

Row = TypeVar("Row", bound=Model)
Rows = Mapping[type[Model], Sequence[Mapping[str, Any]]]
Errors = list[tuple[str, str]]


@dataclass(frozen=True)
class Saved:
    """The row as stored, and what its page would have said beside that."""

    row: Any
    notes: list[str] = field(default_factory=list)


class Told:
    """Takes what an admin says to its user, in place of the messages of a page."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, level: int, message: Any, extra_tags: str = "") -> None:
        self.texts.append(str(message))


class Given(forms.Widget):
    """Hands a field the value itself, as no browser has written it down."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return data.get(name)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return False


def save(
    request: HttpRequest,
    model: type[Row],
    pk: int | None,
    given: Mapping[str, Any],
    *,
    rows: Rows | None = None,
    posted: Mapping[str, str] | None = None,
) -> Saved:
    """Make one, or change these fields of the one with this number.

    `rows` are whole lists: what has an `id` is changed, what has none is added, what is missing
    goes. `posted` is what a page would post beside its fields. Raises Problem; whatever the admin's
    own save raises to stop it comes through, with nothing stored.
    """
    page = page_of(model)
    asked, told = as_admin(request, pk, posted or {})
    with transaction.atomic():
        row = _found(page, asked, pk)
        saved = _save(page, asked, row, given, rows or {})
    return Saved(saved, told.texts)


def page_of(model: type[Model]) -> Any:
    return admin.site._registry[model]


def as_admin(request: HttpRequest, pk: int | None, posted: Mapping[str, str]) -> tuple[Any, Told]:
    """The request as the admin's page of this row would get it."""
    asked: Any = copy.copy(request)
    told = Told()
    asked.method, asked._messages = "POST", told
    asked.POST = QueryDict(mutable=True)
    asked.POST.update(posted)
    asked.resolver_match = SimpleNamespace(kwargs={"object_id": str(pk)} if pk else {})
    return asked, told


def _found(page: Any, request: Any, pk: int | None) -> Any:
    if pk is None:
        if not page.has_add_permission(request):
            raise PermissionDenied("Leads of a team and admins do this.")
        return None
    row = page.get_queryset(request).filter(pk=pk).first()
    if row is None or not page.has_change_permission(request, row):
        raise PermissionDenied("Leads of its team and admins change this.")
    return row


def _save(page: Any, request: Any, row: Any, given: Mapping[str, Any], rows: Rows) -> Any:
    is_new = row is None
    form = _form(page, request, row)
    errors = fill(form, given)
    is_valid = not errors and form.is_valid()
    saved = page.save_form(request, form, change=not is_new) if is_valid else form.instance
    formsets = []
    for made, inline in page.get_formsets_with_inlines(request, row):
        if inline.has_change_permission(request, row) or inline.has_add_permission(request, row):
            formset, troubles = _formset(made, inline, request, saved, rows.get(inline.model))
            errors += troubles
            formsets.append(formset)
    errors += [] if errors else _errors(form, formsets)
    if errors:
        raise wrong(errors)
    page.save_model(request, saved, form, not is_new)
    page.save_related(request, form, formsets, not is_new)
    message = page.construct_change_message(request, form, formsets, is_new)
    (page.log_addition if is_new else page.log_change)(request, saved, message)
    return saved


def _form(page: Any, request: Any, row: Any) -> Any:
    made = page.get_form(request, row, change=row is not None)
    if row is not None:
        return made({}, instance=row)
    return made({}, initial=page.get_changeform_initial_data(request))


def fill(form: Any, given: Mapping[str, Any], where: str = "") -> Errors:
    """Every field gets what was given, or what it holds already."""
    errors = []
    for name in given:
        bound = form.fields.get(name)
        if bound is None:
            errors.append((f"{where}{name}", "This is not yours to set."))
        elif bound.disabled and given[name] != form[name].initial:
            errors.append((f"{where}{name}", "This stays as it is."))
    for name, bound in form.fields.items():
        value = given[name] if name in given else bound.prepare_value(form[name].initial)
        bound.widget, bound.show_hidden_initial = Given(), False
        form.data[form.add_prefix(name)] = value
    return errors


def _formset(
    made: Any, inline: Any, request: Any, row: Any, wanted: Sequence[Mapping[str, Any]] | None
) -> tuple[Any, Errors]:
    prefix = made.get_default_prefix()
    there = list(inline.get_queryset(request).filter(**{made.fk.name: row})) if row.pk else []
    by_key = {one.pk: one for one in there}
    kept: dict[Any, Any] = {one.get("id"): one for one in wanted or () if one.get("id")}
    fresh = [one for one in wanted or () if not one.get("id")]
    where = str(inline.model._meta.verbose_name_plural)
    if strange := set(kept) - set(by_key):
        return _bound(made, inline, request, row, prefix, there, 0), [
            (where, f"There is no {sorted(strange)[0]} among these.")
        ]
    formset = _bound(made, inline, request, row, prefix, there, len(fresh))
    errors: Errors = []
    for number, form in enumerate(formset.forms):
        is_old = number < len(there)
        if is_old:
            said = kept.get(there[number].pk, {})
            goes = wanted is not None and there[number].pk not in kept
        else:
            said, goes = fresh[number - len(there)], False
            form.empty_permitted = False
        said = {name: value for name, value in said.items() if name != "id"}
        errors += fill(form, said, f"{where} {number + 1} ")
        if is_old:
            formset.data[form.add_prefix("id")] = there[number].pk
        if "DELETE" in form.fields:
            formset.data[form.add_prefix("DELETE")] = goes
    return formset, errors


def _bound(
    made: Any, inline: Any, request: Any, row: Any, prefix: str, there: list[Any], fresh: int
) -> Any:
    data: dict[str, Any] = {
        f"{prefix}-TOTAL_FORMS": len(there) + fresh,
        f"{prefix}-INITIAL_FORMS": len(there),
        **{f"{prefix}-{number}-id": one.pk for number, one in enumerate(there)},
    }
    return made(data=data, instance=row, prefix=prefix, queryset=inline.get_queryset(request))


def _errors(form: Any, formsets: Iterable[Any]) -> Errors:
    found = list(_of_form(form, ""))
    for formset in formsets:
        if formset.is_valid():
            continue
        where = str(formset.model._meta.verbose_name_plural)
        found += [(where, str(text)) for text in formset.non_form_errors()]
        for number, one in enumerate(formset.forms):
            found += _of_form(one, f"{where} {number + 1} ")
    return found


def _of_form(form: Any, where: str) -> Iterable[tuple[str, str]]:
    for name, texts in form.errors.items():
        label = "" if name == "__all__" else name
        yield from ((f"{where}{label}".strip(), str(text)) for text in texts)


def handed_on(
    request: HttpRequest,
    model: type[Row],
    pk: int,
    given: Mapping[str, Any],
    *,
    successors: Mapping[str, int | None],
    rows: Rows | None = None,
) -> Saved:
    """`save` where people may go: who takes over from each has to be said, or 409 asks for it."""
    posted = {
        f"{leaving.NAME}{user}": leaving.NOBODY if to is None else str(to)
        for user, to in successors.items()
    }
    try:
        return save(request, model, pk, given, rows=rows, posted=posted)
    except leaving.Undecided as undecided:
        raise Problem(
            409,
            "Say in `successors` who takes over from whom: a number of a person, or null.",
            leavers=[
                {
                    "id": one.user.pk,
                    "name": one.user.name,
                    "rotations": [str(place.rotation) for place in one.places],
                    "candidates": [{"id": user.pk, "name": user.name} for user in one.candidates],
                }
                for one in undecided.leavers
            ],
        ) from None


def delete(request: HttpRequest, model: type[Row], pk: int) -> None:
    """Delete it as the admin's page does, where that deletes at all."""
    page = page_of(model)
    asked, _ = as_admin(request, pk, {})
    with transaction.atomic():
        row = page.get_queryset(asked).filter(pk=pk).first()
        if row is None or not page.has_delete_permission(asked, row):
            raise PermissionDenied("Leads of its team and admins delete this.")
        _, _, missing, protected = page.get_deleted_objects([row], asked)
        if missing or protected:
            kept = ", ".join(
                strip_tags(str(one)) for one in [*protected, *sorted(map(str, missing))]
            )
            raise Problem(409, f"It is still used: {kept[:300]}.")
        page.log_deletions(asked, page.model._default_manager.filter(pk=pk))
        page.delete_model(asked, row)
