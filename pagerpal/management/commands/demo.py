"""Makes a sample team to try PagerPal with."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from pagerpal import migrating, sample

SHOWN_ONCE = "The demo is there already. Keys and password were shown once; --reset makes new ones."


class Command(BaseCommand):
    help = "Make a sample team with a rotation, a policy, alert sources and contact methods."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        parser.add_argument("--reset", action="store_true", help="Remove the sample and remake it.")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError(
                "demo makes people with known names: not with ENVIRONMENT=production."
            )
        migrating.bring_up_to_date(verbosity=0)  # it may be the first thing a new user runs
        if options["reset"]:
            sample.remove()
        is_new = not sample.exists()
        made = sample.make(timezone.now()) if is_new else sample.describe()
        if options["json"]:
            self.stdout.write(json.dumps(made if is_new else {**made, "note": SHOWN_ONCE}))
            return
        self.stdout.write(_in_words(made) if is_new else SHOWN_ONCE)


def _in_words(made: sample.Made) -> str:
    generic = made["sources"][0]
    lines = [
        f"Made {made['team']['name']} with {len(made['users'])} people.",
        f"Sign in at {made['base_url']}/login",
        f"  e-mail    {made['admin']['email']}",
        f"  password  {made['admin']['password']}",
        "Alert sources (keys are shown this once):",
        *(f"  {source['name']:<18} {source['key']}" for source in made["sources"]),
        "Open an incident:",
        f"  curl -H 'X-API-Key: {generic['key']}' -H 'Content-Type: application/json' \\",
        """    -d '{"title": "Disk 96% full on db-6", "severity": "critical"}' \\""",
        f"    {made['base_url']}/api/v1/alerts",
    ]
    return "\n".join(lines)
