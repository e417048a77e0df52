"""Loads what the processes will need before they are forked, so that they share the memory."""

from __future__ import annotations

import gc
from importlib import import_module

from django.conf import settings
from django.db import connections
from django.urls import reverse

from notifications import wording
from pagerpal import holes

# Loaded by Django or Django-Q2 at the first use of something, or by name.
MODULES = (
    "django.core.cache.backends.locmem",
    "django.db.migrations.recorder",
    "django.db.models.sql.compiler",
    "django_q.cluster",
    "alertsources.tasks",
    "incidents.tasks",
    "notifications.tasks",
    "notifications.channels",
    "pagerpal.aside",
    "pagerpal.broker",
)
WEB_MODULES = ("gunicorn.app.wsgiapp", "gunicorn.arbiter", "gunicorn.workers.gthread")


def warm(*, web: bool) -> None:
    """Load all that tasks use, and what requests use if `web`, and hide it from the collector."""
    for module in MODULES + (WEB_MODULES if web else ()):
        import_module(module)
    reverse("answer", args=["token"])  # reads every urls.py
    wording.load()
    if web:
        import_module("pagerpal.wsgi")
    if settings.NOTIFICATION_SENDING_ENABLED:
        import_module("encodings.idna")  # by the first host name that is looked up
    connections.close_all()
    gc.collect()
    holes.fill()
    # The collector writes to what it looks at, and a page that is written to is copied.
    gc.freeze()
