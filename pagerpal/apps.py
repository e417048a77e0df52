"""Ties the wiring into Django's registry."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class PagerPalConfig(AppConfig):
    name = "pagerpal"

    def ready(self) -> None:
        from pagerpal import checks  # noqa: F401  registers them; needs the settings


class PagerPalAdminConfig(AdminConfig):
    default_site = "pagerpal.admin.PagerPalAdminSite"
