"""Teams in the admin: their people, and who is on call in them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from schedules import people, preview
from schedules.admin import leaving
from schedules.admin.base import ChoosesSturdily, NoDelete, person_of, without_side_doors
from schedules.forms import MembershipForm, TeamForm
from schedules.models import Membership, ScheduleChange, Team

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    TeamModelAdmin = admin.ModelAdmin[Team]
    MembershipTabularInline = admin.TabularInline[Membership, Team]
else:
    TeamModelAdmin = admin.ModelAdmin
    MembershipTabularInline = admin.TabularInline

MOST_CHANGES = 50


class MembershipInline(ChoosesSturdily, MembershipTabularInline):
    model = Membership
    form = MembershipForm
    autocomplete_fields = ["user"]
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("user", "team")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        without_side_doors(formset.form.base_fields.get("user"))
        return formset


@admin.register(Team)
class TeamAdmin(leaving.AsksWhoTakesOver, NoDelete, TeamModelAdmin):
    form = TeamForm
    inlines = [MembershipInline]
    autocomplete_fields = ["fallback_people"]
    list_display = ["name", "people", "time_zone", "is_active"]
    list_filter = ["is_active"]
    search_fields = ["name"]
    ordering = ["name"]  # a counted list forgets the model's own
    readonly_fields = ["on_call_now", "history"]
    fieldsets = [
        (None, {"fields": ["name", "on_call_now", "fallback_people", "is_discreet", "is_active"]}),
        ("Acknowledged incidents", {"fields": ["acknowledge_timeout"]}),
        (
            "Team hours",
            {"fields": ["hours_start", "hours_end", "hours_weekends", "time_zone"]},
        ),
        (
            "Changes to the schedule",
            {
                "fields": ["history"],
                "classes": ["collapse"],
                "description": "Who changed who is on call when, newest first.",
            },
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        found: QuerySet[Team] = super().get_queryset(request)
        return found.annotate(people=Count("memberships"))

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

    @admin.display(description="changes")
    def history(self, team: Team) -> SafeString | str:
        """The last changes to the team's rotations and overrides."""
        changes = ScheduleChange.objects.filter(team=team.pk).select_related("actor")
        rows = [
            (_when(one.at), one.actor or "PagerPal", one.text) for one in changes[:MOST_CHANGES]
        ]
        lines = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", rows)
        if not lines:
            return "Nothing was changed yet."
        return format_html(
            '<div class="scrolled" role="region" tabindex="0" aria-label="History">'
            '<table class="shifts"><tbody>{}</tbody></table></div>',
            lines,
        )

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        if formset.model is not Membership:
            super().save_formset(request, form, formset, change)
            return
        kept = formset.save(commit=False)
        now, leave = timezone.now(), formset.deleted_objects
        users = [membership.user for membership in leave]
        successors = leaving.successors(request, users, now=now, team=form.instance)
        for membership in leave:
            successor = successors[membership.user]
            people.leave_team(membership, person_of(request), now=now, successor=successor)
        for membership in kept:
            membership.save()


def _when(at: datetime) -> str:
    return date_format(timezone.localtime(at), "D j M Y H:i")
