"""manage.py serve: the whole of PagerPal with one command."""

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections

from pagerpal import first_run, migrating, supervisor


class Command(BaseCommand):
    help = "Migrate if needed, then run web and worker; if one of them dies it is started again."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        if migrating.bring_up_to_date():
            self.stdout.write("The database is up to date.")
        first_run.announce(sys.stdout)
        self.stdout.write(self.welcome())
        connections.close_all()
        self.stdout.flush()
        # Becomes a small process without Django. -S: nothing from site-packages is needed;
        # -P: the files beside it must not hide the standard library's.
        python = sys.executable
        os.execv(python, [python, "-S", "-P", supervisor.__file__])  # noqa: S606

    def welcome(self) -> str:
        held = (
            ""
            if settings.NOTIFICATION_SENDING_ENABLED
            else (" Safe mode: messages are shown, not sent (NOTIFICATION_SENDING_ENABLED=false).")
        )
        where = f"http://{settings.PAGERPAL_BIND}:{settings.PAGERPAL_PORT}"
        return f"PagerPal listens on {where} and calls itself {settings.PAGERPAL_BASE_URL}.{held}"
