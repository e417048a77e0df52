"""Escalation policies in the admin: their steps, and what would happen by them, when."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from incidents import policy_words
from incidents.models import EscalationPolicy, EscalationStep
from incidents.policy_forms import PolicyForm, StepForm, StepFormSet
from schedules.moments import UNREADABLE, read_moment, shown

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    PolicyModelAdmin = admin.ModelAdmin[EscalationPolicy]
    StepTabularInline = admin.StackedInline[EscalationStep, EscalationPolicy]
else:
    PolicyModelAdmin = admin.ModelAdmin
    StepTabularInline = admin.StackedInline

MOST_STEPS = 30
# However many rows somebody claims to have sent, no more are looked at.
MOST_ROWS = 60
PASSED = "That moment has passed, so this is as of now."


class SturdyAutocompleteMany(AutocompleteSelectMultiple):
    """The admin's own fails on a value that is no number, from a made-up form."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        return super().optgroups(name, [one for one in value if str(one).isdecimal()], attr)


class StepInline(StepTabularInline):
    model = EscalationStep
    form = StepForm
    formset = StepFormSet
    autocomplete_fields = ("rotations", "people", "channels")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    *("position", "rotations", "people", "whole_team", "channels"),
                    *("delay", ("only_urgency", "only_hours")),
                )
            },
        ),
    )
    max_num = MOST_STEPS
    verbose_name = "step"

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 0 if obj else 2

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, **{"absolute_max": MOST_ROWS, **kwargs})

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs.setdefault("widget", SturdyAutocompleteMany(db_field, self.admin_site))
        return super().formfield_for_manytomany(db_field, request, **kwargs)


@admin.register(EscalationPolicy)
class EscalationPolicyAdmin(PolicyModelAdmin):
    form = PolicyForm
    list_display = ("name", "team", "is_default", "repeats", "repeat_after")
    list_filter = ("team", "is_default")
    show_facets = admin.ShowFacets.ALWAYS
    list_select_related = ("team",)
    search_fields = ("name", "team__name")
    autocomplete_fields = ("team",)
    inlines = (StepInline,)
    change_form_template = "admin/incidents/escalationpolicy/change_form.html"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        policy: EscalationPolicy | None = context["original"]
        if policy is not None and request.method != "POST":
            now = timezone.now()
            at, trouble = _asked_for(request, now)
            context |= {
                "now": now,
                "notes": policy_words.warnings(policy),
                "ahead": policy_words.ahead(policy, at),
                "is_of_now": at == now,
                "ahead_field": shown(at),
                "ahead_trouble": trouble,
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        for note in policy_words.warnings(form.instance):
            self.message_user(request, note, messages.WARNING)


def _asked_for(request: HttpRequest, now: datetime) -> tuple[datetime, str]:
    """The moment in the address, and a sentence where it is of no use."""
    text = request.GET.get("at", "")
    if not text:
        return now, ""
    found = read_moment(text)
    if found is None:
        return now, UNREADABLE
    return (found, "") if found >= now else (now, PASSED)
