"""manage.py backup FILE: the whole database in one file, while everything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from pagerpal.moving import backing_up
from pagerpal.moving.archive import NotUsable


class Command(BaseCommand):
    help = (
        "Write a backup of the database, and of the SECRET_KEY that was made here, into one file "
        "that only its owner can read. PagerPal may run meanwhile. Keep it like a password."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="Where to, such as pagerpal-monday.zip.")
        parser.add_argument("--force", action="store_true", help="Also over a file that is there.")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"].absolute()
        if path.exists() and not options["force"]:
            raise CommandError(f"{path} is there already: say --force to write over it.")
        try:
            made = backing_up.make(path, now=timezone.now())
        except (NotUsable, OSError) as error:
            raise CommandError(f"No backup was made: {error}") from error
        key = "with the SECRET_KEY that was made here"
        if backing_up.KEY not in made.parts:
            key = "without SECRET_KEY, which the environment gives: keep that as well"
        size = path.stat().st_size / 1e6
        self.stdout.write(f"{path}: {sum(made.counts.values())} rows, {size:.1f} MB, {key}.")
