"""Which rule of a source decides about an alert, and what it makes of it."""

from __future__ import annotations

import json
from datetime import time
from typing import Any

import pytest

from alertsources import judging, routing
from alertsources.models import Alert, AlertSource, ReceivedPayload, RoutingRule
from alertsources.tests.test_silences import fire, look, open_titles, send, silence
from incidents.models import Incident
from pagerpal.testing import NOON, at, make_policy, make_source, make_team, minutes

pytestmark = pytest.mark.django_db

NIGHTMARE = "(a+)+$"


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), name="prod")


def rule(source: AlertSource, **fields: Any) -> RoutingRule:
    position = RoutingRule.objects.count()
    return RoutingRule.objects.create(source=source, **({"position": position} | fields))


def is_label(name: str, how: str, value: str) -> dict[str, Any]:
    return {"labels": [{"label": name, "is": how, "value": value}]}


def test_the_first_rule_that_matches_decides(source: AlertSource) -> None:
    rule(source, title="network", severity="info")
    rule(source, title="disk", severity="warning")
    rule(source, severity="info")

    send(source, fire("Disk full"))

    incident = Incident.objects.get()
    assert (incident.severity, incident.urgency) == ("warning", "low")


def test_order_is_by_position(source: AlertSource) -> None:
    rule(source, position=5, then="drop")
    rule(source, position=1, severity="warning")

    send(source, fire("x"))

    assert Incident.objects.get().severity == "warning"


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        (is_label("host", "=~", "web-.*"), True),
        (is_label("host", "=", "web"), False),
        (is_label("none", "=", ""), True),
        ({"title": "^disk.*full$"}, True),
        ({"title": "^full"}, False),
        ({"severities": ["critical", "high"]}, True),
        ({"severities": ["warning"]}, False),
        ({"days": "0"}, True),
        ({"days": "12345"}, False),
        ({"opens": time(13), "closes": time(14)}, True),  # 13:00 in Berlin
        ({"opens": time(14), "closes": time(13)}, False),
        ({"opens": time(22), "closes": time(6), "days": "0"}, False),
        ({"is_active": False}, False),
    ],
)
def test_all_conditions_of_a_rule_have_to_hold(condition: dict[str, Any], matches: bool) -> None:
    source = make_source(make_team(time_zone="Europe/Berlin"))
    rule(source, then="record", **condition)

    send(source, fire("Disk is full", labels={"host": "web-1"}))

    assert Incident.objects.exists() is not matches
    assert Alert.objects.count() == 1


def test_a_rule_by_hours_follows_the_clocks(source: AlertSource) -> None:
    source.team.time_zone = "Europe/Berlin"
    source.team.save()
    rule(source, opens=time(22), closes=time(6), severity="warning")

    for day in ("2026-03-28", "2026-10-24"):
        before, inside = at(f"{day} 21:59", "Europe/Berlin"), at(f"{day} 22:00", "Europe/Berlin")
        send(source, fire(f"{day} before"), now=before)
        send(source, fire(f"{day} inside"), now=inside)

    found = dict(Incident.objects.values_list("title", "severity"))
    assert [found[f"{day} before"] for day in ("2026-03-28", "2026-10-24")] == ["critical"] * 2
    assert [found[f"{day} inside"] for day in ("2026-03-28", "2026-10-24")] == ["warning"] * 2


def test_a_rule_sends_to_another_team_and_its_default_policy(source: AlertSource) -> None:
    make_policy(source.team)
    other = make_team("Network")
    policy = make_policy(other)
    rule(source, title="switch", team=other)

    send(source, [fire("switch 7"), fire("disk")])

    found = {one.title: (one.team, one.policy_id) for one in Incident.objects.all()}
    assert found["switch 7"] == (other, policy.pk)
    assert found["disk"][0] == source.team


def test_one_group_may_have_an_incident_in_each_team(source: AlertSource) -> None:
    other = make_team("Network")
    rule(source, **is_label("alertname", "=", "b"), team=other)
    alerts = [
        {"status": "firing", "fingerprint": name, "labels": {"alertname": name}} for name in "ab"
    ]
    send(source, {"groupKey": "g", "alerts": alerts}, kind="alertmanager")

    assert {one.team for one in Incident.objects.all()} == {source.team, other}
    send(source, {"groupKey": "g", "alerts": alerts}, kind="alertmanager")
    assert Incident.objects.count() == 2


def test_a_rule_names_a_policy(source: AlertSource) -> None:
    make_policy(source.team)
    policy = make_policy(source.team, name="nights", is_default=False)
    rule(source, policy=policy)

    send(source, fire("x"))

    assert Incident.objects.get().policy == policy


def test_a_team_that_is_switched_off_loses_no_page(source: AlertSource) -> None:
    mine = make_policy(source.team)
    other = make_team("Network", is_active=False)
    rule(source, team=other)

    send(source, fire("x"), policy=mine)

    incident = Incident.objects.get()
    assert (incident.team, incident.policy) == (source.team, mine)
    assert "switched off: not used" in incident.timeline.get().text


