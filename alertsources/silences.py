"""Silences and maintenance windows: what matches one pages nobody while it lasts.

A silence never stops an open incident: repeats of its alerts only count. A new alert that matches
is muted: it is recorded with the reason, and what still fires when the silence ends is judged anew
then. Whoever mutes an alert reads, after writing it, whether the silence still stands, and whoever
ends one locks it first: so no alert is left muted by a silence that is over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from alertsources import matching
from alertsources.cleaning import CleanAlert, one_line
from alertsources.holding import remembered
from alertsources.models import Alert, AlertSource, Silence
from incidents.models import Incident, Severity
from notifications.kicks import kick
from schedules import roles, zones
from schedules.models import Team, User
from schedules.transactions import repeat_on_conflict

logger = logging.getLogger(__name__)

LOOK_AGAIN = "alertsources.tasks.look_again"
SHARED = """
    SELECT id, ended_at FROM alertsources_silence WHERE id = ANY(%s) ORDER BY id FOR SHARE
"""
# How many alerts or silences a page compares.
MOST_COMPARED = 50


class Refused(ValueError):
    """A silence that cannot be; its text is one sentence for whoever asked for it."""


@dataclass(frozen=True)
class Weekly:
    """Hours of the week, by the clocks of the zone; they may end on the next day."""

    days: str  # digits, 0 is Monday
    opens: time
    closes: time
    zone: str


def create(
    *,
    reason: str,
    starts_at: datetime,
    ends_at: datetime | None,
    now: datetime,
    team: Team | None = None,
    source: AlertSource | None = None,
    severities: Sequence[str] = (),
    labels: Sequence[dict[str, str]] = (),
    title: str = "",
    weekly: Weekly | None = None,
    by: User | None = None,
    label: str = "",
) -> Silence:
    """Silence what matches all of this, from, until. Raises Refused or BadMatcher.

    `label` says who asks where it is no person.
    """
    reason = one_line(reason, 300)
    silence = Silence(
        team=team,
        source=source,
        severities=list(severities),
        labels=matching.checked(list(labels)),
        title=one_line(title, 200),
        starts_at=starts_at,
        ends_at=ends_at,
        reason=reason,
        created_by=by,
        created_label=(label or str(by or ""))[:120],
        created_at=now,
    )
    if weekly is not None:
        silence.days, silence.opens, silence.closes = weekly.days, weekly.opens, weekly.closes
        silence.zone = weekly.zone
    if trouble := trouble_with(silence, now=now):
        raise Refused(trouble)
    silence.save()
    return silence


def trouble_with(silence: Silence, *, now: datetime) -> str:
    """Why this silence cannot be, in one sentence; empty: it can."""
    if not silence.reason:
        return "Say why: whoever wonders at night reads the reason."
    if silence.source and silence.team and silence.source.team_id != silence.team_id:
        return f"{silence.source.name} belongs to {silence.source.team}, not to {silence.team}."
    if unknown := set(silence.severities) - set(Severity.values):
        return f"There is no severity {sorted(unknown)[0]!r:.40}."
    return _trouble_with_times(silence, now)


def _trouble_with_times(silence: Silence, now: datetime) -> str:
    if silence.ends_at is None and not silence.days:
        return "Give it an end; only a weekly one may go on."
    if silence.ends_at is not None and silence.ends_at <= max(silence.starts_at, now):
        return "It has to end after its start, and after now."
    has_hours = silence.opens is not None and silence.closes is not None
    if bool(silence.days) != has_hours or set(silence.days) - set(matching.EVERY_DAY):
        return "A weekly silence has days, a time at which it opens and one at which it closes."
    if silence.zone not in zones.names():
        return f"{silence.zone!r:.40} is not a time zone such as Europe/Berlin."
    return ""


def end(silence_id: int, by: str, *, now: datetime) -> bool:
    """End it before its time; what it mutes is judged anew at once. False: it was over already."""

    def attempt() -> bool:
        with transaction.atomic():
            silence = locked(silence_id)
            if is_over(silence, now):
                return False
            silence.ended_at, silence.ended_label = now, by[:120]
            silence.save(update_fields=["ended_at", "ended_label"])
            judge_anew(silence, now=now)
            return True

    return repeat_on_conflict(attempt)


def locked(silence_id: int) -> Silence:
    """The silence, which nobody can mute by until this transaction is over.

    Alerts are locked before silences by those who mute, so here too.
    """
    muted = Alert.objects.firing().filter(muted_by=silence_id).order_by("pk")
    list(muted.select_for_update(no_key=True).values_list("pk"))
    return Silence.objects.select_for_update().get(pk=silence_id)


def judge_anew(silence: Silence, *, now: datetime) -> None:
    """Have what it mutes looked at, because it has ended or changed; inside a transaction."""
    if Alert.objects.firing().filter(muted_by=silence).update(look_at=now):
        kick(LOOK_AGAIN)


def may_manage(user: User, team_id: int | None) -> bool:
    """Admins all silences, leads and responders those of their teams."""
    if team_id is None:
        return roles.is_admin(user)
    return roles.may_answer(user, team_id)


def for_incident(incident: Incident, *, hours: int, by: User, now: datetime) -> Silence:
    """Mute, for some hours, new alerts like those of the incident: of the same source and labels.

    Where they have no labels in common, those of its title.
    """
    alerts = list(incident.alerts.select_related("source__team").order_by("-pk")[:MOST_COMPARED])
    sources = {alert.source for alert in alerts}
    source = sources.pop() if len(sources) == 1 else None
    if source is not None and source.team_id != incident.team_id:
        source = None
    shared = [set(alert.labels.items()) for alert in alerts]
    common = sorted(set.intersection(*shared))[: matching.MOST_MATCHERS] if shared else []
    return create(
        reason=f"Silenced for {hours} h from #{incident.pk}.",
        team=incident.team,
        source=source,
        labels=[{"label": name, "is": "=", "value": value} for name, value in common],
        title="" if common else incident.title,
        starts_at=now,
        ends_at=now + timedelta(hours=hours),
        by=by,
        now=now,
    )


def about(incident: Incident, alerts: Iterable[Alert], now: datetime) -> list[Silence]:
    """The silences that mute, at times, new alerts like these of the incident."""
    found = standing(now).filter(Q(team=None) | Q(team=incident.team_id))
    seen = [(remembered(alert), alert.source_id) for alert in alerts]
    return [
        silence
        for silence in found[:MOST_COMPARED]
        if any(_covers(silence, alert, source_id, incident.team_id) for alert, source_id in seen)
    ]


def _covers(silence: Silence, alert: CleanAlert, source_id: int, team_id: int) -> bool:
    try:
        return covers(silence, alert, source_id=source_id, team_id=team_id)
    except matching.BadMatcher:
        return False


def settle(alerts: Sequence[Alert], *, now: datetime) -> None:
    """Called when alerts have been muted, in their transaction: from here no silence can end.

    Those whose silence has ended while they were judged are looked at again at once.
    """
    if not alerts:
        return
    used = sorted({alert.muted_by_id for alert in alerts if alert.muted_by_id})
    ended = [pk for pk, ended_at in _shared(used) if ended_at is not None]
    if ended:
        pks = [alert.pk for alert in alerts if alert.muted_by_id in ended]
        Alert.objects.filter(pk__in=pks).update(look_at=now)


def _shared(silence_ids: list[int]) -> list[tuple[int, datetime | None]]:
    """Their ends, locked against being ended but not against others who mute.

    Not left to the foreign key, whose check and lock come only with the commit.
    """
    if not connection.features.has_select_for_update:  # SQLite: nobody else writes
        return list(Silence.objects.filter(pk__in=silence_ids).values_list("pk", "ended_at"))
    with connection.cursor() as cursor:
        cursor.execute(SHARED, [silence_ids])
        return [(pk, ended_at) for pk, ended_at in cursor.fetchall()]


def standing(now: datetime) -> QuerySet[Silence]:
    """Those that may mute something now, weekly ones whatever the hour."""
    open_end = Q(ends_at__isnull=True) | Q(ends_at__gt=now)
    return Silence.objects.filter(open_end, ended_at__isnull=True, starts_at__lte=now)


def planned(now: datetime) -> QuerySet[Silence]:
    return Silence.objects.filter(ended_at__isnull=True, starts_at__gt=now)


def over(now: datetime) -> QuerySet[Silence]:
    return Silence.objects.filter(Q(ended_at__isnull=False) | Q(ends_at__lte=now))


def is_over(silence: Silence, now: datetime) -> bool:
    if silence.ended_at is not None:
        return True
    return silence.ends_at is not None and silence.ends_at <= now


@dataclass(frozen=True)
class Muting:
    """The silence that holds longest of those that match; None: without an end in sight."""

    silence: Silence
    until: datetime | None


def matching_alert(
    silences: Iterable[Silence],
    alert: CleanAlert,
    *,
    source: AlertSource,
    team_id: int,
    now: datetime,
) -> Muting | None:
    """What mutes the alert now. A silence that cannot be read mutes nothing."""
    found: list[Muting] = []
    for silence in silences:
        try:
            if not covers(silence, alert, source_id=source.pk, team_id=team_id):
                continue
            running, until = _running_until(silence, now)
        except Exception as error:
            logger.warning("Silence %s mutes nothing: %s", silence.pk, error)
            continue
        if running:
            found.append(Muting(silence, until))
    forever = datetime.max.replace(tzinfo=now.tzinfo)
    return max(found, key=lambda one: one.until or forever, default=None)


def covers(silence: Silence, alert: CleanAlert, *, source_id: int, team_id: int) -> bool:
    """Whether it means this alert, whatever the time."""
    if silence.team_id not in {None, team_id} or silence.source_id not in {None, source_id}:
        return False
    if silence.severities and alert.severity not in silence.severities:
        return False
    if silence.title and silence.title.casefold() not in alert.title.casefold():
        return False
    return matching.labels_match(silence.labels, alert.labels)


def _running_until(silence: Silence, now: datetime) -> tuple[bool, datetime | None]:
    if silence.starts_at > now or is_over(silence, now):
        return False, None
    if not silence.days or silence.opens is None or silence.closes is None:
        return True, silence.ends_at
    is_open, closes_at = matching.open_until(
        silence.days, silence.opens, silence.closes, silence.zone, now
    )
    ends = [at for at in (closes_at, silence.ends_at) if at is not None]
    return is_open, min(ends, default=None)


def state_of(silence: Silence, now: datetime) -> str:
    """now, planned, over; weekly: a weekly one outside its hours."""
    if is_over(silence, now):
        return "over"
    if silence.starts_at > now:
        return "planned"
    return "now" if _running_until(silence, now)[0] else "weekly"
