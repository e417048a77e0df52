"""HOW a person is reached: contact methods, rules, the outbox, channels."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"
