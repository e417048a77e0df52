"""manage.py serve: the whole of PagerPal with one command."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connection
from gunicorn.app.wsgiapp import WSGIApplication

from alertsources.mail import liveness
from pagerpal import first_run, logs, migrating, outgoing, warming
from pagerpal.supervisor import Program, Supervisor
from pagerpal.worker import Worker

log = logging.getLogger(__name__)

# PostgreSQL may be started together with us.
WAIT_FOR_DATABASE = 60.0
GUNICORN_CONF = Path(__file__).resolve().parents[2] / "gunicorn_conf.py"


class Command(BaseCommand):
    help = (
        "Migrate if needed, then run web and worker, and mail where it is set up; "
        "whichever dies is started again. Named, only those: `serve web` and `serve worker` are "
        "the two halves for containers or machines of their own."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("programs", nargs="*", metavar="PROGRAM", help="web, worker or mail")

    def handle(self, *args: Any, **options: Any) -> None:
        logs.play("supervisor")
        programs = chosen(options["programs"])
        self.wait_for_database()
        if migrating.bring_up_to_date_aside():
            self.say("The database is up to date.")
        first_run.announce(self.say)
        self.say(self.welcome(programs))
        with suppress(OSError):  # whitenoise warns of a missing folder; a checkout needs none
            settings.STATIC_ROOT.mkdir(exist_ok=True)
        outgoing.web_is_here = "web" in programs
        warming.warm(web="web" in programs)
        Supervisor([Program(name, MAINS[name]) for name in programs]).run()

    def say(self, text: str) -> None:
        """To whoever started us; as a line of the log where programs read all that is written."""
        if logs.is_json():
            log.info(text)
        else:
            self.stdout.write(text)
            self.stdout.flush()

    def wait_for_database(self) -> None:
        ends = time.monotonic() + WAIT_FOR_DATABASE
        while True:
            try:
                return connection.ensure_connection()
            except OperationalError as error:
                if time.monotonic() > ends:
                    raise CommandError(f"The database does not answer: {error}") from error
                log.warning("Waiting for the database: %s", error)
                time.sleep(2)

    def welcome(self, programs: list[str]) -> str:
        where = f"http://{settings.PAGERPAL_BIND}:{settings.PAGERPAL_PORT}"
        listens = f"PagerPal listens on {where}"
        if "web" not in programs:
            listens = f"PagerPal runs here without web: {', '.join(programs)}"
        lines = [f"{listens}; messages link to {settings.PAGERPAL_BASE_URL}."]
        if not settings.NOTIFICATION_SENDING_ENABLED:
            lines.append(
                "Safe mode: messages are shown, not sent. Set NOTIFICATION_SENDING_ENABLED=true."
            )
        return "\n".join(lines)


def chosen(named: list[str]) -> list[str]:
    """What is to run: what is named, else all that is set up."""
    if unknown := [name for name in named if name not in MAINS]:
        raise CommandError(f"{unknown[0]}: expected some of {', '.join(MAINS)}")
    if "mail" in named and not liveness.is_wanted():
        raise CommandError("Mail has no way in: set INBOUND_SMTP_PORT or IMAP_HOST.")
    if named:
        return [name for name in MAINS if name in named]
    return [name for name in MAINS if name != "mail" or liveness.is_wanted()]


def run_web() -> None:
    sys.argv = ["gunicorn", "--config", str(GUNICORN_CONF), "pagerpal.wsgi"]
    WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn").run()


def run_worker() -> None:
    Worker().run()


def run_mail() -> None:
    # Here, so that neither web nor worker carries a mail server.
    from alertsources.mail.program import Receiver

    Receiver().run()


MAINS = {"web": run_web, "worker": run_worker, "mail": run_mail}
