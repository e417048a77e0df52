"""Decides what alerts make of the incidents that are: which row, which incident, is it news.

Everything here runs inside one transaction. Its locks come in the order that all of PagerPal
keeps: incidents ascending, then alerts, then inserts. Where two requests race, either one waits
for the other's incident, or the unique digests refuse the second; then it is run again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from alertsources import flapping, meeting, silences, trials
from alertsources.cleaning import CleanAlert
from alertsources.holding import HELD_FIELDS, held_row, hold_of, is_over, look_at, released
from alertsources.models import Alert, AlertSource, OpenGroup
from alertsources.severities import worse
from incidents import lifecycle, timeline
from incidents.lifecycle import Actor, Opening, urgency_of
from incidents.models import SEVERITY_RANK, EscalationPolicy, Incident, TimelineEntry
from schedules.inserts import insert

Status = Alert.Status
# Alerts of one group, each with its row.
Members = list[tuple[Alert, CleanAlert]]

# For senders without a start time: how long the repeats of an alert that a human has answered
# are still the same problem.
ANSWERED_FOR = timedelta(hours=4)
# A message that tells of an older state than the end that is known is late, if that end is no
# longer ago than senders repeat what was not taken; else it is news, whatever time it names.
LATE_FOR, LASTED_FOR = timedelta(hours=1), timedelta(days=1)


class Overtaken(Exception):
    """While this transaction waited for its locks, an alert got another incident."""


class Admission:
    """The alerts of one request among the rows they meet, all locked."""

    def __init__(
        self, source: AlertSource, policy: EscalationPolicy | None, *, now: datetime
    ) -> None:
        self.source = source
        self.policy = policy
        self.now = now
        # The rows that were found: firing alerts by live key, groups by digest, incidents by id.
        self.live: dict[str, Alert] = {}
        self.groups: dict[str, OpenGroup] = {}
        self.incidents: dict[int, Incident] = {}
        # What was done, for the answer.
        self.about: set[int] = set()
        self.opened: list[int] = []
        self.joined: list[int] = []
        self.resolved: list[int] = []
        self.counted = self.ended = self.dropped = self.stale = 0
        # Alerts that fire in no incident, by why: muted, recorded, waiting, info.
        self.held: defaultdict[str, int] = defaultdict(int)
        self.answered: list[tuple[Alert, CleanAlert]] = []
        # What is still to be written: groups that need an incident, rows that were placed in one
        # or are held, and whom a test pages.
        self._to_open: list[Members] = []
        self._placed: list[Alert] = []
        self._held: list[Alert] = []

    def run(self, alerts: list[CleanAlert]) -> None:
        self._lock(alerts)
        alerts = self._without_stale(alerts)
        touched = self._resolve(alert for alert in alerts if not alert.is_firing)
        self.about |= touched
        self._fire([alert for alert in alerts if alert.is_firing])
        _write_new([self], now=self.now)
        self._resolve_complete(touched)

    def fire_new(self, alerts: list[CleanAlert]) -> None:
        """Decide about alerts that meet nothing; see `admit_new`, which writes it."""
        self._fire(alerts)

    def only_repeats(self, alerts: list[CleanAlert]) -> bool:
        """Whether all are known to fire in an open incident that nobody has to be told of again."""
        return all(
            (row := self.live.get(alert.live_key)) is not None
            and row.incident_id is not None
            and row.answered_at is None
            and self.incidents[row.incident_id].is_open
            and not alert.is_always_news
            and not self._raises(row, alert)
            for alert in alerts
        )

    def look(self, seen: Sequence[tuple[Alert, CleanAlert]]) -> None:
        """Judge alerts anew because it is time, each as it was seen and judged before the lock.

        One that a post has changed meanwhile was judged by that, and is left alone.
        """
        self._lock([alert for _, alert in seen])
        over: dict[str, list[Alert]] = defaultdict(list)
        again: list[tuple[Alert, CleanAlert]] = []
        for before, alert in seen:
            row = self.live.get(alert.live_key)
            if row is None or not row.look_at or row.look_at > self.now:
                continue
            if row.count != before.count:
                continue
            if ender := is_over(row, alert, self.source, now=self.now):
                over[ender].append(row)
            elif row.incident_id:
                Alert.objects.filter(pk=row.pk).update(look_at=look_at(row, alert, None))
            else:
                again.append((row, alert))
        self._place(again, defaultdict(list), {})
        _write_new([self], now=self.now)
        for ender, rows in over.items():
            self._end(rows)
            touched = {row.incident_id for row in rows if row.incident_id}
            self._resolve_complete(touched, Actor(None, ender, "monitor"))

    @property
    def met(self) -> list[int]:
        """The incidents that these alerts belong to now, the opened ones first."""
        return [*self.opened, *sorted(self.about.union(self.joined).difference(self.opened))]

    def in_words(self) -> str:
        """What was done, in short sentences for the sender."""
        said = (
            (self.opened, f"Opened {_numbers(self.opened)}."),
            (self.joined, f"Joined {_numbers(self.joined)}."),
            (self.resolved, f"Resolved {_numbers(self.resolved)}."),
            (self.held["info"], "Severity info: kept without an incident."),
            (self.held["muted"], f"{self.held['muted']} muted by a silence."),
            (self.held["waiting"], f"{self.held['waiting']} waiting, to page if still firing."),
            (self.held["recorded"], f"{self.held['recorded']} recorded only."),
            (self.dropped, f"{self.dropped} dropped by a rule."),
            (self.stale, f"{self.stale} older than what is known: ignored."),
            (self.counted, f"{self.counted} known already: counted."),
            (self.answered, f"{len(self.answered)} answered by a human: {self._silence()}."),
            (self.ended, f"{self.ended} ended."),
        )
        return " ".join(sentence for is_so, sentence in said if is_so)

    def _silence(self) -> str:
        """How long the answers of humans hold."""
        ends = [row.answered_at + ANSWERED_FOR for row, _ in self.answered if row.answered_at]
        if not ends or any(alert.started_at for _, alert in self.answered):
            return "pages nobody until it starts anew"
        return f"pages nobody until {min(ends):%Y-%m-%d %H:%M} UTC unless it gets worse"

    def _lock(self, alerts: list[CleanAlert]) -> None:
        """Find what the alerts meet, lock it in order, and make sure that it still holds."""
        known = meeting.known(alerts)
        if not known:
            return  # what somebody else inserts meanwhile, the unique digests refuse
        self.incidents = meeting.lock_incidents(known)
        wanted = Q(live_key__in={alert.live_key for alert in alerts})
        if closing := {alert.sender_group for alert in alerts if alert.closes_group}:
            wanted |= Q(sender_group__in=closing, status=Status.FIRING)
        rows = Alert.objects.filter(wanted).order_by("pk").select_for_update(no_key=True)
        self.live = {row.live_key: row for row in rows if row.live_key}
        digests = {alert.group_digest for alert in alerts if alert.is_firing}
        found = OpenGroup.objects.filter(digest__in=digests) if digests else ()
        self.groups = {group.digest: group for group in found}
        self._must_know()

    def lock_repeats(self, alerts: list[CleanAlert], met: dict[str, set[int]]) -> None:
        """The same for alerts that are known to fire, whose groups nobody asks for.

        `met` was asked just before; should it no longer hold, that shows once all is locked.
        """
        firing = {alert.live_key: met.get(alert.live_key, set()) for alert in alerts}
        self.incidents = meeting.lock_incidents(firing)
        self.live = meeting.lock_live([alert.live_key for alert in alerts])
        self._must_know()

    def _must_know(self) -> None:
        """While this waited for its locks, an alert may have got another incident."""
        ids = {row.incident_id for row in self.live.values() if row.incident_id}
        ids |= {group.incident_id for group in self.groups.values()}
        if not ids <= self.incidents.keys():
            raise Overtaken

    def _without_stale(self, alerts: list[CleanAlert]) -> list[CleanAlert]:
        """Leave out what its sender saw before the state of the same alert that is known."""
        dated = {alert.key: alert.occurred_at for alert in alerts if alert.occurred_at}
        if not dated:
            return alerts
        known = {row.key: row.occurred_at for row in self.live.values()}
        past = Alert.objects.filter(
            status=Status.RESOLVED,
            group_digest__in={alert.group_digest for alert in alerts},
            first_at__gt=self.now - LASTED_FOR,
            resolved_at__gt=self.now - LATE_FOR,
            key__in=set(dated) - set(known),
        )
        known |= dict(past.order_by("first_at").values_list("key", "occurred_at"))
        fresh = []
        for alert in alerts:
            at = known.get(alert.key)
            if not (at and alert.occurred_at and alert.occurred_at < at):
                fresh.append(alert)
        self.stale = len(alerts) - len(fresh)
        return fresh

    def _resolve(self, alerts: Iterable[CleanAlert]) -> set[int]:
        """End the named alerts that fire; returns the incidents that may be over with them."""
        rows = []
        for alert in alerts:
            if row := self.live.get(alert.live_key):
                rows.append(row)
            if alert.closes_group:
                rows += [r for r in self.live.values() if r.sender_group == alert.sender_group]
            if alert.occurred_at and row:  # what comes late is compared with it
                Alert.objects.filter(pk=row.pk).update(occurred_at=alert.occurred_at)
        self._end(rows)
        self.ended = len({row.pk for row in rows})
        return {row.incident_id for row in rows if row.incident_id}

    def _end(self, rows: list[Alert]) -> None:
        if not rows:
            return
        Alert.objects.filter(pk__in={row.pk for row in rows}).update(
            status=Status.RESOLVED,
            live_key=None,
            resolved_at=self.now,
            last_at=self.now,
            look_at=None,
        )
        for row in rows:
            self.live.pop(row.live_key or "", None)

    def _resolve_complete(self, touched: set[int], by: Actor | None = None) -> None:
        """Resolve each open incident whose last alert has ended."""
        candidates = sorted(pk for pk in touched if self.incidents[pk].is_open)
        if not candidates:
            return
        firing = Alert.objects.firing().filter(incident_id__in=candidates).order_by()
        still = set(firing.values_list("incident_id", flat=True))
        monitor = by or Actor(None, self.source.name, "monitor")
        for pk in candidates:
            incident = self.incidents[pk]
            if pk in still:
                continue
            if by is None and flapping.holds(incident, self.source, now=self.now):
                continue
            lifecycle.resolve_locked(incident, monitor, by_monitor=True, now=self.now)
            self.resolved.append(pk)

    def _fire(self, alerts: list[CleanAlert]) -> None:
        outdated, to_place = [], []
        new, raised = defaultdict(list), defaultdict(list)
        repeats: list[tuple[Alert, CleanAlert]] = []
        for alert in alerts:
            row = self.live.get(alert.live_key)
            if row is None or self._starts_anew(row, alert):
                outdated += [row] if row else []
                if alert.verdict.is_dropped:
                    self.dropped += 1
                else:
                    to_place.append((self._new_row(alert), alert))
            else:
                repeats.append((row, alert))
                if row.incident_id is None:
                    to_place.append((row, alert))
                elif self._raises(row, alert):
                    raised[row.incident_id].append(alert)
                elif alert.is_always_news and self._has_quiet_owner(row.incident_id):
                    new[row.incident_id].append(alert)
        self._end(outdated)
        self._count(repeats)
        self._place(to_place, new, raised)

    def _starts_anew(self, row: Alert, alert: CleanAlert) -> bool:
        """Whether a firing alert is a new problem although its row still fires.

        Only after a human resolved its incident: then the same start time, or none within four
        hours and no worse, is still the problem that was answered. Alertmanager may move a start
        time back.
        """
        if row.incident_id is None or self.incidents[row.incident_id].is_open:
            return False
        if row.answered_at is None:
            return True
        if alert.started_at is None:
            is_over = self.now >= row.answered_at + ANSWERED_FOR
            return is_over or worse(alert.severity, row.severity)
        return alert.started_at > (row.started_at or row.answered_at)

    def _raises(self, row: Alert, alert: CleanAlert) -> bool:
        """Worse than it was and than its incident is: a severity lowered by hand stays so."""
        incident = self.incidents[row.incident_id or 0]
        return (
            incident.is_open
            and not alert.verdict.only_counts
            and not alert.is_record_only
            and worse(alert.severity, row.severity)
            and worse(alert.severity, incident.severity)
        )

    def _has_quiet_owner(self, incident_id: int) -> bool:
        """Whether it is somebody's, who has not been told of news for a while."""
        incident = self.incidents[incident_id]
        if incident.state != Incident.State.ACKNOWLEDGED:
            return False
        return not incident.grown_at or self.now - incident.grown_at >= lifecycle.GROWTH_PAUSE

    def _count(self, repeats: list[tuple[Alert, CleanAlert]]) -> None:
        """One write for all that only repeat, one more for each whose words have changed."""
        if not repeats:
            return
        self.counted = len(repeats)
        self.about |= {row.incident_id for row, _ in repeats if row.incident_id}
        self.answered = [(row, alert) for row, alert in repeats if row.answered_at]
        pks = sorted({row.pk for row, _ in repeats})
        meeting.count(pks, now=self.now)
        for row, alert in repeats:
            row.last_at = self.now
            said = {
                "title": alert.title,
                "severity": alert.severity,
                "labels": alert.labels,
                "started_at": alert.started_at or row.started_at,
                "occurred_at": alert.occurred_at or row.occurred_at,
                "resolve_after": alert.resolve_after,
            }
            if row.answered_at:  # what a later post is compared with
                del said["started_at"], said["severity"]
            if row.look_at is None and row.incident_id:
                said["look_at"] = look_at(row, alert, None)
            changed = {name: value for name, value in said.items() if getattr(row, name) != value}
            if changed:
                Alert.objects.filter(pk=row.pk).update(**changed)
                for name, value in changed.items():
                    setattr(row, name, value)  # others of the same transaction may come to it

    def _place(
        self,
        rows: list[tuple[Alert, CleanAlert]],
        joining: defaultdict[int, list[CleanAlert]],
        raised: dict[int, list[CleanAlert]],
    ) -> None:
        """Give each its incident: the open one of its group, or a new one; what is held gets none.

        `joining` and `raised` have the alerts that are news to the incident they are in already.
        """
        opening: dict[str, Members] = defaultdict(list)
        for row, alert in rows:
            if hold := hold_of(row, alert, now=self.now):
                self.held[hold.word] += 1
                if held_row(row, alert, hold, self.now) or not row.pk:
                    self._held.append(row)
                continue
            if row.pk:
                alert = released(row, alert)
            self._placed.append(row)
            if group := self._open_group(alert.group_digest):
                row.incident = self.incidents[group.incident_id]
                joining[group.incident_id].append(alert)
            else:
                opening[alert.group_digest].append((row, alert))
        for pk in sorted({*joining, *raised}):
            self._join(self.incidents[pk], joining[pk], raised.get(pk, []))
        self._to_open = list(opening.values())

    def _open_group(self, digest: str) -> OpenGroup | None:
        group = self.groups.get(digest)
        if group and not self.incidents[group.incident_id].is_open:
            # Cannot be, as resolving deletes it; but no firing alert may end in a closed incident.
            group.delete()
            del self.groups[digest]
            return None
        return group

    def _join(self, incident: Incident, new: list[CleanAlert], raised: list[CleanAlert]) -> None:
        """Tell lifecycle once, by the worst of them, however many join."""
        worst = _worst([*new, *raised])
        more = len(new) + len(raised) - 1
        for note in sorted({alert.note for alert in new if alert.note}):
            kind = TimelineEntry.Kind.NOTE
            timeline.write(incident, kind, note, at=self.now, via="monitor")
        lifecycle.join(
            incident,
            title=f"{worst.title} and {more} more" if more else worst.title,
            severity=worst.severity,
            urgency=urgency_of(worst.severity),
            is_new=bool(new),
            now=self.now,
        )
        self.joined.append(incident.pk)

    def _opening(self, members: Members) -> Opening:
        """The incident for alerts of one group; the worst gives its words."""
        worst = _worst([alert for _, alert in members])
        notes = sorted({alert.note for _, alert in members if alert.note})
        if len(members) > 1:
            notes.insert(0, f"{len(members)} alerts.")
        ruled = worst.verdict
        # Whom a test pages, it pages by itself, unless it is the policy that is tried.
        is_shown_only = worst.is_test and not worst.runs_policy
        return Opening(
            team=ruled.team or self.source.team,
            title=worst.title,
            detail=worst.detail,
            severity=worst.severity,
            urgency=Incident.Urgency.NONE if is_shown_only else urgency_of(worst.severity),
            source_label=self.source.name,
            labels=worst.labels,
            links=worst.links,
            policy=ruled.policy or (None if ruled.team else self.policy),
            is_test=worst.is_test,
            note=" ".join(notes),
        )

    def _collect(self, members: Members, incident: Incident) -> OpenGroup:
        """Put the alerts into their new incident; returns the group that collects what follows."""
        self.opened.append(incident.pk)
        for row, _ in members:
            row.incident = incident
        alert = members[0][1]
        if incident.is_test and (person := alert.verdict.test_person):
            trials.page(incident, person, now=self.now)
        return OpenGroup(
            digest=alert.group_digest, source=self.source, group=alert.group, incident=incident
        )

    def _new_row(self, alert: CleanAlert) -> Alert:
        row = Alert(
            source=self.source,
            key=alert.key,
            live_key=alert.live_key,
            group_digest=alert.group_digest,
            sender_group=alert.sender_group,
            title=alert.title,
            severity=alert.severity,
            labels=alert.labels,
            started_at=alert.started_at,
            first_at=self.now,
            last_at=self.now,
            occurred_at=alert.occurred_at,
            resolve_after=alert.resolve_after,
            is_test=alert.is_test,
        )
        row.look_at = look_at(row, alert, None)
        return row


