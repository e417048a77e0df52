"""manage.py worker: pages, escalates and watches over itself."""

from typing import Any

from django.core.management.base import BaseCommand

from pagerpal import logs
from pagerpal.worker import Worker


class Command(BaseCommand):
    help = "Run the worker: the escalation clock and the sender. Any number may run at once."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        logs.play("worker")
        Worker().run()
