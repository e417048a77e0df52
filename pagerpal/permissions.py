"""The admin's side of `schedules.roles`: leads are staff for what belongs to their teams.

Which models those are its table says. `pagerpal.admin` puts `TeamsOnly` before every ModelAdmin.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin import RelatedOnlyFieldListFilter
from django.contrib.auth.backends import ModelBackend
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.http import HttpRequest

from pagerpal.history_pages import TellsHistory
from pagerpal.labelled import Labels
from pagerpal.switching_off import Goes
from schedules import roles
from schedules.counted_filters import CountedRelated, CountedRelatedOnly
from schedules.models import Membership, User
from schedules.roles import OF_TEAMS, SET_UP

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
    AnyBackend = ModelBackend
else:
    AnyModelAdmin, AnyBackend = object, ModelBackend


def _permission(label: str, act: str) -> str:
    app, _, model = label.partition(".")
    return f"{app}.{act}_{model}"


OF_LEADS = frozenset(
    _permission(label, act) for label, rule in OF_TEAMS.items() for act in rule.acts
)


class RoleBackend(AnyBackend):
    """Signs in by e-mail and password, and gives leads the permissions of the table above.

    They say only which models; which objects, `TeamsOnly` says.
    """

    def get_user(self, user_id: Any) -> User | None:
        """The person with the answer to "may they open the admin?", in the one query."""
        leads = Membership.objects.filter(user=OuterRef("pk"), role=Membership.Role.LEAD)
        led = Exists(leads.filter(team__is_active=True))
        found = User.objects.annotate(leads_a_team=led).filter(pk=user_id, is_active=True)
        return found.first()

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        found: set[str] = super().get_all_permissions(user_obj, obj)
        if obj is None and isinstance(user_obj, User) and user_obj.is_a_lead:
            return found | OF_LEADS
        return found


def mine(user: User, objects: QuerySet[Any]) -> QuerySet[Any]:
    """Those of these objects that this person may see in the admin."""
    if _is_everybodys(user, objects.model._meta.label_lower):
        return objects
    return roles.led(user, objects)


def _is_everybodys(user: User, label: str) -> bool:
    """Admins see every object; so does who was given the permission on the server, by hand."""
    if roles.is_admin(user):
        return True
    given = ModelBackend().get_all_permissions(user)
    return any(_permission(label, act) in given for act in SET_UP)


class TeamsOnly(AnyModelAdmin):
    """Before a ModelAdmin: lists, pages, acts and choices hold only what the person may see."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return mine(_person(request), super().get_queryset(request))

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_view_permission(request, obj) and _is_mine(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and _is_mine(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _is_mine(request, obj)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return _limited(super().get_form(request, obj, change=change, **kwargs), request)

    def get_formsets_with_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        for formset, inline in super().get_formsets_with_inlines(request, obj):
            formset.form = _limited(formset.form, request)
            yield formset, inline

    def get_list_filter(self, request: HttpRequest) -> Any:
        """Filters by team, source and the like name only those of what is in the list."""
        found = super().get_list_filter(request)
        if _is_everybodys(_person(request), self.opts.label_lower):
            return found
        return [self._of_what_is_listed(one) for one in found]

    def _of_what_is_listed(self, asked: Any) -> Any:
        if isinstance(asked, str):
            is_relation = self.opts.get_field(asked.split("__", maxsplit=1)[0]).is_relation
            return (asked, RelatedOnlyFieldListFilter) if is_relation else asked
        if isinstance(asked, tuple) and asked[1] is CountedRelated:
            return asked[0], CountedRelatedOnly
        return asked


@functools.cache
def guarded(admin_class: type[Any]) -> type[Any]:
    return type(
        admin_class.__name__,
        (TeamsOnly, TellsHistory, Labels, Goes, admin_class),
        {"__module__": __name__},
    )


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  the admin lets nobody else in
    return request.user


def _is_mine(request: HttpRequest, obj: Model | None) -> bool:
    user = _person(request)
    if obj is None or obj.pk is None or _is_everybodys(user, obj._meta.label_lower):
        return True
    return mine(user, type(obj)._base_manager.filter(pk=obj.pk)).exists()


def _limited(form: Any, request: HttpRequest) -> Any:
    """The form with only such choices as the person may see, or as its object has already."""
    user = _person(request)
    if _is_everybodys(user, form._meta.model._meta.label_lower):
        return form

    class Limited(form):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            for name, field in self.fields.items():
                if isinstance(field, forms.ModelChoiceField) and field.queryset is not None:
                    _limit(user, self.instance, name, field)

    Limited.__name__ = form.__name__
    return Limited


def _limit(user: User, instance: Model, name: str, field: Any) -> None:
    if field.queryset.model._meta.label_lower not in OF_TEAMS:
        return
    allowed = Q(pk__in=mine(user, field.queryset.model._base_manager.all()).values("pk"))
    field.queryset = field.queryset.filter(allowed | Q(pk__in=_chosen(instance, name)))
    rule = OF_TEAMS.get(instance._meta.label_lower)
    if rule and rule.path == name:
        # What is of no team is of all of them, and so an admin's to make.
        field.required = True


def _chosen(instance: Model, name: str) -> list[Any]:
    if instance.pk is None or name not in {one.name for one in instance._meta.get_fields()}:
        return []
    value = instance.serializable_value(name)
    many = getattr(value, "values_list", None)
    return list(many("pk", flat=True)) if many else [value]
