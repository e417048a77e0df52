"""Which alert joins which incident, and what ends it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DataError, IntegrityError
from django.db.models import QuerySet

from alertsources.admission import Admission
from alertsources.intake import Delivery, Taken, take
from alertsources.models import Alert, AlertSource, OpenGroup, ReceivedPayload
from alertsources.reading import MOST_ALERTS, read
from alertsources.tests import bodies
from incidents import lifecycle
from incidents.lifecycle import Actor, Refused
from incidents.models import Incident, TimelineEntry
from notifications.models import Notification
from pagerpal.testing import NOON, make_source, make_team, make_user, minutes
from schedules.inserts import insert

pytestmark = pytest.mark.django_db

State = Incident.State


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), name="prod")


def send(source: AlertSource, body: Any, *, now: datetime = NOON, kind: str = "generic") -> Taken:
    """What the view does once it knows the source."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    reading = read(raw, source, kind=kind, now=now)
    return take(Delivery(source, raw, reading.alerts, troubles=reading.troubles), now=now)


def send_case(source: AlertSource, case: str, *, now: datetime = NOON) -> Taken:
    return send(source, bodies.alertmanager(case), now=now, kind="alertmanager")


def fire(title: str, **fields: Any) -> dict[str, Any]:
    return {"title": title, "severity": "critical", **fields}


def started(at: str, key: str = "a") -> dict[str, Any]:
    """One alert of an Alertmanager, firing since then."""
    alert = {"fingerprint": key, "startsAt": at, "labels": {"alertname": key}}
    return {"groupKey": "g", "alerts": [alert | {"status": "firing"}]}


def human() -> Actor:
    return Actor.person(make_user("alice", ntfy=False), "page")


def states() -> list[str]:
    return list(Incident.objects.order_by("pk").values_list("state", flat=True))


def test_a_story_from_alertmanager_opens_ends_and_opens_anew(source: AlertSource) -> None:
    first = send_case(source, "firing_three").incidents
    assert (states(), Alert.objects.firing().count()) == (["triggered"], 3)

    assert send_case(source, "mixed_two_firing_one_resolved").incidents == first
    assert (states(), Alert.objects.firing().count()) == (["triggered"], 2)

    assert send_case(source, "resolved_remaining_two").note.startswith("Resolved #")
    assert (states(), OpenGroup.objects.count()) == (["resolved"], 0)

    send_case(source, "refire_after_resolve_same_groupkey")
    assert states() == ["resolved", "triggered"]


def test_the_worst_alert_of_a_new_group_gives_the_words(source: AlertSource) -> None:
    send_case(source, "firing_three")

    incident = Incident.objects.get()
    assert (incident.title, incident.severity) == ("CPU above 90% on node2", "critical")
    assert incident.timeline.get().text == "Opened by prod. 3 alerts."


def test_an_alert_that_repeats_only_counts(source: AlertSource) -> None:
    send(source, fire("x"))
    taken = send(source, fire("x"), now=NOON + minutes(1))

    alert = Alert.objects.get()
    assert (alert.count, alert.first_at, alert.last_at) == (2, NOON, NOON + minutes(1))
    assert taken.note == "1 known already: counted."
    assert Incident.objects.get().timeline.count() == 1


def test_the_same_alert_twice_in_one_message_is_one(source: AlertSource) -> None:
    send_case(source, "constructed_duplicate_alert_in_group")

    assert Alert.objects.get().count == 1


def test_a_new_alert_joins_the_open_incident_of_its_group(source: AlertSource) -> None:
    send(source, started("2026-11-23T10:00:00Z", "a"), kind="alertmanager")
    taken = send(source, started("2026-11-23T10:00:00Z", "b"), kind="alertmanager")

    incident = Incident.objects.get()
    assert taken.note == f"Joined #{incident.pk}."
    assert incident.alerts.count() == 2
    assert incident.timeline.filter(text="New alert: b (high).").exists()


def test_many_that_join_at_once_are_told_once(source: AlertSource) -> None:
    send_case(source, "refire_after_resolve_same_groupkey")
    send_case(source, "firing_three")

    texts = [entry.text for entry in Incident.objects.get().timeline.order_by("pk")]
    assert "New alert: CPU above 90% on node2 and 1 more (critical)." in texts
    assert sum(text.startswith("New alert") for text in texts) == 1
    assert Incident.objects.get().severity == "critical"


def test_each_alert_by_itself_makes_an_incident_each(source: AlertSource) -> None:
    source.group_by = "alert"

    assert len(send_case(source, "firing_three").incidents) == 3


def test_alerts_with_the_same_named_labels_make_one_incident(source: AlertSource) -> None:
    source.group_by, source.group_labels = "labels", ["host"]

    taken = send(
        source, [fire(f"{host}{n}", labels={"host": host}) for host in "ab" for n in range(2)]
    )

    assert len(taken.incidents) == 2


