"""WHAT is wrong and who must answer: lifecycle, planner, engine, answers."""

from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    name = "incidents"
