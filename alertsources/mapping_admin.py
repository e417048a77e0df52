"""The admin's page of a source's mapping, with what it makes of messages that really came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from alertsources import mapping
from alertsources.mapping_preview import last_payloads, preview
from alertsources.models import AlertSource, ReceivedPayload
from alertsources.sources.anyjson import AnyJson

if TYPE_CHECKING:
    SourceModelAdmin = admin.ModelAdmin[AlertSource]
else:
    SourceModelAdmin = admin.ModelAdmin

PAGE = "admin:alertsources_alertsource_mapping"
SAVE = "_save"


def mapping_link(source: AlertSource) -> SafeString | str:
    """For the page of the source: how its messages are read, and where to change that."""
    stored = source.settings.get("mapping") or {}
    named = ", ".join(name for name in mapping.FIELDS if name in stored)
    text = f"Expressions for: {named}." if named else "Known senders and guesses; no expressions."
    return format_html('{} <a href="{}">Edit and try</a>', text, reverse(PAGE, args=[source.pk]))


class MappingPage(SourceModelAdmin):
    """Adds the page to the admin of sources."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.mapping_view)
        name = PAGE.removeprefix("admin:")
        return [path("<int:pk>/mapping/", view, name=name), *super().get_urls()]

    def mapping_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The form; as posted by hand or by htmx it shows what would be, and Save stores it."""
        source = self.get_object(request, str(pk))
        if source is None or source.kind != AnyJson.slug:
            raise Http404
        if not self.has_change_permission(request, source):
            raise PermissionDenied
        texts = _texts(request.POST) if request.method == "POST" else _stored_texts(source)
        stored, wrong = mapping.checked(texts)
        if SAVE in request.POST and not wrong:
            return self._save_mapping(request, source, stored)
        context = {
            **self.admin_site.each_context(request),
            **_looked_at(source, request, stored),
            "opts": self.opts,
            "source": source,
            "title": f"How the messages of {source.name} are read",
            "fields": [
                (name, label, texts.get(name, ""), wrong.get(name, ""), mapping.HELP.get(name, ""))
                for name, label in (mapping.FIELDS | mapping.WORDS).items()
            ],
            "words": list(mapping.WORDS),
            "wrong": [
                ((mapping.FIELDS | mapping.WORDS)[name], sentence)
                for name, sentence in wrong.items()
            ],
        }
        part = "_preview" if request.htmx else "mapping"  # type: ignore[attr-defined]
        return render(request, f"admin/alertsources/alertsource/{part}.html", context)

    def _save_mapping(
        self, request: HttpRequest, source: AlertSource, stored: dict[str, Any]
    ) -> HttpResponse:
        with transaction.atomic():
            row = store(source, stored)
            self.log_change(request, row, "Changed how its messages are read.")
        self.message_user(request, "Saved. New messages are read like this.", messages.SUCCESS)
        return redirect(request.get_full_path())


def store(source: AlertSource, stored: dict[str, Any]) -> AlertSource:
    """Keep the mapping, and touch nothing else of the settings: others may be changing the rest."""
    with transaction.atomic():
        row = AlertSource.objects.select_for_update().get(pk=source.pk)
        row.settings = {**row.settings, "mapping": stored}
        row.save(update_fields=["settings"])
    return row


def _looked_at(source: AlertSource, request: HttpRequest, stored: dict[str, Any]) -> dict[str, Any]:
    """The last messages, the chosen one and what the mapping makes of it."""
    payloads = last_payloads(source)
    asked = request.POST.get("payload") or request.GET.get("payload") or ""
    chosen = next((one for one in payloads if str(one.pk) == asked), None)
    chosen = chosen or (payloads[0] if payloads else None)
    body = _body_of(chosen)
    return {
        "payloads": payloads,
        "chosen": chosen,
        "preview": preview(source, body, stored) if chosen else None,
    }


def _body_of(payload: ReceivedPayload | None) -> bytes:
    return bytes(payload.body) if payload else b""


def _texts(posted: QueryDict) -> dict[str, str]:
    return {name: posted.get(name, "") for name in (*mapping.FIELDS, *mapping.WORDS)}


def _stored_texts(source: AlertSource) -> dict[str, str]:
    stored = source.settings.get("mapping") or {}
    texts = {name: str(stored.get(name, "")) for name in mapping.FIELDS}
    return texts | {name: ", ".join(stored.get(name, [])) for name in mapping.WORDS}
