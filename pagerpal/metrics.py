"""What /metrics says, read from the tables at each scrape.

No counter is kept in a process: there are several, on several machines, and each would know its own
part only. Everything is read through an index or from the newest rows, so that a scrape costs the
same however long the history is. Only `metrics_views` loads this, with the library it needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Count, Min, Sum
from django_q.models import OrmQ
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.registry import Collector

from alertsources.models import AlertSource, Refusal, SourceMinute
from incidents import health as incident_health
from incidents.models import Incident
from notifications.models import Notification, ProviderState
from pagerpal import health
from pagerpal.models import WorkerHeartbeat

LATELY = timedelta(hours=1)
# Of the last hour no more than these are looked at: a storm must not make scrapes slow.
NEWEST = 5_000
RECENT = f"""
    SELECT channel, state, count(*) FROM (
        SELECT channel, state, created_at FROM {Notification._meta.db_table}
        ORDER BY id DESC LIMIT %s
    ) newest WHERE created_at > %s GROUP BY channel, state ORDER BY channel, state
"""  # noqa: S608  a name of our own


def scrape(now: datetime) -> bytes:
    """Everything, in Prometheus' text form."""
    registry = CollectorRegistry()
    registry.register(_Tables(now))
    return generate_latest(registry)


class _Tables(Collector):
    def __init__(self, now: datetime) -> None:
        self.now = now

    def describe(self) -> list[Gauge]:
        return []  # else all is collected twice

    def collect(self) -> Iterator[Gauge]:
        yield from _verdict(self.now)
        yield _open_incidents()
        yield from _waiting(self.now)
        yield _notifications(self.now)
        yield from _ingest(self.now)
        yield from _workers(self.now)
        yield from _providers(self.now)


def _one(name: str, says: str, value: float) -> Gauge:
    return Gauge(f"pagerpal_{name}", says, value=value)


def _verdict(now: datetime) -> Iterator[Gauge]:
    found = health.verdict(now)
    yield _one("paging_works", "1 while /health answers 200.", found.ok)
    held = not settings.NOTIFICATION_SENDING_ENABLED
    yield _one("sending_is_held", "1 in safe mode: messages are held, not sent.", held)
    broken = incident_health.count_violations()
    yield _one("database_violations", "Rows that a constraint should have kept out.", broken)


def _open_incidents() -> Gauge:
    gauge = Gauge("pagerpal_open_incidents", "Open incidents.", labels=["severity", "state"])
    rows = Incident.objects.open().order_by().values_list("severity", "state")
    for severity, state, number in rows.annotate(number=Count("pk")):
        gauge.add_metric([severity, state], number)
    return gauge


def _waiting(now: datetime) -> Iterator[Gauge]:
    pages = Notification.objects.due(now).filter(purpose=Notification.Purpose.PAGE)
    oldest = pages.order_by("due_at").values_list("due_at", flat=True).first()
    says = "How long the oldest page that is due has waited; 0 when none is due."
    yield _one("oldest_due_page_seconds", says, _age(oldest, now))
    alone = Incident.objects.unanswered().filter(nobody_reached_at__isnull=False)
    yield _one("nobody_reached_incidents", "Triggered, and nobody was reached.", alone.count())
    queue = OrmQ.objects.aggregate(length=Count("pk"), oldest=Min("lock"))
    yield _one("queue_length", "Tasks in the queue; they only say: look for work.", queue["length"])


def _notifications(now: datetime) -> Gauge:
    says = f"Messages made within the last hour, of the newest {NEWEST}."
    gauge = Gauge("pagerpal_notifications_last_hour", says, labels=["channel", "state"])
    since = connection.ops.adapt_datetimefield_value(now - LATELY)
    with connection.cursor() as cursor:
        cursor.execute(RECENT, [NEWEST, since])
        for channel, state, number in cursor.fetchall():
            gauge.add_metric([channel, state], number)
    return gauge


def _ingest(now: datetime) -> Iterator[Gauge]:
    """By source, through the index that begins with it."""
    rows = AlertSource.objects.order_by("pk").values_list("pk", "team__name", "name")
    names = {pk: [team, name] for pk, team, name in rows}
    labels = ["team", "source", "result"]
    gauge = Gauge("pagerpal_ingest_last_hour", "Messages of sources, by result.", labels=labels)
    minutes = SourceMinute.objects.filter(source__in=list(names), minute__gt=now - LATELY)
    sums = minutes.order_by().values_list("source").annotate(Sum("received"), Sum("refused"))
    for source, received, refused in sums:
        gauge.add_metric([*names[source], "taken"], received - refused)
        gauge.add_metric([*names[source], "beyond the limit"], refused)
    yield gauge
    says = "Messages of sources that were refused, in this hour of the clock and the one before."
    gauge = Gauge("pagerpal_ingest_refused", says, labels=["team", "source", "reason"])
    hours = Refusal.objects.filter(source__in=list(names), hour__gt=now - 2 * LATELY)
    for source, reason, number in (
        hours.order_by().values_list("source", "reason").annotate(Sum("count"))
    ):
        gauge.add_metric([*names[source], reason], number)
    yield gauge


def _workers(now: datetime) -> Iterator[Gauge]:
    says = "Since the last sign of life of each worker."
    ages = Gauge("pagerpal_worker_age_seconds", says, labels=["worker"])
    says = "How long the last sweep of each worker took."
    sweeps = Gauge("pagerpal_sweep_seconds", says, labels=["worker"])
    for one in WorkerHeartbeat.objects.all():
        ages.add_metric([one.name], _age(one.beat_at, now))
        sweeps.add_metric([one.name], one.sweep_ms / 1000)
    yield ages
    yield sweeps


def _providers(now: datetime) -> Iterator[Gauge]:
    says = "1 while a provider is only probed, as it did not answer."
    silent = Gauge("pagerpal_provider_is_silent", says, labels=["provider"])
    says = "Since a provider last took a message, to the minute."
    taken = Gauge("pagerpal_provider_taken_seconds_ago", says, labels=["provider"])
    for one in ProviderState.objects.order_by("provider"):
        silent.add_metric([one.provider], one.is_open)
        if one.last_taken_at:
            taken.add_metric([one.provider], _age(one.last_taken_at, now))
    yield silent
    yield taken


def _age(moment: datetime | None, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds()) if moment else 0.0
