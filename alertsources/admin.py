"""The admin of alert sources, and a look at what they sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from alertsources.forms import FLAPPING, AlertSourceForm
from alertsources.key_admin import KeyTools
from alertsources.keys import set_key
from alertsources.kind_admin import KindTools
from alertsources.models import Alert, AlertSource, ReceivedPayload
from alertsources.reprocessing_admin import Reprocessing
from alertsources.rule_admin import RuleInline, what_rules_say
from alertsources.secret_forms import FORGET, SECRET
from alertsources.setting_up import address_for, address_with_key, set_up_of
from alertsources.showing import readable_body
from alertsources.silence_admin import SilenceAdmin
from alertsources.trial_admin import TrialTools
from schedules.counted_filters import CountedChoices, CountedRelated

__all__ = ["AlertAdmin", "AlertSourceAdmin", "ReceivedPayloadAdmin", "SilenceAdmin"]

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    SourceModelAdmin = admin.ModelAdmin[AlertSource]
    LogModelAdmin = admin.ModelAdmin[Any]
else:
    SourceModelAdmin = LogModelAdmin = admin.ModelAdmin

LAST_PAYLOADS = 10
SNIPPET = '<pre><code>{0}</code></pre><button type="button" data-copy="{0}">Copy</button>'


@admin.register(AlertSource)
class AlertSourceAdmin(KindTools, KeyTools, TrialTools, SourceModelAdmin):
    form = AlertSourceForm
    list_display = ["name", "team", "kind", "is_active", "last_received"]
    list_filter = ["is_active", "kind", "team"]
    show_facets = admin.ShowFacets.ALWAYS
    list_select_related = ["team"]
    search_fields = ["name", "team__name"]
    autocomplete_fields = ["team", "policy", "test_person"]
    inlines = [RuleInline]
    actions = ["new_key", *KindTools.actions]
    readonly_fields = [
        *("address", "key", "set_up", "last_received", "last_payloads", "rules_tried"),
        *("reading", "subscription"),
    ]

    class Media:
        js = ["pagerpal/copy.js"]

    def get_fieldsets(self, request: HttpRequest, obj: AlertSource | None = None) -> Any:
        facts = [
            (None, {"fields": ["team", "name", "kind", "policy", "default_severity", "is_active"]}),
            ("Grouping", {"fields": ["group_by", "group_labels"]}),
            (
                "When it pages",
                {"fields": ["wait_for", "auto_resolve_after", "limit_per_minute", "test_person"]},
            ),
            ("When it opens and closes again and again", {"fields": [*FLAPPING]}),
            ("When nothing comes", {"fields": ["warn_if_silent_for"]}),
            (
                "Signatures",
                {"fields": [SECRET, FORGET] if obj and obj.signing_secret else [SECRET]},
            ),
            ("How long it keeps", {"fields": ["keep_days"]}),
        ]
        if obj is None:
            return facts
        return [
            ("How it sends", {"fields": ["address", "key", "set_up"]}),
            *facts,
            *self.kind_fieldsets(obj),
            ("What came", {"fields": ["last_received", "last_payloads"]}),
            ("What the rules below make of it", {"fields": ["rules_tried"]}),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertSource]:
        real = ReceivedPayload.objects.filter(source=OuterRef("pk"), is_test=False)
        newest = real.order_by("-received_at")
        return (
            super()
            .get_queryset(request)
            .annotate(last_received_at=Subquery(newest.values("received_at")[:1]))
        )

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Sources are switched off, so that incidents keep where they came from."""
        return False

    def view_on_site(self, obj: Model) -> str:
        return reverse("alertsources:source", args=[obj.pk])

    def save_model(self, request: HttpRequest, obj: AlertSource, form: Any, change: bool) -> None:
        key = "" if change else set_key(obj)
        super().save_model(request, obj, form, change)
        if key:
            self.show_once(request, obj, key)

    @admin.display(description="address")
    def address(self, source: AlertSource) -> SafeString:
        return format_html(
            "<code>{}</code> with the key in a header, or <code>{}</code> followed by the key",
            *(address_for(source), address_with_key("")),
        )

    @admin.display(description="key")
    def key(self, source: AlertSource) -> SafeString:
        text = format_html("<code>{}</code>", source.masked_api_key)
        if source.old_key_until and source.old_key_until > timezone.now():
            until = f"{timezone.localtime(source.old_key_until):%d %b %H:%M}"
            text = format_html("{} (the one before works until {})", text, until)
        return text

    @admin.display(description="set-up")
    def set_up(self, source: AlertSource) -> SafeString:
        return format_html_join(
            "",
            "{}",
            (
                (format_html(SNIPPET if part.is_snippet else "<pre>{0}</pre>", part.text),)
                for part in set_up_of(source)
            ),
        )

    @admin.display(description="last message", ordering="last_received_at")
    def last_received(self, source: Any) -> Any:
        return source.last_received_at

    @admin.display(description="if it came now")
    def rules_tried(self, source: AlertSource) -> SafeString | str:
        return what_rules_say(source)

    @admin.display(description="last messages")
    def last_payloads(self, source: AlertSource) -> SafeString | str:
        rows = (
            (
                reverse("admin:alertsources_receivedpayload_change", args=[payload.pk]),
                f"{timezone.localtime(payload.received_at):%d %b %H:%M:%S}",
                payload.get_result_display(),
                payload.note,
                readable_body(payload)[:4000],
            )
            for payload in source.payloads.all()[:LAST_PAYLOADS]
        )
        return (
            format_html_join(
                "",
                "<details><summary>{1} {2}: {3}</summary>"
                '<p><a href="{0}">The message by itself</a></p><pre>{4}</pre></details>',
                rows,
            )
            or "Nothing has come yet."
        )


