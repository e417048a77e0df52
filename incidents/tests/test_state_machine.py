"""Every act in every state, by whoever may do it: what follows, what is said, what is not sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

import pytest

from incidents import calling, lifecycle
from incidents.lifecycle import Actor, Moved, Refused
from incidents.models import Incident
from notifications.models import Notification
from pagerpal.testing import (
    NOON,
    Recorder,
    make_incident,
    make_policy,
    make_team,
    make_user,
    minutes,
    run_worker,
)
from schedules.models import User

pytestmark = pytest.mark.django_db
NOW = NOON + minutes(1)
AN_HOUR = timedelta(hours=1)


class House(NamedTuple):
    """Alice has it, or was paged first; bob would be next; carol may be called or given it."""

    alice: User
    bob: User
    carol: User
    incident: Incident
    other: Incident


Act = Callable[[House, Actor], Moved]


def _pk(house: House) -> int:
    return house.incident.pk


ACTS: dict[str, Act] = {
    "acknowledge": lambda h, by: lifecycle.acknowledge(_pk(h), by, now=NOW),
    "promise": lambda h, by: lifecycle.acknowledge(
        _pk(h), by, now=NOW, promise=lifecycle.look_again(AN_HOUR, NOW)
    ),
    "snooze": lambda h, by: lifecycle.snooze(_pk(h), by, NOW + AN_HOUR, now=NOW),
    "unacknowledge": lambda h, by: lifecycle.unacknowledge(_pk(h), by, now=NOW),
    "resolve": lambda h, by: lifecycle.resolve(_pk(h), by, now=NOW, note="disk swapped"),
    "reopen": lambda h, by: lifecycle.reopen(_pk(h), by, now=NOW),
    "escalate": lambda h, by: lifecycle.escalate_now(_pk(h), by, now=NOW),
    "give": lambda h, by: calling.reassign(_pk(h), by, h.carol, now=NOW),
    "take": lambda h, by: lifecycle.take_over(_pk(h), by, now=NOW),
    "call": lambda h, by: calling.page_people(_pk(h), by, [h.carol], now=NOW),
    "worse": lambda h, by: lifecycle.change_severity(_pk(h), by, "critical", now=NOW),
    "info": lambda h, by: lifecycle.change_severity(_pk(h), by, "info", now=NOW),
    "merge": lambda h, by: lifecycle.merge(_pk(h), h.other.pk, by, now=NOW),
    "split": lambda h, by: lifecycle.split(_pk(h), by, now=NOW),
    "note": lambda h, by: lifecycle.add_note(_pk(h), by, "looking", now=NOW),
    "noise": lambda h, by: lifecycle.mark_noise(_pk(h), by, is_noise=True, now=NOW),
}
MONITOR = "Prometheus"
T, A, R = "triggered", "acknowledged", "resolved"
# From, act, by -> to, owner, line on the timeline, whether alice's page ends, who hears of it.
# An empty line: the act changes nothing.
TABLE = [
    (T, "acknowledge", "bob", A, "bob", "Acknowledged by bob.", True, ""),
    (T, "promise", "bob", A, "bob", "Acknowledged by bob. PagerPal asks", True, ""),
    (T, "snooze", "bob", A, "bob", "Acknowledged and snoozed by bob.", True, ""),
    (T, "unacknowledge", "bob", T, "", "", False, ""),
    (T, "resolve", "bob", R, "", "Resolved by bob.", True, ""),
    (T, "reopen", "bob", T, "", "", False, ""),
    (T, "escalate", "bob", T, "", "bob asked for the next step now.", False, "bob"),
    (T, "give", "bob", T, "", "bob gave it to carol.", True, "carol"),
    (T, "take", "bob", A, "bob", "Acknowledged by bob.", True, ""),
    (T, "call", "bob", T, "", "Asked for by bob: paging carol.", False, "carol"),
    (T, "worse", "bob", T, "", "bob changed the severity from high to critical.", False, ""),
    (T, "info", "bob", T, "", "bob changed the severity from high to info.", True, ""),
    (T, "merge", "bob", R, "", "bob merged it into #", True, ""),
    (T, "split", "bob", T, "", "", False, ""),
    (T, "note", "bob", T, "", "looking", False, ""),
    (T, "noise", "bob", T, "", "bob marked it as noise.", False, ""),
    (A, "acknowledge", "bob", A, "alice", "", True, ""),
    (A, "acknowledge", "alice", A, "alice", "", True, ""),
    (A, "promise", "bob", A, "alice", "", True, ""),
    (A, "promise", "alice", A, "alice", "alice still has it. PagerPal asks", True, ""),
    (A, "snooze", "bob", A, "alice", "", True, ""),
    (A, "snooze", "alice", A, "alice", "alice snoozed it.", True, ""),
    (A, "unacknowledge", "alice", T, "", "alice gave it back.", True, "alice"),
    (A, "unacknowledge", "bob", T, "", "bob gave it, which alice had, back.", True, "alice"),
    (A, "resolve", "bob", R, "alice", "Resolved by bob.", True, ""),
    (A, "reopen", "bob", A, "alice", "", True, ""),
    (A, "escalate", "bob", T, "", "bob asked for the next step now.", True, "bob"),
    (A, "give", "alice", T, "", "alice gave it to carol.", True, "carol"),
    (A, "take", "bob", A, "bob", "bob took it over from alice.", True, ""),
    (A, "take", "alice", A, "alice", "", True, ""),
    (A, "call", "alice", A, "alice", "Asked for by alice: paging carol.", True, "carol"),
    (A, "worse", "bob", A, "alice", "bob changed the severity", True, "alice"),
    (A, "worse", "alice", A, "alice", "alice changed the severity", True, ""),
    (A, "info", "bob", A, "alice", "bob changed the severity", True, ""),
    (A, "merge", "bob", R, "alice", "bob merged it into #", True, ""),
    (A, "note", "bob", A, "alice", "looking", True, ""),
    (A, "noise", "bob", A, "alice", "bob marked it as noise.", True, ""),
    (A, "resolve", "alice", R, "alice", "Resolved by alice.", True, ""),
    (A, "reopen", "alice", A, "alice", "", True, ""),
    (A, "escalate", "alice", T, "", "alice asked for the next step now.", True, "bob"),
    (A, "give", "bob", T, "", "bob gave it to carol.", True, "carol"),
    (A, "call", "bob", A, "alice", "Asked for by bob: paging carol.", True, "carol"),
    (A, "info", "alice", A, "alice", "alice changed the severity", True, ""),
    (A, "merge", "alice", R, "alice", "alice merged it into #", True, ""),
    (A, "split", "alice", A, "alice", "", True, ""),
    (A, "split", "bob", A, "alice", "", True, ""),
    (A, "note", "alice", A, "alice", "looking", True, ""),
    (A, "noise", "alice", A, "alice", "alice marked it as noise.", True, ""),
    (R, "acknowledge", "bob", R, "", "", True, ""),
    (R, "promise", "bob", R, "", "", True, ""),
    (R, "info", "bob", R, "", "", True, ""),
    (R, "snooze", "bob", R, "", "", True, ""),
    (R, "unacknowledge", "bob", R, "", "", True, ""),
    (R, "resolve", "bob", R, "", "disk swapped", True, ""),
    (R, "reopen", "bob", T, "", "Reopened by bob.", True, "alice"),
    (R, "escalate", "bob", R, "", "", True, ""),
    (R, "give", "bob", R, "", "", True, ""),
    (R, "take", "bob", R, "", "", True, ""),
    (R, "call", "bob", R, "", "", True, ""),
    (R, "worse", "bob", R, "", "", True, ""),
    (R, "merge", "bob", R, "", "", True, ""),
    (R, "split", "bob", R, "", "", True, ""),
    (R, "note", "bob", R, "", "looking", True, ""),
    (R, "noise", "bob", R, "", "bob marked it as noise.", True, ""),
    (T, "resolve", MONITOR, R, "", "Resolved by Prometheus.", True, ""),
    (A, "resolve", MONITOR, R, "alice", "Resolved by Prometheus.", True, ""),
    (R, "resolve", MONITOR, R, "", "disk swapped", True, ""),
]


def test_the_table_leaves_no_act_out() -> None:
    """In each state; and where somebody has it, by them as by another."""
    told = {row[:3] for row in TABLE}

    assert {row[:2] for row in told} == {(state, act) for state in (T, A, R) for act in ACTS}
    assert {(A, act, who) for act in ACTS for who in ("alice", "bob")} <= told


@pytest.fixture
def house(recorder: Recorder) -> House:
    """At noon alice was paged for it: by push at once, and again each minute."""
    alice, bob, carol = (make_user(name) for name in ("alice", "bob", "carol"))
    team = make_team("Platform", alice, bob, carol)
    policy = make_policy(team, alice, bob)
    incident = make_incident(team, policy=policy)
    run_worker(NOON)
    recorder.take("topic-alice")
    other = make_incident(team, policy=policy, state="acknowledged", owner=bob)
    return House(alice, bob, carol, Incident.objects.get(pk=incident.pk), other)


def bring_to(house: House, state: str) -> None:
    alice = Actor.person(house.alice, "page")
    if state == A:
        lifecycle.acknowledge(_pk(house), alice, now=NOON)
    if state == R:
        lifecycle.resolve(_pk(house), Actor(None, "the monitor", "monitor"), now=NOON)


def alices_page_waits(house: House) -> bool:
    episode = Incident.objects.get(pk=_pk(house)).episode
    pages = house.incident.pages.filter(user=house.alice, episode=1).exclude(episode__gt=episode)
    refs = [page.ref for page in pages]
    return Notification.objects.unfinished().filter(ref__in=refs).exists()


@pytest.mark.parametrize(
    ("before", "act", "who", "after", "owner", "line", "ends", "hears"),
    TABLE,
    ids=[f"{row[0]}-{row[1]}-{row[2]}" for row in TABLE],
)
def test_each_act_does_what_the_table_says(
    recorder: Recorder,
    house: House,
    before: str,
    act: str,
    who: str,
    after: str,
    owner: str,
    line: str,
    ends: bool,
    hears: str,
) -> None:
    bring_to(house, before)
    run_worker(NOON)
    recorder.take_all()
    known = house.incident.timeline.count()
    person = house._asdict().get(who)
    by = Actor.person(person, "api") if person else Actor(None, who, "monitor")

    try:
        moved = ACTS[act](house, by)
    except Refused as refused:
        moved = Moved(False, house.incident, refused.message)

    found = Incident.objects.get(pk=_pk(house))
    assert (found.state, str(found.owner or "")) == (after, owner)
    assert moved.text
    new = list(found.timeline.order_by("pk")[known:])
    assert bool(new) == bool(line)
    if line:
        said = next(entry for entry in new if entry.text.startswith(line))
        assert said.at == NOW
        assert (said.actor, said.via) == (person, by.via) or said.text.startswith("Asked for")
    assert alices_page_waits(house) == (not ends)
    heard = heard_at_once(recorder)
    assert heard == ([hears] if hears else [])


def heard_at_once(recorder: Recorder) -> list[str]:
    """Who gets a message now, leaving out quiet ones and those that come each minute."""
    again = Notification.objects.unfinished().filter(key__contains="/repeat:1")
    again.update(due_at=NOW + AN_HOUR)
    run_worker(NOW)
    loud = [(to, one) for _, to, one in recorder.take_all() if one.priority > 2 and not one.clears]
    return [to.removeprefix("topic-") for to, _ in loud]
