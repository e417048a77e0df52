"""HOW a person is reached: contact methods, rules, the outbox, channels."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        from notifications import reminders, working  # noqa: F401  they connect their receivers
