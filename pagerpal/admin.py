"""PagerPal's admin site: its title and the order of its sections."""

from typing import Any

from django.contrib import admin


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
