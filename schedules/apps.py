"""WHO: people, teams, rotations, overrides, shifts."""

from django.apps import AppConfig


class SchedulesConfig(AppConfig):
    name = "schedules"
    verbose_name = "Schedules and people"
