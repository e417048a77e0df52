"""Overrides in the admin: who covers for whom, now, later and before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from schedules import preview
from schedules.admin.base import person_of
from schedules.forms import OverrideForm
from schedules.models import Override, User

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    OverrideModelAdmin = admin.ModelAdmin[Override]
else:
    OverrideModelAdmin = admin.ModelAdmin


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
            obj.created_by = person_of(request)
        super().save_model(request, obj, form, change)
        if obj.starts_at == obj.ends_at:
            text = "This override has no length and does nothing."
            self.message_user(request, text, messages.WARNING)
        for other in obj.overlapping().select_related("user", "rotation__team"):
            text = f"This overlaps with another override: {other}. Where both hold, "
            text += "the one that was created last wins."
            self.message_user(request, text, messages.WARNING)
