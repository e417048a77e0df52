"""manage.py doctor: what is misconfigured, and the line that mends it."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from pagerpal import checklist
from pagerpal.system.line import Line
from pagerpal.system.report import Report, report


class Command(BaseCommand):
    help = (
        "Say what keeps a page from going out, and what else should be mended. Ends with 1 when a "
        "page would not go out, would be held, or would not reach whoever is on call; else with 0."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument(
            "--try",
            action="store_true",
            dest="try_it",
            help="sign in to the mail server and open PAGERPAL_BASE_URL; sends nothing",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = report(timezone.now(), try_it=options["try_it"])
        self.stdout.write(as_json(found) if options["json"] else as_text(found))
        if found.has_bad:
            sys.exit(1)


def as_text(found: Report) -> str:
    said = [f"Would a page go out now? {found.answer}"]
    said += [f"  {trouble}" for trouble in [*found.verdict.troubles, *found.verdict.notes]]
    for line in found.findings:
        said.append(f"\n[{line.mark}] {line.label}: {line.says}")
        for remedy in line.remedies:
            said.append(f"  {remedy.says}")
            if remedy.env:
                said.append(f"  In {checklist.env_file()}:")
                said += [f"    {one}" for one in remedy.env]
            if remedy.command:
                said.append(f"  Run: {remedy.command}")
        if line.words:
            said.append(f"  {line.words}")
    fine = [line.label for line in found.lines if line.mark == "ok"]
    said.append(f"\nIn order: {', '.join(fine) or 'nothing'}.")
    return "\n".join(said)


def as_json(found: Report) -> str:
    return json.dumps(
        {
            "answer": found.answer,
            "troubles": found.verdict.troubles,
            "notes": found.verdict.notes,
            "lines": [_dict(line) for line in found.lines],
        },
        indent=2,
    )


def _dict(line: Line) -> dict[str, Any]:
    remedies = [vars(remedy) for remedy in line.remedies]
    shown = {"name": line.slug, "mark": line.mark, "says": line.says, "words": line.words}
    return {**shown, "remedies": remedies}
