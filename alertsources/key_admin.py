"""The admin's page that asks before a source gets another key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html

from alertsources.keys import OVERLAP_SAID, change_key
from alertsources.models import AlertSource
from alertsources.setting_up import address_with_key, shell_line

if TYPE_CHECKING:
    SourceModelAdmin = admin.ModelAdmin[AlertSource]
else:
    SourceModelAdmin = admin.ModelAdmin


class KeyTools(SourceModelAdmin):
    """Adds "New key" to the admin of sources, as their own page has it."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.key_view)
        name = "alertsources_alertsource_key"
        return [path("<int:pk>/key/", view, name=name), *super().get_urls()]

    def key_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Asks; a yes makes the key, unless it was changed since it was asked."""
        source = self.get_object(request, str(pk))
        if source is None:
            raise Http404
        if not self.has_change_permission(request, source):
            raise PermissionDenied
        if request.method == "POST":
            self._change(request, source, request.POST.get("seen", ""))
            return redirect("admin:alertsources_alertsource_change", pk)
        now = timezone.now()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "source": source,
            "has_old_key": source.old_key_until is not None and source.old_key_until > now,
            "said": OVERLAP_SAID,
            "title": f"Another key for {source.name}?",
        }
        return render(request, "admin/alertsources/alertsource/key.html", context)

    @admin.action(description="New key for the selected sources", permissions=["change"])
    def new_key(self, request: HttpRequest, queryset: QuerySet[AlertSource]) -> HttpResponse | None:
        """The same for many, each as it was when it was asked."""
        if "seen" in request.POST:
            hints = dict(
                zip(request.POST.getlist("asked"), request.POST.getlist("seen"), strict=False)
            )
            for source in queryset:
                self._change(request, source, hints.get(str(source.pk), ""))
            return None
        now = timezone.now()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "sources": [
                (one, one.old_key_until is not None and one.old_key_until > now)
                for one in queryset.select_related("team")
            ],
            "said": OVERLAP_SAID,
            "title": "Another key for these sources?",
        }
        return render(request, "admin/alertsources/alertsource/keys.html", context)

    def _change(self, request: HttpRequest, source: AlertSource, seen: str) -> None:
        at_once = bool(request.POST.get("at_once"))
        key = change_key(source, seen=seen, now=timezone.now(), at_once=at_once)
        if key is None:
            text = f"The key of {source.name} was changed a moment ago: nothing was done."
            self.message_user(request, text, messages.WARNING)
            return
        self.log_change(request, source, "New key.")
        said = "The old key works no more." if at_once else OVERLAP_SAID
        self.message_user(request, said, messages.SUCCESS)
        self.show_once(request, source, key)

    def show_once(self, request: HttpRequest, source: AlertSource, key: str) -> None:
        """Say the new key on the next page that this person sees, and nowhere else."""
        text = format_html(
            "The key of {} is shown only now: <code>{}</code><br>"
            "Address with the key in it: <code>{}</code><br>"
            "To try it, which pages for real: <code>{}</code>",
            *(source.name, key, address_with_key(key), shell_line(source, key)),
        )
        self.message_user(request, text, messages.WARNING)
