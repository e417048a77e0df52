"""Writes the pages of docs/ that say what the code says."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from pagerpal import written_docs


class Command(BaseCommand):
    help = "Write the pages of docs/ about alert sources, channels and settings, from the code."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        if not written_docs.DOCS.is_dir():
            raise CommandError("There is no folder docs here: this is for a checkout.")
        changed = written_docs.write()
        self.stdout.write("\n".join(changed) or "All of it is as the code says.")
