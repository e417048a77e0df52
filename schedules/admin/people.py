"""People in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from schedules import people
from schedules.admin.base import NoDelete, person_of
from schedules.forms import NewPersonForm, PersonForm
from schedules.models import User

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    PersonModelAdmin = DjangoUserAdmin[User]
else:
    PersonModelAdmin = DjangoUserAdmin


@admin.register(User)
class UserAdmin(NoDelete, PersonModelAdmin):
    """The floors above add to `inlines` and `list_display`: how a person is reached is theirs."""

    form = PersonForm
    add_form = NewPersonForm
    add_form_template = "admin/change_form.html"
    inlines = []
    list_display = ["name", "email", "is_active", "is_superuser"]
    list_filter = ["is_active", "is_superuser", "teams"]
    search_fields = ["name", "email"]
    ordering = ["name", "pk"]
    filter_horizontal = []
    actions = ["switch_off"]
    fieldsets = [
        (None, {"fields": ["name", "email", "time_zone", "password"]}),
        (
            "Access",
            {
                "fields": ["is_active", "is_staff", "is_superuser"],
                "description": "Your own are changed by another admin, so that one is left.",
            },
        ),
    ]
    add_fieldsets = [(None, {"fields": ["name", "email", "time_zone", "new_password"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        return ["is_active", "is_staff", "is_superuser"] if obj == request.user else []

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        found, doubled = super().get_search_results(request, queryset, search_term)
        if request.path == reverse("admin:autocomplete"):
            found = found.filter(is_active=True)
        return found, doubled

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        leaves = change and "is_active" in form.changed_data and not obj.is_active
        if leaves:
            obj.is_active = True  # until switch_off says otherwise and tells the floors above
        super().save_model(request, obj, form, change)
        if leaves:
            people.switch_off(obj, person_of(request), now=timezone.now())

    @admin.action(description="Switch off the selected people", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        now, by = timezone.now(), person_of(request)
        others = list(queryset.exclude(pk=by.pk))
        changed = sum(people.switch_off(user, by, now=now) for user in others)
        text = f"{changed} switched off"
        if already := len(others) - changed:
            text += f", {already} had already been"
        self.message_user(request, f"{text}.")
        if queryset.filter(pk=by.pk).exists():
            text = "You are still on: another admin has to switch you off."
            self.message_user(request, text, messages.WARNING)