def test_a_repeat_stays_with_its_incident_whatever_its_group_says_now(source: AlertSource) -> None:
    first = send_case(source, "firing_three").incidents
    source.group_by = "alert"

    assert send_case(source, "firing_three").incidents == first
    assert Incident.objects.count() == 1


def test_a_severity_that_rises_raises_the_incidents(source: AlertSource) -> None:
    send(source, fire("x", severity="warning"))
    assert Incident.objects.get().urgency == "low"

    send(source, fire("x", severity="critical"))

    incident = Incident.objects.get()
    assert (incident.severity, incident.urgency, incident.episode) == ("critical", "high", 2)


def test_a_severity_lowered_by_hand_is_not_raised_by_repeats(source: AlertSource) -> None:
    send(source, fire("x"))
    Incident.objects.update(severity="warning")

    send(source, fire("x"))

    assert Incident.objects.get().severity == "warning"


def test_info_is_kept_without_an_incident_and_judged_anew_at_each_post(source: AlertSource) -> None:
    assert send(source, fire("x", severity="info")).incidents == []
    assert send(source, fire("x", severity="info")).incidents == []

    send(source, fire("x", severity="critical"))

    alert = Alert.objects.get()
    assert (alert.count, alert.incident) == (3, Incident.objects.get())


def test_a_resolve_of_nothing_opens_nothing(source: AlertSource) -> None:
    taken = send_case(source, "constructed_resolve_before_trigger")

    assert (taken.result, taken.incidents) == ("nothing", [])
    assert not Alert.objects.exists()
    assert ReceivedPayload.objects.get().result == "nothing"


def test_an_empty_message_ends_nothing(source: AlertSource) -> None:
    send_case(source, "firing_three")

    send_case(source, "constructed_empty_alerts")

    assert states() == ["triggered"]


def test_the_last_alert_to_end_resolves_the_incident_and_its_pages(source: AlertSource) -> None:
    send(source, [fire("x", labels={"h": "1"}), fire("y", severity="info")])

    send(source, fire("x", status="resolved"), now=NOON + minutes(1))

    incident = Incident.objects.get()
    assert (incident.state, incident.resolved_at) == (State.RESOLVED, NOON + minutes(1))
    assert incident.timeline.filter(text="Resolved by prod.", via="monitor").exists()
    assert not Notification.objects.unfinished().exists()


def test_the_end_of_a_cut_group_ends_every_alert_of_it(source: AlertSource) -> None:
    source.group_by = "alert"
    send_case(source, "firing_three")
    payload = json.loads(bodies.alertmanager("resolved_remaining_two"))

    send(source, payload | {"truncatedAlerts": 1}, kind="alertmanager")

    assert states() == ["resolved"] * 3


def test_an_end_and_a_start_in_one_message_keep_the_incident_open(source: AlertSource) -> None:
    source.group_by, source.group_labels = "labels", ["host"]
    send(source, fire("x", labels={"host": "a"}))

    send(
        source,
        [
            fire("x", labels={"host": "a"}, status="resolved"),
            fire("y", labels={"host": "a"}),
        ],
    )

    assert states() == ["triggered"]


def answered(source: AlertSource, body: Any, kind: str = "generic") -> Incident:
    [pk] = send(source, body, kind=kind).incidents
    return lifecycle.resolve(pk, human(), now=NOON + minutes(1)).incident


def test_what_a_human_resolved_is_answered_and_its_group_is_free(source: AlertSource) -> None:
    answered(source, fire("x"))

    assert Alert.objects.get().answered_at == NOON + minutes(1)
    assert not OpenGroup.objects.exists()


def test_an_answered_alert_with_the_same_start_only_counts(source: AlertSource) -> None:
    same = started("2026-11-23T10:00:00Z")
    answered(source, same, "alertmanager")

    send(source, same, now=NOON + timedelta(days=2), kind="alertmanager")

    assert (states(), Alert.objects.get().count) == (["resolved"], 2)


def test_an_answered_alert_with_a_new_start_opens_a_new_incident(source: AlertSource) -> None:
    answered(source, started("2026-11-23T10:00:00Z"), "alertmanager")

    send(source, started("2026-11-23T12:00:30Z"), now=NOON + minutes(2), kind="alertmanager")

    assert states() == ["resolved", "triggered"]
    assert [alert.status for alert in Alert.objects.order_by("pk")] == ["resolved", "firing"]


@pytest.mark.parametrize(("hours", "incidents"), [(3.9, 1), (4.1, 2)])
def test_without_a_start_time_an_answer_holds_for_four_hours(
    source: AlertSource, hours: float, incidents: int
) -> None:
    answered(source, fire("x"))

    send(source, fire("x"), now=NOON + timedelta(hours=hours))

    assert Incident.objects.count() == incidents


