"""Who changed which setting: the list of all changes, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from schedules import setting_words
from schedules.models import SettingChange
from schedules.recorded import recorded_models

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    ChangeModelAdmin = admin.ModelAdmin[SettingChange]
else:
    ChangeModelAdmin = admin.ModelAdmin


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        whole = [model for model in recorded_models() if not model.recording.part_of]
        return sorted(
            ((model._meta.label_lower, str(model._meta.verbose_name)) for model in whole),
            key=lambda pair: pair[1],
        )

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(about_model=self.value()) if self.value() else queryset


@admin.register(SettingChange)
class SettingChangeAdmin(ChangeModelAdmin):
    list_display = ["at", "actor_label", "about", "what"]
    list_display_links = ["at"]
    list_filter = [KindFilter, "act", "at", ("actor", admin.RelatedOnlyFieldListFilter)]
    search_fields = ["about_label", "actor_label", "row_label"]
    show_full_result_count = False
    fields = ["at", "actor_label", "via", "about", "team", "what"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="what", ordering="about_label")
    def about(self, change: SettingChange) -> SafeString | str:
        kind = setting_words.kind_of(change.about_model)
        if address := setting_words.address_of(change):
            return format_html('{} <a href="{}">{}</a>', kind, address, change.about_label)
        return f"{kind} {change.about_label}"

    @admin.display(description="change")
    def what(self, change: SettingChange) -> str:
        return setting_words.sentence(change)
