"""manage.py serve: the whole of PagerPal with one command."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from gunicorn.app.wsgiapp import WSGIApplication

from alertsources.mail import liveness
from pagerpal import first_run, migrating, warming
from pagerpal.supervisor import Program, Supervisor
from pagerpal.worker import Worker

# PostgreSQL may be started together with us.
WAIT_FOR_DATABASE = 60.0
GUNICORN_CONF = Path(__file__).resolve().parents[2] / "gunicorn_conf.py"


class Command(BaseCommand):
    help = (
        "Migrate if needed, then run web and worker, and mail where it is set up; "
        "whichever dies is started again."
    )
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        self.wait_for_database()
        if migrating.bring_up_to_date_aside():
            self.stdout.write("The database is up to date.")
        first_run.announce(sys.stdout)
        self.stdout.write(self.welcome())
        with suppress(OSError):  # whitenoise warns of a missing folder; a checkout needs none
            settings.STATIC_ROOT.mkdir(exist_ok=True)
        warming.warm(web=True)
        programs = [Program("web", run_web), Program("worker", run_worker)]
        if liveness.is_wanted():
            programs.append(Program("mail", run_mail))
        Supervisor(programs).run()

    def wait_for_database(self) -> None:
        ends = time.monotonic() + WAIT_FOR_DATABASE
        while True:
            try:
                return connection.ensure_connection()
            except OperationalError as error:
                if time.monotonic() > ends:
                    raise CommandError(f"The database does not answer: {error}") from error
                self.stderr.write(f"Waiting for the database: {error}")
                time.sleep(2)

    def welcome(self) -> str:
        where = f"http://{settings.PAGERPAL_BIND}:{settings.PAGERPAL_PORT}"
        lines = [f"PagerPal listens on {where}; messages link to {settings.PAGERPAL_BASE_URL}."]
        if not settings.NOTIFICATION_SENDING_ENABLED:
            lines.append(
                "Safe mode: messages are shown, not sent. Set NOTIFICATION_SENDING_ENABLED=true."
            )
        return "\n".join(lines)


def run_web() -> None:
    sys.argv = ["gunicorn", "--config", str(GUNICORN_CONF), "pagerpal.wsgi"]
    WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn").run()


def run_worker() -> None:
    Worker().run()


def run_mail() -> None:
    # Here, so that neither web nor worker carries a mail server.
    from alertsources.mail.program import Receiver

    Receiver().run()
