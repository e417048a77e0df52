"""manage.py mail: receives alerts that come as e-mail."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from alertsources.mail import liveness, program
from pagerpal import logs


class Command(BaseCommand):
    help = "Receive mail: by SMTP when INBOUND_SMTP_PORT is set, from a mailbox with IMAP_HOST."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        if not liveness.is_wanted():
            raise CommandError("Mail has no way in: set INBOUND_SMTP_PORT or IMAP_HOST.")
        logs.play("mail")
        program.Receiver().run()
