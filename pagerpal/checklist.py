"""What it takes until an alert wakes somebody: each line true or not, computed, never clicked."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from alertsources.models import Alert, AlertSource
from incidents.models import EscalationPolicy, Incident
from notifications import trials, working
from pagerpal import site_facts
from pagerpal.models import SiteFact, WorkerHeartbeat
from schedules.models import Rotation, User

WORKER_FRESH_FOR = timedelta(minutes=1)
CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
CGROUP = Path("/proc/self/cgroup")
SYSTEM_UNIT = re.compile(r"/system\.slice/(?:.*/)?([\w@.\\-]+\.service)$", re.MULTILINE)


@dataclass(frozen=True)
class Line:
    """One claim; while it is not true, what makes it so."""

    text: str
    is_done: bool
    says: str = ""
    url: str = ""
    # To be written into the file of the settings, and what makes them hold.
    env: tuple[str, ...] = ()
    restart: str = ""


def lines(user: User, now: datetime) -> list[Line]:
    """In the order in which they are best done, for the admin who looks."""
    return [
        Line("You can sign in", True),
        worker(now),
        sending(),
        reached(user),
        phones(),
        rotation(),
        source(),
        watcher(now),
    ]


def is_hidden() -> bool:
    return site_facts.is_known(SiteFact.Name.LIST_HIDDEN)


def worker(now: datetime) -> Line:
    alive = WorkerHeartbeat.objects.filter(beat_at__gte=now - WORKER_FRESH_FOR).exists()
    return Line(
        "The worker is running",
        alive,
        "Nothing is paged without it. manage.py serve, which make run starts, runs it beside the "
        "web server; alone it is manage.py worker.",
    )


def sending() -> Line:
    return Line(
        "Sending is on",
        settings.NOTIFICATION_SENDING_ENABLED,
        f"Messages are held and shown, not sent. To send them, write into {env_file()}:",
        env=("NOTIFICATION_SENDING_ENABLED=true",),
        restart=restart_command(),
    )


def reached(user: User) -> Line:
    trouble = working.without_way([user.pk]).get(user.pk, "")
    says = "Send yourself a test page, and answer it."
    if trouble:
        says = f"Nothing would reach you now: {user} {trouble}."
    answered = Incident.objects.filter(
        is_test=True, owner=user, acknowledged_at__isnull=False
    ).exists()
    is_done = not trouble and (answered or trials.was_answered(user))
    url = reverse("set_up") if not trouble else reverse("notifications:me")
    return Line("You can be reached, and have answered a test page", is_done, says, url)


def phones() -> Line:
    text = "Phones can open PagerPal"
    if site_facts.is_known(SiteFact.Name.LINK_OPENED):
        return Line(text, True)
    if not is_local(urlsplit(settings.PAGERPAL_BASE_URL).hostname or ""):
        says = (
            "Open the link of a test page on a phone: best over mobile data, as it must come from "
            "another address than the one you are signed in from."
        )
        return Line(text, False, says)
    port = settings.PAGERPAL_PORT
    says = f"Messages lead to {settings.PAGERPAL_BASE_URL}, which only this machine can open. "
    says += f"Write its address, as phones know it, into {env_file()}:"
    env: tuple[str, ...] = (f"PAGERPAL_BASE_URL=http://ADDRESS:{port}",)
    # Compose publishes the port there; the image itself listens everywhere.
    if is_in_container() or is_local(settings.PAGERPAL_BIND):
        env += ("PAGERPAL_BIND=0.0.0.0",)
    return Line(text, False, says, env=env, restart=restart_command())


def rotation() -> Line:
    text = "A team with a rotation, and a policy that pages it"
    manned = Rotation.objects.filter(is_active=True, team__is_active=True, members__isnull=False)
    policies = EscalationPolicy.objects.filter(is_default=True, steps__isnull=False)
    if not manned.exists():
        return Line(text, False, "Nobody takes turns yet.", reverse("set_up"))
    is_done = policies.filter(team__in=manned.values("team")).exists()
    says = "No team with a rotation has a default policy with a step."
    return Line(text, is_done, says, reverse("set_up"))


def source() -> Line:
    text = "A source has received an alert from its sender"
    if Alert.objects.filter(is_test=False).exists():
        return Line(text, True)
    first = AlertSource.objects.filter(is_active=True).order_by("pk").first()
    if first is None:
        return Line(text, False, "There is no source yet.", reverse("set_up"))
    says = "Nothing has come yet but tests of PagerPal's own, which say nothing about the sender. "
    says += f"The page of {first.name} says how it is set up."
    return Line(text, False, says, reverse("alertsources:source", args=[first.pk]))


def watcher(now: datetime) -> Line:
    """Asked from outside, or telling somebody outside that all is well."""
    tells = bool(getattr(settings, "HEARTBEAT_URL", ""))
    return Line(
        "Something outside watches PagerPal",
        tells or site_facts.is_watched(now),
        "PagerPal cannot tell you that it is down. Let a monitor on another machine ask "
        f"{settings.PAGERPAL_BASE_URL}/health each minute; it is seen here after ten.",
    )


def is_local(host: str) -> bool:
    """Whether it means the own machine, to whoever uses it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_in_container() -> bool:
    """Of an image; a clone that `make run` serves is none, wherever its machine is."""
    is_clone = Path(sys.prefix) == settings.BASE_DIR / ".venv"
    return not is_clone and any(Path(mark).exists() for mark in CONTAINER_MARKS)


def env_file() -> str:
    """Where settings are written, as whoever runs PagerPal knows it."""
    if is_in_container():
        return ".env beside docker-compose.yml"
    if str(settings.ENV_FILE) == os.devnull:
        return "the environment that PagerPal is started in"
    return str(settings.ENV_FILE)


def restart_command() -> str:
    """What makes a changed setting hold, by how this process was started."""
    if is_in_container():
        return "docker compose up -d"
    if os.environ.get("INVOCATION_ID") and (unit := _unit()):
        name, at, _ = unit.partition("@")
        # Of several alike, each read the settings when it was started.
        return f"sudo systemctl restart '{name}@*'" if at else f"sudo systemctl restart {unit}"
    return "make run"


def _unit() -> str:
    """The system service that this process is in, if it is in one."""
    try:
        found = SYSTEM_UNIT.search(CGROUP.read_text())
    except OSError:
        return ""
    return found[1] if found else ""
