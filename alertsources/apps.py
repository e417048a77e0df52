"""Where alerts come FROM: keys, parsers, wire formats, intake."""

from django.apps import AppConfig


class AlertSourcesConfig(AppConfig):
    name = "alertsources"
    verbose_name = "Alert sources"
