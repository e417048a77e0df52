"""The outgoing heartbeat: tells a dead-man's switch outside that pages would go out.

It is called while that is so and only then, so that silence is the alarm: of a machine that is
off, of a worker that is dead, of a database that is away, of providers that take nothing.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings

from incidents.models import Incident
from incidents.rounds import Job
from notifications.channels import calls
from notifications.channels.base import Deadline, SendError
from pagerpal import health, site_facts
from pagerpal.models import SiteFact

log = logging.getLogger(__name__)

Name = SiteFact.Name
# In all, of the 12 s that a task may take.
SECONDS, SECONDS_FOR_WEB = 5.0, 2.0
# A little less than the time between two rounds, so that none comes just too early.
SOONER = timedelta(seconds=5)
# Set by `serve` before it forks: whether web runs beside us, under the same supervisor.
web_is_here = False


def jobs() -> tuple[Job, ...]:
    """For the rounds: nothing where there is nobody to tell."""
    if not settings.HEARTBEAT_URL:
        return ()
    return (Job("heartbeat", settings.HEARTBEAT_EVERY - SOONER, beat),)


def beat(now: datetime) -> None:
    """Call the switch, or say why not; takes 7 seconds at most."""
    if reasons := withheld(now):
        _withhold(reasons, now)
    elif trouble := _call(settings.HEARTBEAT_URL):
        log.warning("the outgoing heartbeat was not taken: %s", trouble)
        site_facts.note(Name.BEAT_FAILED, now=now, words=trouble)
    else:
        site_facts.forget(Name.BEAT_FAILED)
        site_facts.forget(Name.BEAT_WITHHELD)
        site_facts.note(Name.BEAT_SENT, now=now)


def withheld(now: datetime) -> list[str]:
    """Why the switch is to raise the alarm. Empty when pages go out, or are held by a setting."""
    return health.verdict(now).troubles or _nobody_reached() or _web_is_silent()


def _nobody_reached() -> list[str]:
    alone = Incident.objects.unanswered().filter(nobody_reached_at__isnull=False, is_test=False)
    if number := alone.count():
        return [f"Open incidents for which nobody could be reached: {number}."]
    return []


def _web_is_silent() -> list[str]:
    """Who takes no alerts in pages nobody about them."""
    if not web_is_here:
        return []
    bind = settings.PAGERPAL_BIND
    host = "127.0.0.1" if bind in {"0.0.0.0", "::", ""} else bind  # noqa: S104  compared only
    host = f"[{host}]" if ":" in host else host
    url = f"http://{host}:{settings.PAGERPAL_PORT}/health/live"
    if trouble := _call(url, SECONDS_FOR_WEB):
        return [f"The web server does not answer: {trouble}."]
    return []


def _withhold(reasons: list[str], now: datetime) -> None:
    words = " ".join(reasons)
    log.warning("the outgoing heartbeat is withheld: %s", words)
    if settings.HEARTBEAT_FAIL_URL and (trouble := _call(settings.HEARTBEAT_FAIL_URL)):
        log.warning("that pages would not go out could not be told: %s", trouble)
        words = f"{words} HEARTBEAT_FAIL_URL: {trouble}"
    site_facts.note(Name.BEAT_WITHHELD, now=now, words=words)


def _call(url: str, seconds: float = SECONDS) -> str:
    """Why it was not taken; empty when it was. Its path, which is a secret, is not said."""
    try:
        answer = calls.request("GET", url, deadline=Deadline(seconds))
    except SendError as error:
        return error.text
    return "" if answer.is_taken else f"HTTP {answer.status}"
