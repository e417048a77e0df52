"""WHAT is wrong and who must answer: lifecycle, planner, engine, answers."""

from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    name = "incidents"

    def ready(self) -> None:
        from incidents import deliveries, leaving, replies  # noqa: F401  connects their receivers