class BySource(CountedRelated):
    """Names the sources that the person may see, all with their teams in one query."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        mine = model_admin.admin_site.get_model_admin(AlertSource).get_queryset(request)
        sources = AlertSource.objects.filter(pk__in=mine.values("pk")).select_related("team")
        return sorted(((str(one.pk), str(one)) for one in sources), key=lambda pair: pair[1])


class LogAdmin(LogModelAdmin):
    """Rows that are history: to look at, by nobody to change."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Alert)
class AlertAdmin(LogAdmin):
    list_display = ["title", "status", "source", "incident", "last_at"]
    list_filter = [("status", CountedChoices), ("severity", CountedChoices), ("source", BySource)]
    list_select_related = ["source__team", "incident"]
    search_fields = ["title", "key"]
    ordering = ["-pk"]  # the order in which they came, which needs no sorting of all
    fields = [
        *("title", "source", "incident", "status", "severity", "key", "labels", "count"),
        *("started_at", "first_at", "last_at", "answered_at", "resolved_at"),
        *("muted_by", "muted_reason", "look_at", "occurred_at", "is_test"),
    ]


@admin.register(ReceivedPayload)
class ReceivedPayloadAdmin(Reprocessing, LogAdmin):
    list_display = ["received_at", "source", "result", "note", "incident"]
    list_filter = [
        "result",
        "is_test",
        ("reprocessed_from", admin.EmptyFieldListFilter),
        ("source", BySource),
    ]
    list_select_related = ["source__team", "incident"]
    fields = [
        *("source", "received_at", "content_type", "result", "note", "incident"),
        *("is_test", "reprocessed_from", "message"),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReceivedPayload]:
        found: QuerySet[ReceivedPayload] = super().get_queryset(request)
        return found.defer("body")  # up to 1 MiB each; only the page of one shows it

    @admin.display(description="message")
    def message(self, payload: ReceivedPayload) -> SafeString:
        return format_html("<pre>{}</pre>", readable_body(payload))
