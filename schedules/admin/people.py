"""People in the admin."""

from __future__ import annotations

import functools
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from schedules import people, preview, troubles
from schedules.admin import leaving
from schedules.admin.base import NoDelete, person_of
from schedules.covering import Refused
from schedules.forms import NewPersonForm, PersonForm
from schedules.models import User
from schedules.people import Scheduled

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    PersonModelAdmin = DjangoUserAdmin[User]
else:
    PersonModelAdmin = DjangoUserAdmin


class CanBePaged(admin.SimpleListFilter):
    """By what the floors above know of each person's addresses."""

    title = "can be paged"
    parameter_name = "paged"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    @functools.cached_property
    def unreached(self) -> Q:
        """Asked once, however often the list and its counts need it."""
        troubled = troubles.of_people(User.objects.filter(is_active=True).only("pk"))
        return Q(pk__in=troubled) | Q(is_active=False)

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(self.unreached if self.value() == "no" else ~self.unreached)


@admin.register(User)
class UserAdmin(leaving.AsksWhoTakesOver, NoDelete, PersonModelAdmin):
    """The floors above add to `inlines` and `list_display`: how a person is reached is theirs."""

    form = PersonForm
    add_form = NewPersonForm
    add_form_template = "admin/change_form.html"
    inlines = []
    list_display = ["name", "email", "is_active", "is_superuser", "can_be_paged"]
    list_filter = [CanBePaged, "is_active", "is_superuser", "teams"]
    show_facets = admin.ShowFacets.ALWAYS
    search_fields = ["name", "email"]
    ordering = ["name", "pk"]
    filter_horizontal = []
    actions = ["switch_off"]
    readonly_fields = ["scheduled"]
    fieldsets = [
        (None, {"fields": ["name", "email", "time_zone", "password"]}),
        (
            "On call",
            {
                "fields": [
                    *("scheduled", "remind_hours", "wants_handover_note"),
                    ("quiet_from", "quiet_until"),
                ],
                "description": "Who takes over is asked when a scheduled person is switched off.",
            },
        ),
        (
            "Access",
            {
                "fields": ["is_active", "is_staff", "is_superuser"],
                "description": "Your own are changed by another admin, so that one is left.",
            },
        ),
    ]
    add_fieldsets = [(None, {"fields": ["name", "email", "time_zone", "new_password"]})]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, its people told apart in one go by whether a page would reach them."""
        found = super().get_changelist_instance(request)
        shown = list(found.result_list)
        troubled = troubles.of_people(shown)
        for user in shown:
            user.is_reached = user.is_active and user.pk not in troubled
        found.result_list = shown
        return found

    @admin.display(description="can be paged", boolean=True)
    def can_be_paged(self, user: Any) -> bool:
        is_reached: bool = user.is_reached
        return is_reached

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Leads see whom they schedule, not how those have set themselves up."""
        if person_of(request).is_superuser or not person_of(request).is_a_lead:
            return super().get_fieldsets(request, obj)
        return [(None, {"fields": ["name", "email", "time_zone", "scheduled", "is_active"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        own = ["is_active", "is_staff", "is_superuser"] if obj == request.user else []
        return ["scheduled", *own]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        found, doubled = super().get_search_results(request, queryset, search_term)
        if request.path == reverse("admin:autocomplete"):
            found = found.filter(is_active=True)
        return found, doubled

    @admin.display(description="scheduled")
    def scheduled(self, user: User) -> SafeString | str:
        """Each rotation that names this person, with the turn that is next and coming covers."""
        now = timezone.now()
        places = people.where_scheduled(user, now=now)
        lines = format_html_join("", "<div>{}</div>", ((_place(place, now),) for place in places))
        return lines or "In no rotation."

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        leaves = change and "is_active" in form.changed_data and not obj.is_active
        if not leaves:
            super().save_model(request, obj, form, change)
            return
        now = timezone.now()
        successors = leaving.successors(request, [obj], now=now)
        obj.is_active = True  # until switch_off says otherwise and tells the floors above
        super().save_model(request, obj, form, change)
        people.switch_off(obj, person_of(request), now=now, successor=successors[obj])

    @admin.action(description="Switch off the selected people", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        now, by = timezone.now(), person_of(request)
        others = list(queryset.exclude(pk=by.pk))
        try:
            going = [user for user in others if user.is_active]
            successors = leaving.successors(request, going, now=now)
        except leaving.Undecided as undecided:
            return leaving.ask(self, request, undecided.leavers)
        self._switch_off(request, by, successors, already=len(others) - len(going), now=now)
        if queryset.filter(pk=by.pk).exists():
            text = "You are still on: another admin has to switch you off."
            self.message_user(request, text, messages.WARNING)
        return None

    def _switch_off(
        self,
        request: HttpRequest,
        by: User,
        successors: dict[User, User | None],
        *,
        already: int,
        now: datetime,
    ) -> None:
        changed = 0
        for user, successor in successors.items():
            try:
                changed += people.switch_off(user, by, now=now, successor=successor)
            except Refused as refused:
                self.message_user(request, f"{user}: {refused.message}", messages.ERROR)
        text = f"{changed} switched off"
        if already:
            text += f", {already} had already been"
        self.message_user(request, f"{text}.")


def _place(place: Scheduled, now: datetime) -> SafeString:
    rotation = place.rotation
    address = reverse("admin:schedules_rotation_change", args=[rotation.pk])
    covers = "".join(f", covers {preview.span(one, rotation)}" for one in place.overrides)
    turn = preview.turn(place.next_shift, rotation, now)
    return format_html('<a href="{}">{}</a>: {}{}', address, rotation, turn, covers)
