"""Teams in the admin: their people, and who is on call in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from schedules import people, preview
from schedules.admin.base import NoDelete, person_of
from schedules.forms import MembershipForm, TeamForm
from schedules.models import Membership, Team

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    TeamModelAdmin = admin.ModelAdmin[Team]
    MembershipTabularInline = admin.TabularInline[Membership, Team]
else:
    TeamModelAdmin = admin.ModelAdmin
    MembershipTabularInline = admin.TabularInline


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
            people.leave_team(membership, person_of(request), now=timezone.now())
        for membership in kept:
            membership.save()
