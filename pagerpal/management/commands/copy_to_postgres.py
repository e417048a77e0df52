"""manage.py copy_to_postgres URL: from SQLite to PostgreSQL, once and for all."""

from __future__ import annotations

from typing import Any

import environ
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from django.utils import timezone

from pagerpal import migrating
from pagerpal.moving import copying, running
from pagerpal.moving.archive import NotUsable

EXPECTED = "Expected an address such as postgres://user:password@host:5432/name."


class Command(BaseCommand):
    help = (
        "Copy everything from SQLite into an empty PostgreSQL database and count it there. "
        "PagerPal must be stopped. SQLite is left as it is; then set DATABASE_URL to the same URL."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url", help="postgres://user:password@host:5432/name")

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor != "sqlite":
            raise CommandError("DATABASE_URL names PostgreSQL already: nothing to copy from.")
        target = _target(options["url"])
        if missing := migrating.missing():
            raise CommandError(
                f"The SQLite database lacks the migration {missing[0]}: start PagerPal once."
            )
        if runs := running.found(timezone.now()):
            raise CommandError(f"Stop PagerPal first: {'; '.join(runs)}.")
        try:
            rows = copying.copy(target, self.stdout.write)
        except (NotUsable, DatabaseError) as error:
            raise CommandError(f"Nothing was copied. {error}") from error
        self.stdout.write(
            f"Copied {rows} rows; every table has as many as in SQLite. Set DATABASE_URL to this "
            "database, keep SECRET_KEY as it is, and start PagerPal."
        )


def _target(url: str) -> dict[str, Any]:
    try:
        config: dict[str, Any] = environ.Env.db_url_config(url)
    except Exception as error:
        raise CommandError(EXPECTED) from error
    if config.get("ENGINE") != "django.db.backends.postgresql":
        raise CommandError(EXPECTED)
    default = {**settings.DATABASES["default"]}
    for name in ("OPTIONS", "NAME", "USER", "PASSWORD", "HOST", "PORT"):
        default.pop(name, None)
    return {**default, "OPTIONS": {"connect_timeout": 3}, **config}
