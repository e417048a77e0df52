"""Ties the wiring into Django's registry."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class PagerPalConfig(AppConfig):
    name = "pagerpal"


class PagerPalAdminConfig(AdminConfig):
    default_site = "pagerpal.admin.PagerPalAdminSite"
