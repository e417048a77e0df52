"""Takes stored messages in once more from the admin: one by its button, several by an action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from alertsources.models import ReceivedPayload
from alertsources.reprocessing import NotNow, reprocess
from schedules.models import User

if TYPE_CHECKING:
    LogModelAdmin = admin.ModelAdmin[Any]
else:
    LogModelAdmin = admin.ModelAdmin

# Each may open an incident.
MOST_AT_ONCE = 100


class Reprocessing(LogModelAdmin):
    """Adds the button and the action to the admin of received messages."""

    actions = ["reprocess_selected"]
    change_form_template = "admin/alertsources/receivedpayload/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.reprocess_view)
        name = "alertsources_receivedpayload_reprocess"
        return [path("<int:pk>/reprocess/", view, name=name), *super().get_urls()]

    def has_reprocess_permission(self, request: HttpRequest) -> bool:
        """Whoever may set sources up; it may page, as the sender's own message would."""
        return request.user.has_perm("alertsources.change_alertsource")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        offered = {"may_reprocess": self.has_reprocess_permission(request)}
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **offered}
        )

    def reprocess_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_reprocess_permission(request):
            raise PermissionDenied
        payload = self.get_queryset(request).filter(pk=pk).first()
        if payload is None:
            raise Http404
        self._reprocess(request, payload)
        return redirect(reverse("admin:alertsources_receivedpayload_change", args=[pk]))

    @admin.action(description="Take in once more (may page)", permissions=["reprocess"])
    def reprocess_selected(self, request: HttpRequest, queryset: QuerySet[ReceivedPayload]) -> None:
        """In the order in which they came."""
        payloads = list(queryset.order_by("pk")[: MOST_AT_ONCE + 1])
        if len(payloads) > MOST_AT_ONCE:
            text = f"At most {MOST_AT_ONCE} messages at once: each may open an incident."
            self.message_user(request, text, messages.ERROR)
            return
        for payload in payloads:
            self._reprocess(request, payload)

    def _reprocess(self, request: HttpRequest, payload: ReceivedPayload) -> None:
        assert isinstance(request.user, User)  # noqa: S101  the admin is behind the sign-in
        try:
            taken = reprocess(payload, request.user, timezone.now())
        except NotNow as why:
            self.message_user(request, str(why), messages.ERROR)
        else:
            self.message_user(request, taken.note, messages.SUCCESS)
