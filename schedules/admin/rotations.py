"""Rotations in the admin: whose turn it is, in words and for 90 days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from schedules import oncall, preview
from schedules.admin.base import UNSAVED, NoDelete
from schedules.forms import PlaceForm, PlaceFormSet, RotationForm
from schedules.models import Rotation, RotationMember, User

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    RotationModelAdmin = admin.ModelAdmin[Rotation]
    PlaceTabularInline = admin.TabularInline[RotationMember, Rotation]
else:
    RotationModelAdmin = admin.ModelAdmin
    PlaceTabularInline = admin.TabularInline


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
