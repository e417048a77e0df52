"""Rotations in the admin: whose turn it is, in words and for 90 days, before and after a save."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import Script
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from schedules import editing, preview
from schedules.admin.base import ChoosesSturdily, NoDelete, person_of, without_side_doors
from schedules.forms import PlaceForm, PlaceFormSet, RotationForm, WindowForm
from schedules.models import MOST_MEMBERS, Rotation, RotationMember, RotationWindow
from schedules.preview import Preview

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    RotationModelAdmin = admin.ModelAdmin[Rotation]
    PlaceTabularInline = admin.TabularInline[RotationMember, Rotation]
    WindowTabularInline = admin.TabularInline[RotationWindow, Rotation]
else:
    RotationModelAdmin = admin.ModelAdmin
    PlaceTabularInline = WindowTabularInline = admin.TabularInline

PREVIEW = "_preview"
MOST_WINDOWS = 30
# However many rows somebody claims to have sent, no more are looked at.
MOST_ROWS = 100


class Previewed(Exception):
    """Raised where a save would be over, so that all of it is rolled back."""

    def __init__(self, seen: Preview) -> None:
        super().__init__("only a preview")
        self.seen = seen


class RotationMemberInline(ChoosesSturdily, PlaceTabularInline):
    model = RotationMember
    form = PlaceForm
    formset = PlaceFormSet
    fields = ["position", "user"]
    autocomplete_fields = ["user"]
    verbose_name = "member"
    verbose_name_plural = "members, in the order of their turns"
    max_num = MOST_MEMBERS

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 1 if obj else 3

    def get_queryset(self, request: HttpRequest) -> QuerySet[RotationMember]:
        return super().get_queryset(request).select_related("user")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **{"absolute_max": MOST_ROWS, **kwargs})
        without_side_doors(formset.form.base_fields.get("user"))
        return formset


class RotationWindowInline(WindowTabularInline):
    model = RotationWindow
    form = WindowForm
    fields = ["days", "starts", "ends"]
    verbose_name = "hours"
    verbose_name_plural = (
        "hours (none: around the clock; an end before its start is on the next day)"
    )
    extra = 1
    max_num = MOST_WINDOWS

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, **{"absolute_max": MOST_ROWS, **kwargs})

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if self.has_change_permission(request, obj) else ["in_words"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if self.has_change_permission(request, obj) else ["in_words"]


@admin.register(Rotation)
class RotationAdmin(ChoosesSturdily, NoDelete, RotationModelAdmin):
    """Saves through `editing`, so that nobody's turn jumps; a preview is a save rolled back."""

    form = RotationForm
    inlines = [RotationMemberInline, RotationWindowInline]
    autocomplete_fields = ["team"]
    list_filter = ["is_active", "team"]
    show_facets = admin.ShowFacets.ALWAYS
    search_fields = ["name", "team__name"]
    fieldsets = [
        (None, {"fields": ["team", "name", "position", "is_active"]}),
        (
            "Turns",
            {
                "fields": [
                    "turns", ("every", "unit"), "starts_on", "handover_time", "time_zone",
                    "ends_on",
                ],
                "description": "The members take turns in their order, and then from the "
                "beginning again. Whoever is on call when you change this keeps it until the "
                "next hand-over, unless you take them out.",
            },
        ),
    ]  # fmt: skip

    class Media:
        js = [Script("pagerpal/rotation.js", defer=True)]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rotation]:
        return super().get_queryset(request).select_related("team").prefetch_related("windows")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Rotation], search_term: str
    ) -> tuple[QuerySet[Rotation], bool]:
        """Where one is chosen, only those that are on."""
        found, doubled = super().get_search_results(request, queryset, search_term)
        if request.path == reverse("admin:autocomplete"):
            found = found.filter(is_active=True)
        return found, doubled

    def get_fieldsets(self, request: HttpRequest, obj: Rotation | None = None) -> Any:
        """Whoever may only look reads in words how long a turn is."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        first, (title, turns) = self.fieldsets
        fields = ["in_words" if name == "turns" else name for name in turns["fields"]]
        return [first, (title, {"fields": [name for name in fields if isinstance(name, str)]})]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        # A column of its own for each request: it answers for all rows at once.
        return ["name", "team", "in_words", preview.on_call_column(timezone.now()), "is_active"]

    @admin.display(description="in words")
    def in_words(self, rotation: Rotation) -> str:
        return preview.in_words(rotation)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        rotation: Rotation | None = context["original"]
        if rotation and request.method != "POST":
            context["standing"] = preview.standing(rotation, timezone.now())
        return super().render_change_form(request, context, *args, **kwargs)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A preview saves for real, looks, takes all of it back and shows the form as posted."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Previewed as previewed:
            request.previewed = True  # type: ignore[attr-defined]
            seen = {**(extra_context or {}), "preview": previewed.seen}
            return super().changeform_view(request, object_id, form_url, seen)

    def get_form(
        self, request: HttpRequest, obj: Rotation | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        without_side_doors(form.base_fields.get("team"))
        form.only_shown = getattr(request, "previewed", False)
        return form

    def save_model(
        self, request: HttpRequest, obj: Rotation, form: RotationForm, change: bool
    ) -> None:
        form.begun = editing.begin(obj if change else None, now=form.now)
        if change:
            stored = Rotation.objects.get(pk=obj.pk)
            form.planned_before = preview.planned_days(stored, form.now)
        super().save_model(request, obj, form, change)

    def save_related(
        self, request: HttpRequest, form: RotationForm, formsets: Any, change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        assert form.begun  # noqa: S101  save_model comes first
        form.begun.finish(by=person_of(request), now=form.now, rotation=form.instance)
        rotation = Rotation.objects.select_related("team").get(pk=form.instance.pk)
        seen = preview.of_saved(rotation, form.planned_before, form.now)
        if PREVIEW in request.POST:
            raise Previewed(seen)
        for note in seen.notes:
            self.message_user(request, note, messages.WARNING)
        if change:
            level = messages.WARNING if seen.changes_now else messages.INFO
            self.message_user(request, seen.summary, level)
