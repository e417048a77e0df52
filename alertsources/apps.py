"""Where alerts come FROM: keys, parsers, wire formats, intake."""

from django.apps import AppConfig


class AlertSourcesConfig(AppConfig):
    name = "alertsources"
    verbose_name = "Alert sources"

    def ready(self) -> None:
        from alertsources.receivers import follow_incident
        from incidents.signals import incident_moved

        incident_moved.connect(follow_incident, dispatch_uid="alertsources.follow_incident")