def admit_new(requests: Sequence[tuple[Admission, list[CleanAlert]]], *, now: datetime) -> None:
    """Admit requests of which `unmet` said that they meet nothing, a statement a table for all.

    Should a row have come in between, its unique digest makes this an IntegrityError.
    """
    for admission, alerts in requests:
        admission.fire_new(alerts)
    _write_new([admission for admission, _ in requests], now=now)


def admit_repeats(
    requests: Sequence[tuple[Admission, list[CleanAlert]]], met: dict[str, set[int]]
) -> list[bool]:
    """Count the alerts of those requests that only repeat what is known; says which these are.

    All rows that any of them meets are locked at once, in the order that holds everywhere.
    """
    plain = [meeting.is_plain(alerts) for _, alerts in requests]
    asked = [request for request, is_plain in zip(requests, plain, strict=True) if is_plain]
    if not asked:
        return plain
    first, _ = asked[0]
    first.lock_repeats([alert for _, alerts in asked for alert in alerts], met)
    for admission, _ in asked:
        admission.live, admission.incidents = first.live, first.incidents
    answers = [
        is_plain and admission.only_repeats(alerts)
        for (admission, alerts), is_plain in zip(requests, plain, strict=True)
    ]
    for (admission, alerts), is_repeat in zip(requests, answers, strict=True):
        if is_repeat:
            admission._fire(alerts)
    return answers


def _write_new(admissions: Sequence[Admission], *, now: datetime) -> None:
    """Open the incidents and insert the new rows of them all, in one order everywhere."""
    opening = [(one, members) for one in admissions for members in one._to_open]
    incidents = lifecycle.open_incidents(
        [one._opening(members) for one, members in opening], now=now
    )
    groups = [
        one._collect(members, incident)
        for (one, members), incident in zip(opening, incidents, strict=True)
    ]
    insert(*sorted(groups, key=lambda group: group.digest))
    placed = [row for one in admissions for row in [*one._placed, *one._held]]
    for row in placed:
        if row.pk:  # it was kept without an incident, and may still be
            row.save(update_fields=["incident", *HELD_FIELDS])
    new = [row for row in placed if not row.pk]
    insert(*sorted(new, key=lambda row: row.live_key or ""))
    silences.settle([row for row in placed if row.muted_by_id], now=now)


def _worst(alerts: list[CleanAlert]) -> CleanAlert:
    return min(alerts, key=lambda alert: SEVERITY_RANK[alert.severity])


def _numbers(pks: list[int]) -> str:
    shown = ", ".join(f"#{pk}" for pk in pks[:3])
    return f"{shown} and {len(pks) - 3} more" if len(pks) > 3 else shown
