"""PagerPal's admin site: its title, what its first page says, the order of its sections."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from pagerpal import attention


class PagerPalAdminSite(admin.AdminSite):
    site_header = "PagerPal"
    site_title = "PagerPal admin"
    index_title = "Set up"
    empty_value_display = "none"
    sections = ("incidents", "schedules", "alertsources", "notifications", "auth", "django_q")

    def get_app_list(self, request: Any, app_label: str | None = None) -> list[Any]:
        order = {label: place for place, label in enumerate(self.sections)}
        found = super().get_app_list(request, app_label)
        return sorted(found, key=lambda app: order.get(app["app_label"], len(order)))

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        now = timezone.now()
        found = attention.of(request.user, now)  # type: ignore[arg-type]
        return super().index(request, {"attention": found, "now": now, **(extra_context or {})})
