"""The admin of silences: what is muted now, what is planned, what is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from alertsources import silences
from alertsources.condition_forms import DaysField, LabelsField, SeveritiesField
from alertsources.matching import as_lines
from alertsources.models import Silence
from schedules.forms import ZoneSelect
from schedules.forms.inputs import browser_input
from schedules.moments import MomentField, MomentInput

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    SilenceModelForm = forms.ModelForm[Silence]
    SilenceModelAdmin = admin.ModelAdmin[Silence]
else:
    SilenceModelForm, SilenceModelAdmin = forms.ModelForm, admin.ModelAdmin


class SilenceForm(SilenceModelForm):
    """Times in the zone of whoever fills it in; weekly hours by the clocks of the zone named."""

    labels = LabelsField()
    severities = SeveritiesField()
    days = DaysField(help_text="Chosen: only in these hours of each week.")

    class Meta:
        model = Silence
        fields = [
            *("reason", "team", "source", "severities", "labels", "title"),
            *("starts_at", "ends_at", "days", "opens", "closes", "zone"),
        ]
        field_classes = {"starts_at": MomentField, "ends_at": MomentField}
        widgets = {
            "starts_at": MomentInput,
            "ends_at": MomentInput,
            "opens": browser_input("time"),
            "closes": browser_input("time"),
            "zone": ZoneSelect,
        }
        help_texts = {
            "reason": "What leads and responders read where something did not page.",
            "starts_at": "By the clocks of your own time zone.",
            "ends_at": "May be empty for a weekly one.",
            "opens": "From when on in each of the days chosen, by the clocks of the zone below.",
            "zone": "Whose clocks the hours of the week go by.",
            "closes": "Not after the opening: it closes on the next day.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "starts_at" in self.fields:  # else it is only to be looked at
            zone = timezone.get_current_timezone_name()
            self.fields["starts_at"].help_text = f"Your local time ({zone})."
            self.fields["starts_at"].initial = timezone.now
            self.fields["zone"].initial = zone

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        for name, value in cleaned.items():
            setattr(self.instance, name, value)
        if trouble := silences.trouble_with(self.instance, now=timezone.now()):
            raise forms.ValidationError(trouble)
        return cleaned


class StateFilter(admin.SimpleListFilter):
    title = "when"
    parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("now", "now"), ("planned", "planned"), ("over", "over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        which = {
            "now": silences.standing,
            "planned": silences.planned,
            "over": silences.over,
        }.get(self.value() or "")
        return queryset.filter(pk__in=which(timezone.now()).values("pk")) if which else queryset


@admin.register(Silence)
class SilenceAdmin(SilenceModelAdmin):
    form = SilenceForm
    list_display = ["reason", "state", "team", "what", "ends_at"]
    list_filter = [StateFilter, "team"]
    list_select_related = ["team", "source__team"]
    search_fields = ["reason", "title"]
    autocomplete_fields = ["team", "source"]
    actions = ["end_now"]
    fieldsets = [
        (None, {"fields": ["reason"]}),
        ("What it mutes", {"fields": ["team", "source", "severities", "labels", "title"]}),
        ("When", {"fields": ["starts_at", "ends_at"]}),
        ("Each week", {"fields": ["days", "opens", "closes", "zone"]}),
    ]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Silences are ended, so that it stays known why something did not page."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Silence | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and not (obj and silences.is_over(obj, timezone.now()))

    def save_model(self, request: HttpRequest, obj: Silence, form: Any, change: bool) -> None:
        """What a changed silence mutes is judged anew: it may mean something else now."""
        if not change:
            obj.created_by, obj.created_label = request.user, str(request.user)[:120]  # type: ignore[assignment]
            obj.save()
            return
        silences.locked(obj.pk)  # in the transaction of the admin's view
        obj.save(update_fields=SilenceForm.Meta.fields)
        silences.judge_anew(obj, now=timezone.now())

    @admin.action(description="End the selected silences now", permissions=["change"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[Silence]) -> None:
        now = timezone.now()
        ended = [silences.end(one.pk, str(request.user), now=now) for one in queryset]
        text = f"Ended: {sum(ended)}. What they muted and still fires pages now."
        self.message_user(request, text, messages.SUCCESS)

    @admin.display(description="state")
    def state(self, silence: Silence) -> str:
        return silences.state_of(silence, timezone.now())

    @admin.display(description="what")
    def what(self, silence: Silence) -> str:
        parts = [*silence.severities, *as_lines(silence.labels).splitlines()]
        if silence.title:
            parts.append(f'title has "{silence.title}"')
        return ", ".join(map(str, parts)) or "everything"

    @admin.display(description="by", ordering="created_label")
    def who(self, silence: Silence) -> str:
        return silence.created_label
