"""Overrides in the admin: who covers for whom, now, later and before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.safestring import SafeString

from schedules import covering, preview
from schedules.admin.base import ChoosesSturdily, person_of, without_side_doors
from schedules.covering import Refused
from schedules.forms import OverrideForm
from schedules.models import Override, User

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    OverrideModelAdmin = admin.ModelAdmin[Override]
else:
    OverrideModelAdmin = admin.ModelAdmin

OVER = "It is over: what was, stays as it was."


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
class OverrideAdmin(ChoosesSturdily, OverrideModelAdmin):
    """Each is made, changed and taken away by `covering`, which tells the team's history."""

    form = OverrideForm
    fields = ["rotation", "user", "starts_at", "ends_at", "created_by"]
    readonly_fields = ["created_by"]
    autocomplete_fields = ["rotation", "user"]
    list_display = ["who", "rotation", "starts_at", "ends_at", "created_by"]
    list_filter = [WhenFilter, "rotation__team"]
    list_select_related = ["rotation__team", "user", "created_by"]
    search_fields = ["user__name", "rotation__name", "rotation__team__name"]
    actions = ["delete_selected"]
    change_form_template = "admin/schedules/override/change_form.html"

    @admin.display(description="on call", ordering="user__name")
    def who(self, override: Override) -> User | SafeString:
        return override.user or preview.NOBODY

    def has_change_permission(self, request: HttpRequest, obj: Override | None = None) -> bool:
        return super().has_change_permission(request, obj) and not _is_only_shown(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Override | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not _is_only_shown(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Override | None = None) -> list[str]:
        return ["created_by", "rotation"] if obj else ["created_by"]

    def get_form(
        self, request: HttpRequest, obj: Override | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        for name in ("rotation", "user"):
            without_side_doors(form.base_fields.get(name))
        form.refusal = getattr(request, "refusal", "")
        return form

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        original: Override | None = context["original"]
        context["over"] = OVER if _is_only_shown(request, original) else ""
        return super().render_change_form(request, context, *args, **kwargs)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What is refused comes back as the same form with the reason."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Refused as refused:
            request.refusal = refused.message  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(
        self, request: HttpRequest, obj: Override, form: OverrideForm, change: bool
    ) -> None:
        if change and not form.changed_data:
            return
        wanted: dict[str, Any] = {
            "user": obj.user,
            "starts_at": obj.starts_at,
            "ends_at": obj.ends_at,
            "by": person_of(request),
            "now": timezone.now(),
        }
        if change:
            covered = covering.change_cover(Override.objects.get(pk=obj.pk), **wanted)
        else:
            covered = covering.cover(obj.rotation, **wanted)
        # Django goes on with its own object: the log, the message, the next page.
        obj.pk = covered.override.pk
        obj.refresh_from_db()
        for other in covered.overlaps:
            text = f"This overlaps with another override: {other}. Where both hold, "
            text += "the one that was created last wins."
            self.message_user(request, text, messages.WARNING)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Of one and of many: who is on call without them, before they go."""
        found, *others = super().get_deleted_objects(objs, request)
        changed = preview.without(list(objs), timezone.now())
        said = changed or ["Without it the same people are on call."]
        return [*found, *said], *others

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except Refused as refused:
            self.message_user(request, refused.message, messages.ERROR)
            return redirect("admin:schedules_override_change", object_id)

    def delete_model(self, request: HttpRequest, obj: Override) -> None:
        covering.remove_cover(obj, by=person_of(request), now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Override]) -> None:
        by, now = person_of(request), timezone.now()
        for override in queryset:
            try:
                covering.remove_cover(override, by=by, now=now)
            except Refused as refused:
                self.message_user(request, f"{override}: {refused.message}", messages.ERROR)

    @admin.action(description="Delete the selected overrides", permissions=["delete"])
    def delete_selected(
        self, request: HttpRequest, queryset: QuerySet[Override]
    ) -> HttpResponse | None:
        """Django's own, with its question first, for those that are not over."""
        now = timezone.now()
        if over := queryset.filter(ends_at__lte=now).count():
            text = f"Left as they were, because they are over: {over}."
            self.message_user(request, text, messages.WARNING)
        coming = queryset.filter(ends_at__gt=now)
        return delete_selected(self, request, coming) if coming.exists() else None


def _is_only_shown(request: HttpRequest, override: Override | None) -> bool:
    """One that is over offers nothing to save; whoever posts it all the same is told why not."""
    return request.method != "POST" and override is not None and _is_over(override)


def _is_over(override: Override) -> bool:
    return override.ends_at <= timezone.now()
