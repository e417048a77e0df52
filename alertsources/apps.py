"""Where alerts come FROM: keys, parsers, wire formats, intake."""

from django.apps import AppConfig


class AlertSourcesConfig(AppConfig):
    name = "alertsources"
    verbose_name = "Alert sources"

    def ready(self) -> None:
        from alertsources.receivers import follow_incident, object_to_closing
        from incidents.signals import incident_moved
        from schedules.signals import team_closing

        incident_moved.connect(follow_incident, dispatch_uid="alertsources.follow_incident")
        team_closing.connect(object_to_closing, dispatch_uid="alertsources.object_to_closing")