def test_an_answered_alert_that_gets_worse_opens_a_new_incident(source: AlertSource) -> None:
    answered(source, fire("x", severity="warning"))
    send(source, fire("x", severity="warning"), now=NOON + minutes(2))

    send(source, fire("x", severity="critical"), now=NOON + minutes(10))

    assert states() == ["resolved", "triggered"]
    assert Incident.objects.open().get().severity == "critical"


def test_an_answered_alert_that_flaps_below_what_was_answered_only_counts(
    source: AlertSource,
) -> None:
    answered(source, fire("x", severity="critical"))

    for number, severity in enumerate(["warning", "critical", "info", "high"], start=2):
        send(source, fire("x", severity=severity), now=NOON + minutes(number))

    assert (states(), Alert.objects.get().count) == (["resolved"], 5)


def test_the_sender_of_an_answered_repeat_is_told_how_long_it_pages_nobody(
    source: AlertSource,
) -> None:
    answered(source, fire("x"))

    taken = send(source, fire("x"), now=NOON + minutes(2))

    assert taken.note == (
        "1 known already: counted. 1 answered by a human: "
        "pages nobody until 2026-11-23 16:01 UTC unless it gets worse."
    )


def test_the_sender_of_an_answered_repeat_with_a_start_is_told_what_it_waits_for(
    source: AlertSource,
) -> None:
    same = started("2026-11-23T10:00:00Z")
    answered(source, same, "alertmanager")

    taken = send(source, same, now=NOON + minutes(2), kind="alertmanager")

    assert taken.note.endswith("1 answered by a human: pages nobody until it starts anew.")


def test_an_answered_alert_that_ends_changes_nothing_more(source: AlertSource) -> None:
    incident = answered(source, fire("x"))
    told = incident.timeline.count()

    send(source, fire("x", status="ok"))

    assert (states(), incident.timeline.count()) == (["resolved"], told)
    assert not Alert.objects.firing().exists()


def test_another_alert_of_an_answered_group_opens_a_new_incident(source: AlertSource) -> None:
    answered(source, started("2026-11-23T10:00:00Z", "a"), "alertmanager")

    send(source, started("2026-11-23T10:00:00Z", "b"), kind="alertmanager")

    assert states() == ["resolved", "triggered"]


def test_unreadable_bodies_page_again_after_a_human_resolved(source: AlertSource) -> None:
    answered(source, b"hello")

    send(source, b"hello", now=NOON + minutes(2))

    assert states() == ["resolved", "triggered"]


def test_unreadable_bodies_are_news_to_whoever_acknowledged_one(source: AlertSource) -> None:
    [pk] = send(source, b"hello").incidents
    owner = make_user()
    lifecycle.acknowledge(pk, Actor.person(owner, "page"), now=NOON)

    for minute in (1, 2, 12):
        taken = send(source, b"db on fire", now=NOON + minutes(minute))

    told = Notification.objects.filter(purpose="growth", user=owner, key__endswith="repeat:0")
    assert [row.created_at for row in told] == [NOON + minutes(1), NOON + minutes(12)]
    assert taken.note.endswith(f"Joined #{pk}. 1 known already: counted.")
    assert TimelineEntry.objects.filter(text__startswith="New alert: Unreadable").count() == 2


def test_unreadable_bodies_only_count_while_nobody_has_answered(source: AlertSource) -> None:
    send(source, b"hello")

    send(source, b"db on fire", now=NOON + minutes(1))

    assert Incident.objects.get().timeline.count() == 1


def test_unreadable_bodies_page_where_the_default_is_info(source: AlertSource) -> None:
    source.default_severity = "info"

    send(source, b"hello")

    assert Incident.objects.get().urgency == "high"


def test_a_reopened_incident_collects_its_group_again(source: AlertSource) -> None:
    incident = answered(source, started("2026-11-23T10:00:00Z", "a"), "alertmanager")

    lifecycle.reopen(incident.pk, human_again(), now=NOON + minutes(2))
    send(source, started("2026-11-23T10:00:00Z", "b"), kind="alertmanager")

    assert (states(), incident.alerts.count()) == (["triggered"], 2)
    assert not Alert.objects.filter(answered_at__isnull=False).exists()


def human_again() -> Actor:
    return Actor(None, "bob", "page")


@pytest.mark.parametrize("key", ["a", "b"])
def test_reopening_is_refused_while_a_newer_incident_collects(
    source: AlertSource, key: str
) -> None:
    incident = answered(source, started("2026-11-23T10:00:00Z", "a"), "alertmanager")
    [newer] = send(source, started("2026-11-23T12:00:30Z", key), kind="alertmanager").incidents

    with pytest.raises(Refused, match=f"#{newer}") as refused:
        lifecycle.reopen(incident.pk, human_again(), now=NOON + minutes(2))

    assert refused.value.other_incident == Incident.objects.get(pk=newer)
    assert Incident.objects.get(pk=incident.pk).state == State.RESOLVED


