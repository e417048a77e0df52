"""What a silence mutes, and what becomes of it when the silence ends."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from alertsources import looking, silences
from alertsources.intake import Delivery, Taken, take
from alertsources.models import Alert, AlertSource, Silence
from alertsources.reading import read
from alertsources.silences import Refused, Weekly
from incidents.models import EscalationPolicy, Incident
from pagerpal.testing import NOON, at, make_policy, make_source, make_team, make_user, minutes

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), name="prod")


def send(
    source: AlertSource,
    body: Any,
    *,
    now: datetime = NOON,
    kind: str = "generic",
    policy: EscalationPolicy | None = None,
) -> Taken:
    raw = json.dumps(body).encode()
    reading = read(raw, source, kind=kind, now=now)
    delivery = Delivery(source, raw, reading.alerts, policy, troubles=reading.troubles)
    return take(delivery, now=now)


def fire(title: str, **fields: Any) -> dict[str, Any]:
    return {"title": title, "severity": "critical", **fields}


def silence(**fields: Any) -> Silence:
    values: dict[str, Any] = {
        "reason": "deploying",
        "starts_at": NOON,
        "ends_at": NOON + HOUR,
        "now": NOON,
    }
    return silences.create(**(values | fields))


def look(now: datetime) -> None:
    """What the worker does until nothing is due."""
    for _ in range(50):
        if not looking.look_again(now):
            return
    raise AssertionError("work that never ends")


def open_titles() -> list[str]:
    return list(Incident.objects.open().order_by("pk").values_list("title", flat=True))


def test_a_new_alert_that_matches_is_recorded_with_the_reason(source: AlertSource) -> None:
    silence(team=source.team, label="alice")

    taken = send(source, fire("x"))

    alert = Alert.objects.get()
    assert (taken.result, taken.note) == ("taken", "1 muted by a silence.")
    assert (alert.incident, alert.muted_reason) == (None, "Muted: deploying (alice)")
    assert alert.look_at == NOON + HOUR


def test_what_still_fires_at_the_end_of_the_silence_pages(source: AlertSource) -> None:
    policy = make_policy(source.team)
    silence()
    send(source, fire("x", description="the disk", links=[{"url": "https://a.b/c"}]))

    look(NOON + HOUR - minutes(1))
    assert open_titles() == []
    look(NOON + HOUR)

    incident = Incident.objects.get()
    assert (incident.title, incident.detail, incident.policy) == ("x", "the disk", policy)
    assert incident.links[0]["url"] == "https://a.b/c"
    assert incident.timeline.get().text == "Opened by prod. Until now: Muted: deploying."
    assert incident.escalate_at == NOON + HOUR
    alert = Alert.objects.get()
    assert (alert.incident, alert.look_at, alert.muted_by) == (incident, None, None)


def test_what_ended_during_the_silence_pages_nobody(source: AlertSource) -> None:
    silence()
    send(source, fire("x"))
    send(source, fire("x", status="resolved"), now=NOON + minutes(1))

    look(NOON + HOUR)

    assert not Incident.objects.exists()
    assert Alert.objects.get().look_at is None


def test_a_repeat_after_the_end_pages_before_anybody_looks(source: AlertSource) -> None:
    silence()
    send(source, fire("x"))

    send(source, fire("x"), now=NOON + HOUR)

    assert open_titles() == ["x"]
    look(NOON + HOUR)
    assert Incident.objects.count() == 1


def test_a_silence_never_stops_an_open_incident(source: AlertSource) -> None:
    send(source, fire("x", severity="warning"))
    silence()

    taken = send(source, fire("x"), now=NOON + minutes(1))

    assert taken.note == "1 known already: counted."
    incident = Incident.objects.get()
    assert (incident.state, incident.severity, incident.timeline.count()) == (
        *("triggered", "warning"),
        1,
    )


def test_a_new_alert_of_an_open_incidents_group_is_muted(source: AlertSource) -> None:
    alert = {"status": "firing", "labels": {"alertname": "a"}}
    send(
        source,
        {"groupKey": "g", "alerts": [alert | {"fingerprint": "a"}]},
        kind="alertmanager",
    )
    silence()
    send(
        source,
        {"groupKey": "g", "alerts": [alert | {"fingerprint": "b"}]},
        kind="alertmanager",
    )
    assert Alert.objects.filter(incident=None).count() == 1

    look(NOON + HOUR)

    assert Incident.objects.get().alerts.count() == 2


@pytest.mark.parametrize(
    ("fields", "mutes"),
    [
        ({"severities": ["critical"]}, True),
        ({"severities": ["warning"]}, False),
        ({"title": "DISK"}, True),
        ({"title": "network"}, False),
        ({"labels": [{"label": "job", "is": "=", "value": "backup"}]}, True),
        ({"labels": [{"label": "job", "is": "=~", "value": "back.*"}]}, True),
        ({"labels": [{"label": "job", "is": "=~", "value": "back"}]}, False),
        ({"labels": [{"label": "job", "is": "!=", "value": "backup"}]}, False),
        ({"labels": [{"label": "env", "is": "!~", "value": "prod"}]}, True),
        ({"starts_at": NOON + minutes(1)}, False),
        ({"title": "disk", "severities": ["warning"]}, False),
    ],
)
def test_a_silence_mutes_what_matches_all_of_it(
    source: AlertSource, fields: dict[str, Any], mutes: bool
) -> None:
    silence(**fields)

    send(source, fire("Disk full", labels={"job": "backup"}))

    assert Incident.objects.exists() is not mutes


def test_other_teams_and_other_sources_still_page(source: AlertSource) -> None:
    other = make_source(make_team("Other"), key="o" * 32)
    silence(team=other.team)
    silence(source=other)

    send(source, fire("x"))
    send(other, fire("y"))

    assert open_titles() == ["x"]


def test_ending_a_silence_by_hand_judges_what_it_mutes_at_once(source: AlertSource) -> None:
    one = silence()
    send(source, fire("x"))

    assert silences.end(one.pk, "alice", now=NOON + minutes(5))
    assert not silences.end(one.pk, "bob", now=NOON + minutes(6))
    look(NOON + minutes(6))

    assert open_titles() == ["x"]
    one.refresh_from_db()
    assert (one.ended_label, one.ended_at) == ("alice", NOON + minutes(5))


def test_another_silence_that_matches_goes_on_muting(source: AlertSource) -> None:
    one = silence()
    send(source, fire("x"))
    silence(ends_at=NOON + 2 * HOUR, reason="still deploying")

    silences.end(one.pk, "alice", now=NOON + minutes(5))
    look(NOON + minutes(5))

    assert open_titles() == []
    alert = Alert.objects.get()
    assert (alert.muted_reason, alert.look_at) == ("Muted: still deploying", NOON + 2 * HOUR)


def test_a_silence_that_ended_while_the_alert_was_judged_mutes_nothing_for_long(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = silence()
    settle = silences.settle

    def end_first(*args: Any, **options: Any) -> None:
        silences.end(one.pk, "alice", now=NOON)
        settle(*args, **options)

    monkeypatch.setattr(silences, "settle", end_first)
    send(source, fire("x"))
    look(NOON)

    assert open_titles() == ["x"]


@pytest.mark.parametrize(
    ("now", "mutes", "until"),
    [
        ("2026-11-28 23:30", True, "2026-11-29 06:00"),
        ("2026-11-28 21:59", False, ""),
        ("2026-11-29 05:59", True, "2026-11-29 06:00"),
        ("2026-11-29 06:00", False, ""),
        ("2026-03-28 23:00", True, "2026-03-29 06:00"),  # the night that is an hour shorter
        ("2026-10-25 02:30*", True, "2026-10-25 06:00"),  # the hour that comes twice
    ],
)
def test_a_weekly_window_keeps_the_local_time(
    source: AlertSource, now: str, mutes: bool, until: str
) -> None:
    zone = "Europe/Berlin"
    silence(
        starts_at=datetime(2026, 1, 1, tzinfo=UTC),
        ends_at=None,
        weekly=Weekly("5", time(22), time(6), zone),
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )

    send(source, fire("x"), now=at(now, zone))

    assert Incident.objects.exists() is not mutes
    if mutes:
        assert Alert.objects.get().look_at == at(until, zone)


def test_a_silence_that_cannot_be_read_mutes_nothing(source: AlertSource) -> None:
    one = silence()
    Silence.objects.filter(pk=one.pk).update(labels="nonsense")

    send(source, fire("x"))

    assert open_titles() == ["x"]


def test_info_under_a_silence_stays_info(source: AlertSource) -> None:
    silence()

    send(source, fire("x", severity="info"))

    assert Alert.objects.get().muted_reason == "Severity info."


def test_what_a_silence_mutes_and_what_cannot_be_read_pages_when_it_ends(
    source: AlertSource,
) -> None:
    silence()
    send(source, 17)
    assert open_titles() == []

    look(NOON + HOUR)

    assert open_titles() == ["Unreadable alert from prod"]


@pytest.mark.parametrize(
    "fields",
    [
        {"reason": "  "},
        {"ends_at": NOON},
        {"ends_at": None},
        {"severities": ["awful"]},
        {"labels": [{"label": "a", "is": "=~", "value": "("}]},
        {"labels": "x"},
        {"starts_at": NOON - 2 * HOUR, "ends_at": NOON - HOUR},
        {"weekly": Weekly("", time(1), time(2), "UTC")},
    ],
)
def test_a_silence_that_cannot_be_is_refused(source: AlertSource, fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        silence(**fields)


def test_a_source_of_another_team_is_refused(source: AlertSource) -> None:
    with pytest.raises(Refused, match="belongs to"):
        silence(team=make_team("Other"), source=source)


def test_the_person_who_created_it_is_named(source: AlertSource) -> None:
    assert silence(by=make_user("bob")).created_label == "bob"


def test_silences_are_told_apart_by_when_they_hold(source: AlertSource) -> None:
    now = silence()
    later = silence(starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR)

    assert list(silences.standing(NOON)) == [now]
    assert list(silences.planned(NOON)) == [later]
    assert list(silences.over(NOON + 2 * HOUR)) == [later, now]
    assert silences.state_of(later, NOON) == "planned"
