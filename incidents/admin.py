"""The admin of incidents, which can be answered but not edited; that of policies beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.formats import date_format

from incidents import acts
from incidents.lifecycle import Actor
from incidents.models import Incident, TimelineEntry
from incidents.policy_admin import EscalationPolicyAdmin
from incidents.wishes import Wish
from schedules.counted_filters import CountedChoices, CountedRelated, CountedValues
from schedules.models import User

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    IncidentModelAdmin = admin.ModelAdmin[Incident]
    EntryTabularInline = admin.TabularInline[TimelineEntry, Incident]
else:
    IncidentModelAdmin = admin.ModelAdmin
    EntryTabularInline = admin.TabularInline

State = Incident.State

__all__ = ["EscalationPolicyAdmin", "IncidentAdmin"]

# What can be done to many; `merge` has an action of its own.
BULK = {
    **acts.LABELS,
    "unacknowledge": "Un-acknowledge: page anew",
    "noise": "Mark as noise",
}


class BySource(CountedValues):
    """Those that no source opened have a name here too, by which they can be found."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        for one in super().choices(changelist):
            yield {**one, "display": one["display"] or "raised by hand"}


class TimelineInline(EntryTabularInline):
    model = TimelineEntry
    fields = readonly_fields = ("at", "kind", "text", "actor", "via")
    ordering = ("-at", "-pk")
    extra = max_num = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[TimelineEntry]:
        return super().get_queryset(request).select_related("actor")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _bulk(word: str) -> Callable[[IncidentAdmin, HttpRequest, QuerySet[Incident]], None]:
    @admin.action(description=BULK[word], permissions=["act"])
    def act(modeladmin: IncidentAdmin, request: HttpRequest, queryset: QuerySet[Incident]) -> None:
        modeladmin.act_on(request, word, list(queryset.order_by("pk").values_list("pk", flat=True)))

    act.__name__ = word
    return act


@admin.action(description="Merge into the oldest of them", permissions=["act"])
def merge(modeladmin: IncidentAdmin, request: HttpRequest, queryset: QuerySet[Incident]) -> None:
    opened = list(queryset.open().order_by("pk").values_list("pk", flat=True))  # type: ignore[attr-defined]
    if len(opened) < 2:
        text = "Tick two or more open incidents to merge them: nothing was changed."
        modeladmin.message_user(request, text, messages.WARNING)
        return
    into, *others = opened
    modeladmin.act_on(request, "merge", others, {"into": str(into)})


@admin.register(Incident)
class IncidentAdmin(IncidentModelAdmin):
    """Facts are read-only; every act goes through lifecycle; nothing is ever deleted."""

    list_display = ("title", "standing", "team", "owner", "opened")
    list_filter = (
        ("state", CountedChoices),
        ("severity", CountedChoices),
        ("team", CountedRelated),
        ("source_label", BySource),
    )
    list_select_related = ("team", "owner")
    search_fields = ("=id", "title")
    show_full_result_count = False
    inlines = (TimelineInline,)
    actions = (*(_bulk(word) for word in BULK), merge)
    change_form_template = "admin/incidents/incident/change_form.html"
    fieldsets = (
        (None, {"fields": ("title", "team", "state", "severity", "urgency", "owner", "policy")}),
        (
            "When",
            {
                "fields": (
                    *("opened_at", "acknowledged_at", "resolved_at", "escalate_at"),
                    *("ask_at", "snoozed_until"),
                )
            },
        ),
        ("What the monitor said", {"fields": ("source_label", "detail", "labels", "links")}),
        ("Where paging stands", {"fields": ("episode", "round", "nobody_reached_at", "is_test")}),
        ("Beside that", {"fields": ("merged_into", "is_noise")}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="state", ordering="state")
    def standing(self, incident: Incident) -> str:
        test = "TEST, " if incident.is_test else ""
        return f"{test}{incident.state}, {incident.severity}"

    @admin.display(description="opened", ordering="opened_at")
    def opened(self, incident: Incident) -> str:
        return date_format(timezone.localtime(incident.opened_at), "j M H:i")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Admins act for every team; everybody else answers on the incident's own page."""
        return request.user.is_active and bool(getattr(request.user, "is_superuser", False))

    def view_on_site(self, obj: Model) -> str:
        return obj.get_absolute_url()  # type: ignore[attr-defined, no-any-return]

    def get_urls(self) -> list[URLPattern]:
        act = self.admin_site.admin_view(self.act_view)
        return [
            path("<int:pk>/act/<str:word>/", act, name="incidents_incident_act"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        incident = self.get_object(request, object_id)
        can_act = self.has_act_permission(request)
        offered = acts.offered(incident) if incident and can_act else []
        if incident and offered:
            offered += ["unacknowledge"] if incident.state == State.ACKNOWLEDGED else []
            offered += [] if incident.is_noise else ["noise"]
        tools = [(word, BULK[word]) for word in offered]
        # Whom to page is chosen on the incident's own page, where that form stands open.
        may_page = incident and can_act and incident.is_open
        at = f"{incident.get_absolute_url()}?more=page#more-page" if incident and may_page else ""
        context = {**(extra_context or {}), "acts": tools, "pages_at": at}
        return super().change_view(request, object_id, form_url, context)

    def act_view(self, request: HttpRequest, pk: int, word: str) -> HttpResponse:
        """One of the buttons above the facts."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_act_permission(request):
            raise PermissionDenied
        incident = get_object_or_404(self.get_queryset(request), pk=pk)
        if word in BULK:
            self.act_on(request, word, [incident.pk])
        return redirect("admin:incidents_incident_change", incident.pk)

    def act_on(
        self, request: HttpRequest, word: str, ids: list[int], wish: Wish = acts.NOTHING
    ) -> None:
        """Each in its own transaction; reports how many changed and how many had no need to."""
        user: User = request.user  # type: ignore[assignment]
        by, now = Actor.person(user, "admin"), timezone.now()
        said, refused = acts.perform_each(word, ids, by=by, now=now, wish=wish)
        for why in refused:
            self.message_user(request, why, messages.ERROR)
        if said:
            level = messages.WARNING if said.startswith("0 ") else messages.SUCCESS
            self.message_user(request, said, level)
