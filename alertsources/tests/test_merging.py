"""Merging incidents, and splitting them off again: where their alerts, groups and answers go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from alertsources.models import Alert, AlertSource, OpenGroup
from alertsources.tests.test_intake import fire, send
from incidents import lifecycle
from incidents.lifecycle import Actor, Moved, Refused
from incidents.models import EscalationPolicy, Incident
from pagerpal.testing import (
    NOON,
    Recorder,
    make_channel,
    make_incident,
    make_policy,
    make_source,
    make_team,
    make_user,
    minutes,
    run_worker,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def human() -> Actor:
    return Actor.person(make_user("alice"), "page")


@pytest.fixture
def source(human: Actor) -> AlertSource:
    """Of a team whose policy pages bob."""
    assert human.user is not None
    bob = make_user("bob")
    team = make_team("Platform", human.user, bob)
    make_policy(team, bob)
    return make_source(team, name="prod")


def opened(source: AlertSource, title: str, **fields: Any) -> int:
    return send(source, fire(title, **fields)).incidents[0]


def find(pk: int) -> Incident:
    return Incident.objects.get(pk=pk)


def titles(pk: int) -> list[str]:
    return sorted(Alert.objects.filter(incident=pk).values_list("title", flat=True))


def test_a_merge_moves_what_comes_and_resolves_what_is_merged(
    source: AlertSource, human: Actor
) -> None:
    disk, database = opened(source, "disk"), opened(source, "database")

    moved = lifecycle.merge(disk, database, human, now=NOON)
    send(source, fire("disk"), now=NOON + minutes(1))

    assert moved.text == f"#{disk} is part of #{database} now."
    assert (find(disk).state, find(disk).merged_into_id) == ("resolved", database)
    assert titles(database) == ["database", "disk"]
    assert set(OpenGroup.objects.values_list("incident", flat=True)) == {database}
    assert Incident.objects.count() == 2


def test_the_target_ends_with_the_last_of_all_its_alerts(source: AlertSource, human: Actor) -> None:
    disk, database = opened(source, "disk"), opened(source, "database")
    lifecycle.merge(disk, database, human, now=NOON)

    send(source, fire("database", status="resolved"), now=NOON + minutes(1))
    assert find(database).is_open
    send(source, fire("disk", status="resolved"), now=NOON + minutes(2))

    assert not find(database).is_open


def test_answers_to_a_merged_incident_act_on_the_target(source: AlertSource, human: Actor) -> None:
    first, second, last = (opened(source, title) for title in ("a", "b", "c"))
    lifecycle.merge(first, second, human, now=NOON)
    lifecycle.merge(second, last, human, now=NOON)

    moved = lifecycle.acknowledge(first, human, now=NOON)

    assert moved.text == f"#{last} is yours."
    assert (find(last).state, find(first).state) == ("acknowledged", "resolved")


def test_a_merged_incident_cannot_be_reopened(source: AlertSource, human: Actor) -> None:
    first, second = opened(source, "a"), opened(source, "b")
    lifecycle.merge(first, second, human, now=NOON)

    with pytest.raises(Refused, match=f"part of #{second}: look there"):
        lifecycle.reopen(first, human, now=NOON)


def test_a_split_gives_back_what_came_and_what_joined_since(
    source: AlertSource, human: Actor
) -> None:
    disk, database = opened(source, "disk"), opened(source, "database")
    lifecycle.merge(disk, database, human, now=NOON)
    send(source, fire("disk", status="resolved"), now=NOON + minutes(1))
    send(source, fire("disk"), now=NOON + minutes(2))

    moved = lifecycle.split(disk, human, now=NOON + minutes(3))

    assert moved.text == f"#{disk} is an incident of its own again."
    assert (titles(disk), titles(database)) == (["disk", "disk"], ["database"])
    assert send(source, fire("disk")).incidents == [disk]
    assert find(disk).state == "triggered"
    assert not Alert.objects.filter(merged_from__isnull=False).exists()


def test_what_was_merged_before_goes_along_and_can_be_split_off_later(
    source: AlertSource, human: Actor
) -> None:
    first, second, last = (opened(source, title) for title in ("a", "b", "c"))
    lifecycle.merge(first, second, human, now=NOON)
    lifecycle.merge(second, last, human, now=NOON)
    assert titles(last) == ["a", "b", "c"]

    lifecycle.split(second, human, now=NOON)
    assert (titles(second), titles(last)) == (["a", "b"], ["c"])
    lifecycle.split(first, human, now=NOON)

    assert [titles(pk) for pk in (first, second, last)] == [["a"], ["b"], ["c"]]
    groups = OpenGroup.objects.order_by("incident_id")
    assert [group.incident_id for group in groups] == [first, second, last]
    assert not groups.filter(merged_from__isnull=False).exists()


def test_whoever_has_the_other_has_what_is_split_off(source: AlertSource, human: Actor) -> None:
    first, second = opened(source, "a"), opened(source, "b")
    lifecycle.merge(first, second, human, now=NOON)
    lifecycle.acknowledge(second, human, now=NOON)

    lifecycle.split(first, human, now=NOON + minutes(1))

    assert (find(first).state, find(first).owner) == ("acknowledged", human.user)


def test_a_worse_incident_makes_the_target_worse_and_pages_for_it(
    recorder: Recorder, source: AlertSource, human: Actor
) -> None:
    mild, bad = opened(source, "mild", severity="warning"), opened(source, "bad")
    Incident.objects.update(policy=EscalationPolicy.objects.get())
    run_worker(NOON)
    recorder.take_all()

    lifecycle.merge(bad, mild, human, now=NOON)
    run_worker(NOON)

    assert (find(mild).severity, find(mild).urgency) == ("critical", "high")
    assert "bad" in find(mild).timeline.filter(kind="merged").get().text
    loud = [to for _, to, one in recorder.take_all() if one.priority > 2 and not one.clears]
    assert loud == ["topic-bob"]


def test_the_owner_of_the_target_is_told_of_what_nobody_had(
    recorder: Recorder, source: AlertSource, human: Actor
) -> None:
    new, known = opened(source, "new"), opened(source, "known")
    lifecycle.acknowledge(known, human, now=NOON)
    bob = Actor.person(make_user("carol"), "page")

    lifecycle.merge(new, known, bob, now=NOON)
    run_worker(NOON)

    (message,) = recorder.take_all()
    assert message[1] == "topic-alice"
    assert f"#{new} was merged into it: new" in message[2].body


def test_a_room_hears_that_an_incident_went_into_another_and_came_back(
    recorder: Recorder, source: AlertSource, human: Actor
) -> None:
    make_channel(source.team, wants_opened=True, wants_resolved=True)
    first, second = opened(source, "a"), opened(source, "b")
    Incident.objects.update(urgency="none", escalate_at=None)
    run_worker(NOON)
    recorder.take_all()

    lifecycle.merge(first, second, human, now=NOON + minutes(2))
    run_worker(NOON + minutes(2))
    assert f"By alice, who merged it into #{second}." in recorder.take("room-ops").body
    lifecycle.split(first, human, now=NOON + minutes(4))
    run_worker(NOON + minutes(4))

    assert recorder.take("room-ops").title == f"Open again: a (#{first})"


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"state": "resolved"}, "is resolved"), ({"is_test": True}, "A test and a real incident")],
)
def test_a_merge_that_makes_no_sense_is_refused(
    human: Actor, fields: dict[str, Any], why: str
) -> None:
    incident, other = make_incident(), make_incident(**fields)

    for pair in ((incident.pk, other.pk), (other.pk, incident.pk)):
        with pytest.raises(Refused, match=why):
            lifecycle.merge(*pair, human, now=NOON)


def test_an_incident_is_not_merged_into_itself_or_into_none(human: Actor) -> None:
    incident = make_incident()

    with pytest.raises(Refused, match="into itself"):
        lifecycle.merge(incident.pk, incident.pk, human, now=NOON)
    with pytest.raises(Refused, match="There is no incident #0"):
        lifecycle.merge(incident.pk, 0, human, now=NOON)


def test_the_database_holds_that_what_is_merged_is_resolved_and_not_itself() -> None:
    other = make_incident(state="resolved")

    with pytest.raises(IntegrityError), transaction.atomic():
        make_incident(merged_into=other)
    with pytest.raises(IntegrityError), transaction.atomic():
        Incident.objects.filter(pk=other.pk).update(merged_into=other)


def test_what_a_resolved_target_has_cannot_be_split_off(source: AlertSource, human: Actor) -> None:
    first, second = opened(source, "a"), opened(source, "b")
    lifecycle.merge(first, second, human, now=NOON)
    lifecycle.resolve(second, human, now=NOON)

    with pytest.raises(Refused, match="its parts stay with it"):
        lifecycle.split(first, human, now=NOON)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What each answered, all begun at the same moment; a refusal is an answer too."""
    barrier, answers = threading.Barrier(len(acts)), []

    def run(act: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            answers.append(act())
        except Refused as refused:
            answers.append(refused)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.django_db(transaction=True)
def test_two_who_merge_each_into_the_other_leave_one_open(
    source: AlertSource, human: Actor
) -> None:
    first, second = opened(source, "a"), opened(source, "b")

    answers = at_once(
        lambda: lifecycle.merge(first, second, human, now=NOON),
        lambda: lifecycle.merge(second, first, human, now=NOON),
    )

    assert sorted(isinstance(answer, Moved) for answer in answers) == [False, True]
    assert sorted([find(first).is_open, find(second).is_open]) == [False, True]
    assert len(titles(first)) + len(titles(second)) == 2


@pytest.mark.django_db(transaction=True)
def test_an_alert_that_comes_while_its_incident_is_merged_is_in_an_open_one(
    source: AlertSource, human: Actor
) -> None:
    first, second = opened(source, "a"), opened(source, "b")

    at_once(
        lambda: lifecycle.merge(first, second, human, now=NOON),
        lambda: send(source, fire("a"), now=NOON),
    )

    assert titles(second) == ["a", "b"]
    assert Incident.objects.open().count() == 1
