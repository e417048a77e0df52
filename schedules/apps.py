"""WHO: people, teams, rotations, overrides, shifts."""

from django.apps import AppConfig


class SchedulesConfig(AppConfig):
    name = "schedules"
    verbose_name = "Schedules and people"

    def ready(self) -> None:
        from schedules import recorded  # it knows models, which have to be there first

        recorded.watch()