def test_a_policy_of_another_team_is_not_used(source: AlertSource) -> None:
    mine = make_policy(source.team)
    rule(source, policy=make_policy(make_team("Network")))

    send(source, fire("x"), policy=mine)

    incident = Incident.objects.get()
    assert (incident.team, incident.policy) == (source.team, mine)


def test_what_is_recorded_only_opens_nothing(source: AlertSource) -> None:
    rule(source, then="record")

    taken = send(source, fire("x"))

    alert = Alert.objects.get()
    assert (taken.note, alert.muted_reason) == ("1 recorded only.", "Record only, by rule 1.")
    assert not Incident.objects.exists()


def test_what_is_dropped_leaves_only_the_message(source: AlertSource) -> None:
    rule(source, then="drop", title="noise")

    taken = send(source, [fire("noise"), fire("x")])

    assert "1 dropped by a rule." in taken.note
    assert [alert.title for alert in Alert.objects.all()] == ["x"]
    assert ReceivedPayload.objects.count() == 1


def test_a_rule_added_later_lets_open_incidents_be(source: AlertSource) -> None:
    send(source, fire("x"))
    rule(source, then="drop")

    assert send(source, fire("x")).note == "1 known already: counted."
    assert open_titles() == ["x"]
    send(source, fire("x", status="resolved"))
    assert open_titles() == []


def test_a_record_without_an_incident_is_judged_anew_at_every_post(source: AlertSource) -> None:
    one = rule(source, then="record")
    send(source, fire("x"))
    one.delete()

    send(source, fire("x"))

    assert open_titles() == ["x"]


def test_a_rule_waits(source: AlertSource) -> None:
    AlertSource.objects.update(wait_for=minutes(60))
    rule(source, title="x", wait_for=minutes(5))
    send(source, [fire("x"), fire("y")])

    look(NOON + minutes(5))

    assert open_titles() == ["x"]


def test_an_alert_judged_anew_meets_rules_by_what_its_sender_said(source: AlertSource) -> None:
    rule(source, severities=["warning"], severity="critical", team=make_team("Network"))
    silence()
    send(source, fire("x", severity="warning"))

    look(NOON + minutes(60))

    incident = Incident.objects.get()
    assert (incident.severity, incident.team.name) == ("critical", "Network")


def test_a_silence_of_a_team_mutes_what_a_rule_sends_there(source: AlertSource) -> None:
    other = make_team("Network")
    rule(source, title="switch", team=other)
    silence(team=other)

    send(source, [fire("switch"), fire("disk")])

    assert open_titles() == ["disk"]


@pytest.mark.parametrize(
    "broken", [{"title": "("}, {"labels": "x"}, {"labels": [7]}, {"days": "9"}, {"labels": [{}]}]
)
def test_a_rule_that_cannot_be_read_ends_in_a_page(
    source: AlertSource, broken: dict[str, Any]
) -> None:
    rule(source, then="drop", **broken)
    rule(source, then="drop")

    send(source, fire("x"))

    text = Incident.objects.get().timeline.get().text
    assert "Rule 1 failed, so this pages as if there were none" in text


def test_a_bug_in_judging_ends_in_a_page(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(source, then="drop")

    def fail(*args: Any, **options: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(judging, "_by_terms", fail)
    send(source, fire("x"))
    monkeypatch.setattr(judging, "terms_of", fail)
    send(source, fire("y"))

    assert open_titles() == ["x", "y"]


def test_no_expression_takes_long(source: AlertSource) -> None:
    rule(source, title=NIGHTMARE, then="drop")

    send(source, fire("a" * 190 + "b"))

    assert Incident.objects.count() == 1


def test_what_cannot_be_read_is_not_for_rules(source: AlertSource) -> None:
    rule(source, then="drop")

    send(source, 17)

    assert open_titles() == ["Unreadable alert from prod"]


def test_a_stored_message_tells_which_rule_it_would_hit(
    source: AlertSource, django_assert_max_num_queries: Any
) -> None:
    send(source, [fire("switch 7"), fire("disk"), fire("other")])
    payload = ReceivedPayload.objects.get()
    rule(source, title="switch", team=make_team("Network"), severity="high")
    broken = rule(source, title="disk(", then="drop")

    with django_assert_max_num_queries(3):
        explained = routing.explain(payload, now=NOON)

    assert (explained[0].title, explained[0].text) == (
        "switch 7",
        "Rule 1: page, team Network, severity high.",
    )
    assert "cannot be read" in explained[1].text
    broken.delete()
    assert routing.explain(payload, now=NOON)[1].text == "No rule: as the source says."


def test_explaining_junk_says_so(source: AlertSource) -> None:
    explained = routing.explain_body(json.dumps(17).encode(), source, now=NOON)

    assert [one.title for one in explained] == ["Unreadable alert from prod"]
