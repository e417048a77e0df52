"""People, teams, rotations and overrides in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from schedules import oncall, people, preview
from schedules.forms import (
    MembershipForm,
    NewPersonForm,
    OverrideForm,
    PersonForm,
    PlaceForm,
    PlaceFormSet,
    RotationForm,
    TeamForm,
)
from schedules.models import Membership, Override, Rotation, RotationMember, Team, User

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    PersonModelAdmin = DjangoUserAdmin[User]
    TeamModelAdmin = admin.ModelAdmin[Team]
    RotationModelAdmin = admin.ModelAdmin[Rotation]
    OverrideModelAdmin = admin.ModelAdmin[Override]
    MembershipTabularInline = admin.TabularInline[Membership, Team]
    PlaceTabularInline = admin.TabularInline[RotationMember, Rotation]
else:
    PersonModelAdmin = DjangoUserAdmin
    TeamModelAdmin = RotationModelAdmin = OverrideModelAdmin = admin.ModelAdmin
    MembershipTabularInline = PlaceTabularInline = admin.TabularInline

UNSAVED = "Shown once it is saved."

# Roles belong to teams; nothing in PagerPal asks for Django's groups.
admin.site.unregister(Group)


class NoDelete:
    """People, teams and rotations are switched off, so that history keeps its names."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
            people.switch_off(obj, _person(request), now=timezone.now())

    @admin.action(description="Switch off the selected people", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        now, by = timezone.now(), _person(request)
        others = list(queryset.exclude(pk=by.pk))
        changed = sum(people.switch_off(user, by, now=now) for user in others)
        text = f"{changed} switched off"
        if already := len(others) - changed:
            text += f", {already} had already been"
        self.message_user(request, f"{text}.")
        if queryset.filter(pk=by.pk).exists():
            text = "You are still on: another admin has to switch you off."
            self.message_user(request, text, messages.WARNING)


class MembershipInline(MembershipTabularInline):
    model = Membership
    form = MembershipForm
    autocomplete_fields = ["user"]
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("user", "team")


@admin.register(Team)
class TeamAdmin(NoDelete, TeamModelAdmin):
    form = TeamForm
    inlines = [MembershipInline]
    autocomplete_fields = ["fallback_people"]
    list_display = ["name", "people", "time_zone", "is_active"]
    list_filter = ["is_active"]
    search_fields = ["name"]
    readonly_fields = ["on_call_now"]
    fieldsets = [
        (None, {"fields": ["name", "on_call_now", "fallback_people", "is_active"]}),
        (
            "Team hours",
            {"fields": ["hours_start", "hours_end", "hours_weekends", "time_zone"]},
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        return super().get_queryset(request).annotate(people=Count("memberships"))

    @admin.display(description="people", ordering="people")
    def people(self, team: Any) -> int:
        count: int = team.people
        return count

    @admin.display(description="on call now")
    def on_call_now(self, team: Team) -> SafeString | str:
        """Each rotation of the team with whoever is on call in it."""
        rotations = team.rotations.filter(is_active=True) if team.pk else []
        rows = [
            (rotation.name, reverse("admin:schedules_rotation_change", args=[rotation.pk]), person)
            for rotation, person in preview.people_now(rotations, timezone.now())
        ]
        lines = format_html_join("", '<div>{}: <a href="{}">{}</a></div>', rows)
        return lines or "No rotation yet: add one under Rotations."

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        if formset.model is not Membership:
            super().save_formset(request, form, formset, change)
            return
        kept = formset.save(commit=False)
        for membership in formset.deleted_objects:
            people.leave_team(membership, _person(request), now=timezone.now())
        for membership in kept:
            membership.save()


class RotationMemberInline(PlaceTabularInline):
    model = RotationMember
    form = PlaceForm
    formset = PlaceFormSet
    fields = ["position", "user"]
    autocomplete_fields = ["user"]
    verbose_name = "member"
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[RotationMember]:
        return super().get_queryset(request).select_related("user")


@admin.register(Rotation)
class RotationAdmin(NoDelete, RotationModelAdmin):
    form = RotationForm
    inlines = [RotationMemberInline]
    autocomplete_fields = ["team"]
    list_select_related = ["team"]
    list_filter = ["is_active", "team"]
    search_fields = ["name", "team__name"]
    readonly_fields = ["in_words", "on_call_now", "next_90_days"]
    fieldsets = [
        (None, {"fields": ["team", "name", "position", "is_active"]}),
        (
            "Turns",
            {
                "fields": [
                    ("every", "unit"), "starts_on", "handover_time", "time_zone", "in_words",
                ],
                "description": "The members take turns in the order of their positions, beginning "
                "with the first one on the start day, and then from the beginning again.",
            },
        ),
        ("Who", {"fields": ["on_call_now", "next_90_days"]}),
    ]  # fmt: skip

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        # A column of its own for each request: it answers for all rows at once.
        return ["name", "team", "in_words", preview.on_call_column(timezone.now()), "is_active"]

    @admin.display(description="in words")
    def in_words(self, rotation: Rotation) -> str:
        return rotation.in_words if rotation.pk else UNSAVED

    @admin.display(description="on call now")
    def on_call_now(self, rotation: Rotation) -> SafeString | str:
        return preview.now_and_next(rotation, timezone.now()) if rotation.pk else UNSAVED

    @admin.display(description="next 90 days")
    def next_90_days(self, rotation: Rotation) -> SafeString | str:
        return preview.table(rotation, timezone.now()) if rotation.pk else UNSAVED

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if not change:
            return
        before: User | None = form.on_call_before
        after = oncall.who_is_on_call(form.instance, timezone.now())
        if before != after:
            text = f"This changed who is on call now: {after or 'nobody'} instead of"
            text += f" {before or 'nobody'}. If that was not meant, add an override."
            self.message_user(request, text, messages.WARNING)


class WhenFilter(admin.SimpleListFilter):
    title = "when"
    parameter_name = "when"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [("now", "now"), ("upcoming", "upcoming"), ("past", "past")]

    def queryset(self, request: Any, queryset: QuerySet[Override]) -> QuerySet[Override]:
        now = timezone.now()
        match self.value():
            case "now":
                return queryset.filter(starts_at__lte=now, ends_at__gt=now)
            case "upcoming":
                return queryset.filter(starts_at__gt=now)
            case "past":
                return queryset.filter(ends_at__lte=now)
        return queryset


@admin.register(Override)
class OverrideAdmin(OverrideModelAdmin):
    form = OverrideForm
    fields = ["rotation", "user", "starts_at", "ends_at", "created_by"]
    readonly_fields = ["created_by"]
    autocomplete_fields = ["rotation", "user"]
    list_display = ["who", "rotation", "starts_at", "ends_at", "created_by"]
    list_filter = [WhenFilter, "rotation__team"]
    list_select_related = ["rotation__team", "user", "created_by"]
    search_fields = ["user__name", "rotation__name", "rotation__team__name"]

    @admin.display(description="on call", ordering="user__name")
    def who(self, override: Override) -> User | SafeString:
        return override.user or preview.NOBODY

    def save_model(self, request: HttpRequest, obj: Override, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = _person(request)
        super().save_model(request, obj, form, change)
        if obj.starts_at == obj.ends_at:
            text = "This override has no length and does nothing."
            self.message_user(request, text, messages.WARNING)
        for other in obj.overlapping().select_related("user", "rotation__team"):
            text = f"This overlaps with another override: {other}. Where both hold, "
            text += "the one that was created last wins."
            self.message_user(request, text, messages.WARNING)


def _person(request: HttpRequest) -> User:
    """Who is signed in: the admin lets nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user
