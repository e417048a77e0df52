"""manage.py restore FILE: puts a backup in the place of the database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from pagerpal.moving import restoring
from pagerpal.moving.archive import NotUsable


class Command(BaseCommand):
    help = (
        "Put a backup in the place of the database, which is kept aside. What was under way in it "
        "is held: nobody is paged for what may be long over."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="What manage.py backup wrote.")
        parser.add_argument(
            "--replace", action="store_true", help="Also where there are people in the database."
        )
        parser.add_argument(
            "--check", action="store_true", help="Only look whether it can be restored here."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            found = restoring.usable(options["file"])
            made = found.manifest
            what = f"{sum(made.counts.values())} rows of {made.made_at}, PagerPal {made.version}"
            if options["check"]:
                self.stdout.write(f"A whole backup: {what}.")
                return
            if forbids := restoring.what_forbids(replace=options["replace"], now=now):
                raise CommandError(f"Nothing was touched. {forbids}")
            restored = restoring.restore(found, now=now)
        except NotUsable as error:
            raise CommandError(f"Nothing was touched. {error}") from error
        self.stdout.write(f"Restored {what}.")
        if restored.aside:
            self.stdout.write(f"The database that was there is kept as {restored.aside}.")
        for note in restored.notes:
            self.stdout.write(note)
        self.stdout.write(
            f"Held: {restored.held.incidents} open incidents and {restored.held.messages} "
            "messages. Look at them when PagerPal runs again: nobody is paged for them."
        )