def collide(monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
    """The group of another incident is there when it is inserted, and gone a moment later."""
    insert, failures = QuerySet.bulk_create, [IntegrityError("duplicate digest")] * times

    def bulk_create(self: QuerySet[Any], *arguments: Any, **named: Any) -> list[Any]:
        if self.model is OpenGroup and failures:
            raise failures.pop()
        return insert(self, *arguments, **named)

    monkeypatch.setattr(QuerySet, "bulk_create", bulk_create)


def test_reopening_goes_through_when_a_group_was_open_for_an_instant(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident = answered(source, fire("x"))
    collide(monkeypatch, times=1)

    lifecycle.reopen(incident.pk, human_again(), now=NOON + minutes(2))

    assert (states(), OpenGroup.objects.get().incident) == (["triggered"], incident)


def test_reopening_that_collides_each_time_is_refused_with_a_sentence(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident = answered(source, fire("x"))
    collide(monkeypatch, times=20)

    with pytest.raises(Refused, match="try again"):
        lifecycle.reopen(incident.pk, human_again(), now=NOON + minutes(2))

    assert states() == ["resolved"]


def test_reopening_is_refused_while_its_alert_fires_in_another_group(source: AlertSource) -> None:
    incident = answered(source, started("2026-11-23T10:00:00Z"), "alertmanager")
    moved = started("2026-11-23T12:00:30Z") | {"groupKey": "another"}
    send(source, moved, kind="alertmanager")

    with pytest.raises(Refused):
        lifecycle.reopen(incident.pk, human_again(), now=NOON + minutes(2))


def test_one_unreadable_alert_of_many_costs_only_itself(source: AlertSource) -> None:
    alerts: list[Any] = [fire(f"alert {n}", severity="info") for n in range(500)]
    alerts[250] = "?"

    taken = send(source, alerts)

    assert taken.result == "unreadable"
    assert Alert.objects.filter(incident=None).count() == 499
    assert "alert 251: expected an object" in Incident.objects.get().detail


def test_one_alert_that_cannot_be_stored_costs_only_itself(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_one(*rows: Any) -> None:
        if any(isinstance(row, Alert) and row.title == "bad" for row in rows):
            raise DataError("unsupported")
        insert(*rows)

    monkeypatch.setattr("alertsources.admission.insert", refuse_one)

    taken = send(source, [fire("one"), fire("bad"), fire("two")])

    titles = set(Incident.objects.values_list("title", flat=True))
    assert titles == {"one", "two", "Unreadable alert from prod"}
    assert (taken.result, len(taken.incidents)) == ("unreadable", 3)
    assert ReceivedPayload.objects.count() == 1


def test_a_bug_in_admission_pages_all_the_same(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    fire_alerts = Admission._fire

    def break_down(self: Admission, alerts: list[Any]) -> None:
        if any(alert.title == "x" for alert in alerts):
            raise ZeroDivisionError
        fire_alerts(self, alerts)

    monkeypatch.setattr(Admission, "_fire", break_down)

    taken = send(source, fire("x"))

    assert taken.incidents == [Incident.objects.get().pk]
    assert "ZeroDivisionError" in Incident.objects.get().detail


def test_more_alerts_than_one_message_may_name_are_said_to_be_missing(source: AlertSource) -> None:
    body = [fire(f"alert {n}", severity="info") for n in range(MOST_ALERTS + 5)]

    send(source, body)

    assert Alert.objects.filter(incident=None).count() == MOST_ALERTS
    assert "more than 1000 alerts" in Incident.objects.get().detail


def test_a_foreign_team_is_noted_when_its_alert_joins(source: AlertSource) -> None:
    source.group_by, source.group_labels = "labels", ["host"]
    send(source, fire("x", labels={"host": "a"}))

    send(source, fire("y", labels={"host": "a"}, team_id=999))

    assert TimelineEntry.objects.filter(text__contains="Platform is paged", kind="note").exists()


def test_a_group_left_behind_by_a_resolved_incident_is_not_joined(source: AlertSource) -> None:
    send(source, fire("x"))
    group = OpenGroup.objects.get()
    incident = answered(source, fire("x"))
    Alert.objects.update(status="resolved", live_key=None, resolved_at=NOON)
    OpenGroup.objects.create(digest=group.digest, source=source, incident=incident)

    send(source, fire("x"))

    assert states() == ["resolved", "triggered"]


def test_keys_are_bounded_and_never_cut(source: AlertSource) -> None:
    long = "k" * 300

    send(source, [fire("x", external_id=f"{long}1"), fire("y", external_id=f"{long}2")])

    assert {len(alert.key) for alert in Alert.objects.all()} == {64}
