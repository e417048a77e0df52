"""The lines about what must run: worker, engine, queue, mail in, and who watches from outside."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db.models import Count, Min
from django.urls import reverse
from django_q.models import OrmQ

from alertsources.mail import liveness
from incidents.models import Incident
from notifications.models import Notification
from pagerpal import health, site_facts
from pagerpal.models import SiteFact, WorkerHeartbeat
from pagerpal.system.line import BAD, HELD, OK, WARN, Line, Remedy, clock

Name = SiteFact.Name
# Bounds between which the time of a sweep is told: a page that tells it exactly is never the same.
SWEEPS = (10, 50, 100, 500, 1000)
SLOW_SWEEP = 1000
# Of the day's messages no more than the newest are looked at.
NEWEST = 5_000
START = Remedy("No worker is running: nothing is paged.", command="python manage.py worker")


def lines(now: datetime) -> list[Line]:
    found = [worker(now), engine(now), queue(now)]
    if liveness.is_wanted():
        found.append(mail_in(now))
    return [*found, watchdog(now)]


def worker(now: datetime) -> Line:
    rows = list(WorkerHeartbeat.objects.order_by("name"))
    alive = [one for one in rows if now - one.beat_at <= health.HEARTBEAT_FRESH_FOR]
    if not alive:
        last = max((one.beat_at for one in rows), default=None)
        says = f"None; the last sign of one was at {clock(last)}." if last else "None has ever run."
        return Line("worker", "Worker", BAD, says, (START,))
    said = [f"{_named(one)}, alive, since {clock(one.started_at)}" for one in alive]
    said += [
        f"{_named(one)}, silent since {clock(one.beat_at)}" for one in rows if one not in alive
    ]
    return Line("worker", "Worker", OK, "; ".join(said) + "; beats every 5 s.")


def _named(one: WorkerHeartbeat) -> str:
    host, _, pid = one.name.rpartition(":")
    return f"{host} pid {pid}"


def engine(now: datetime) -> Line:
    late = Incident.objects.due(now - health.OVERDUE_AFTER).count()
    took = WorkerHeartbeat.objects.filter(beat_at__gte=now - health.HEARTBEAT_FRESH_FOR)
    slowest = max(took.values_list("sweep_ms", flat=True), default=0)
    bound = next((f"under {limit}" for limit in SWEEPS if slowest < limit), f"{slowest}")
    says = f"The last sweep took {bound} ms, {late} late."
    if not settings.ESCALATION_WORKER_ENABLED:
        remedy = Remedy("Nobody is escalated to.", ("ESCALATION_WORKER_ENABLED=true",))
        return Line("engine", "Engine", HELD, f"Escalation waits. {says}", (remedy,))
    if late:
        why = Remedy("Steps are over two minutes late; the worker's log says why.")
        return Line("engine", "Engine", BAD, says, (why,))
    if slowest >= SLOW_SWEEP:
        why = Remedy("A sweep takes over a second: the database is slow.")
        return Line("engine", "Engine", WARN, says, (why,))
    return Line("engine", "Engine", OK, says)


def queue(now: datetime) -> Line:
    tasks = OrmQ.objects.filter(lock__lte=now).aggregate(number=Count("pk"), oldest=Min("lock"))
    waits = f"{tasks['number']} waiting"
    if tasks["oldest"]:
        waits += f", the oldest since {clock(tasks['oldest'])}"
    failed = failed_today(now)
    says = f"{waits}; {failed} message{'' if failed == 1 else 's'} failed within a day."
    url = reverse("admin:notifications_notification_changelist") + "?state__exact=failed"
    found = partial(Line, "queue", "Queue", link=url if failed else "", link_says="See them")
    late = tasks["oldest"] is not None and now - tasks["oldest"] > health.OVERDUE_AFTER
    if not settings.NOTIFICATION_RETRY_WORKER_ENABLED:
        remedy = Remedy("Messages wait.", ("NOTIFICATION_RETRY_WORKER_ENABLED=true",))
        return found(HELD, f"Messages wait. {says}", (remedy,))
    if late:
        why = Remedy("Tasks wait for over two minutes; the worker's log says why.")
        return found(WARN, says, (why,))
    return found(OK, says)


def failed_today(now: datetime) -> int:
    newest = Notification.objects.order_by("-pk").values_list("state", "settled_at")[:NEWEST]
    since = now - timedelta(days=1)
    return sum(1 for state, at in newest if state == "failed" and at and at > since)


def mail_in(now: datetime) -> Line:
    if troubles := liveness.troubles(now):
        remedy = Remedy(" ".join(troubles), command="python manage.py mail")
        return Line("mail-in", "Mail in", BAD, " ".join(troubles), (remedy,))
    ways = [f"SMTP on port {settings.INBOUND_SMTP_PORT}"] * bool(settings.INBOUND_SMTP_PORT)
    ways += [f"mailbox at {settings.IMAP_HOST}"] * bool(settings.IMAP_HOST)
    return Line("mail-in", "Mail in", OK, f"Received: {', '.join(ways)}.")


def watchdog(now: datetime) -> Line:
    facts = {one.name: one for one in SiteFact.objects.all()}
    asked = facts.get(Name.HEALTH_ASKED)
    said = [f"/health was last asked by {asked.address} at {clock(asked.at)}"] if asked else []
    if not settings.HEARTBEAT_URL:
        if site_facts.is_watched(now):
            return Line("watchdog", "Watchdog", OK, f"{said[0]}.")
        remedy = Remedy(
            "Nobody tells you when PagerPal is down: let a monitor on another machine ask "
            f"{settings.PAGERPAL_BASE_URL}/health each minute, or name a dead-man's switch.",
            ("HEARTBEAT_URL=https://hc-ping.com/YOUR-UUID",),
        )
        text = "; ".join([*said, "none keeps watching"]) + "."
        return Line("watchdog", "Watchdog", WARN, text[:1].upper() + text[1:], (remedy,))
    return _beaten(facts, said, now)


def _beaten(facts: dict[str, SiteFact], said: list[str], now: datetime) -> Line:
    sent, failed, withheld = (
        facts.get(name) for name in (Name.BEAT_SENT, Name.BEAT_FAILED, Name.BEAT_WITHHELD)
    )
    said = [f"heartbeat last taken at {clock(sent.at)}" if sent else "no heartbeat yet", *said]
    text = "; ".join(said) + "."
    text = text[:1].upper() + text[1:]
    if withheld and withheld.at > now - 4 * settings.HEARTBEAT_EVERY:
        why = Remedy(f"The heartbeat is withheld: {withheld.words}")
        return Line("watchdog", "Watchdog", WARN, text, (why,))
    if failed:
        words = f"The heartbeat was not taken at {clock(failed.at)}: {failed.words}."
        remedy = Remedy(words, ("HEARTBEAT_URL=https://...",))
        return Line("watchdog", "Watchdog", WARN, text, (remedy,))
    return Line("watchdog", "Watchdog", OK, text)
