"""People answer by text message: what they mean, what they may, and what they are told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from incidents import lifecycle, replies
from incidents.lifecycle import Actor
from incidents.models import Incident, Page
from notifications.models import Notification
from notifications.replies import parse
from notifications.tests.pages import page
from pagerpal.testing import NOON, make_incident, make_team, make_user, minutes, seconds
from schedules.models import Membership, Team, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_user("alice", time_zone="Europe/Berlin")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def team(alice: User, bob: User) -> Team:
    return make_team("Platform", alice, bob)


def paged(team: Team, *users: User, at: datetime | None = NOON, **fields: Any) -> Incident:
    """An incident for which these people were paged, and told at `at` if not None."""
    incident = make_incident(team, **fields)
    for user in users:
        called = Page.objects.create(
            incident=incident, episode=1, round=1, step="1", user=user, label="", created_at=NOON
        )
        page(user, ref=called.ref, thread=incident.thread)
    if at is not None:
        Notification.objects.filter(thread=incident.thread).update(
            state="sent", first_tried_at=at, settled_at=at
        )
    return incident


def write(user: User, text: str, *threads: str, now: datetime = NOON, **fields: Any) -> str:
    said_at = fields.get("said_at", now)
    return replies.answer(
        user=user, reply=parse(text), threads=threads, via="sms", said_at=said_at, now=now
    )


def owner(incident: Incident) -> User | None:
    incident.refresh_from_db()
    return incident.owner


def test_an_acknowledgement_by_number(team: Team, alice: User) -> None:
    incident = paged(team, alice)

    said = write(alice, f"{incident.pk}a")

    assert said == f"#{incident.pk} is yours."
    assert owner(incident) == alice
    entry = incident.timeline.get(kind="acknowledged")
    assert (entry.text, entry.actor, entry.via) == ("Acknowledged by alice.", alice, "sms")


def test_the_second_is_told_who_was_first(team: Team, alice: User, bob: User) -> None:
    incident = paged(team, alice, bob)
    write(bob, "a")

    said = write(alice, f"ack {incident.pk}", now=NOON + minutes(3))

    assert said == f"#{incident.pk}: bob has it since 13:00 CET."
    assert write(alice, "a", now=NOON + minutes(4)) == said
    assert owner(incident) == bob


def test_a_resolve_after_an_acknowledgement_and_an_answer_too_late(
    team: Team, alice: User, bob: User
) -> None:
    incident = paged(team, alice, bob)
    write(bob, "a")

    assert write(bob, f"{incident.pk}r") == f"#{incident.pk} is resolved."

    too_late = f"#{incident.pk} is resolved since 13:00 CET by bob."
    assert write(alice, f"{incident.pk}a", now=NOON + minutes(9)) == too_late
    assert write(alice, "a", now=NOON + minutes(9)) == too_late


def test_the_next_step_is_called_by_a_reply(team: Team, alice: User) -> None:
    incident = paged(team, alice, escalate_at=NOON + minutes(5))

    said = write(alice, f"{incident.pk}e", now=NOON + minutes(1))

    incident.refresh_from_db()
    assert said == f"#{incident.pk}: The next step is being called now."
    assert incident.escalate_at == NOON + minutes(1)


def test_a_plain_answer_is_about_the_only_one(team: Team, alice: User, bob: User) -> None:
    mine, other = paged(team, alice), paged(team, bob)

    assert write(alice, "a") == f"#{mine.pk} is yours."

    assert (owner(mine), owner(other)) == (alice, None)


@pytest.mark.parametrize("word", ["a", "r", "e"])
def test_a_plain_answer_with_two_open_does_nothing_and_asks(
    team: Team, alice: User, word: str
) -> None:
    first = paged(team, alice, title="Disk full on db-6")
    second = paged(team, alice, title="x" * 90, escalate_at=NOON + minutes(5))

    said = write(alice, word)

    every = " or all" if word == "a" else ""
    listed = f"#{second.pk} {'x' * 30}; #{first.pk} Disk full on db-6"
    assert said == f"Which one? {listed}. Reply {second.pk}{word}{every}."
    assert set(Incident.objects.values_list("state", flat=True)) == {"triggered"}
    second.refresh_from_db()
    assert second.escalate_at == NOON + minutes(5)


def test_an_owner_who_is_asked_says_that_it_is_still_theirs(team: Team, alice: User) -> None:
    asked, other = (paged(team, alice, state="acknowledged", owner=alice) for _ in range(2))
    Incident.objects.filter(pk=asked.pk).update(ask_at=NOON + minutes(9), asked_at=NOON)

    write(alice, "a", now=NOON + minutes(1))

    asked.refresh_from_db()
    assert (asked.owner, asked.asked_at) == (alice, None)
    assert not other.timeline.exists()


def test_the_question_is_discreet_where_the_team_is(alice: User) -> None:
    team = make_team("Payroll", alice, is_discreet=True)
    first, second = paged(team, alice, title="secret"), paged(team, alice, title="secret")

    said = write(alice, "a")

    assert said.startswith(f"Which one? #{second.pk}; #{first.pk}. ")


def test_nobody_means_what_they_have_not_been_told_of(team: Team, alice: User) -> None:
    seen = paged(team, alice)
    paged(team, alice, at=None)
    later = paged(team, alice, at=NOON + minutes(1))

    said = write(alice, "all", now=NOON + minutes(2), said_at=NOON + seconds(30))

    assert said == f"#{seen.pk} is yours."
    assert owner(later) is None


def test_all_takes_all_and_names_what_others_have(team: Team, alice: User, bob: User) -> None:
    incidents = [paged(team, alice) for _ in range(3)]
    taken, foreign = paged(team, alice), paged(team, bob)
    lifecycle.acknowledge(taken.pk, Actor.person(bob, "page"), now=NOON)

    said = write(alice, "all")

    numbers = ", ".join(f"#{one.pk}" for one in incidents)
    assert said in {f"{numbers} are yours."}
    assert [owner(one) for one in incidents] == [alice] * 3
    assert (owner(taken), owner(foreign)) == (bob, None)


def test_where_nothing_is_open_the_answer_says_so(team: Team, alice: User, bob: User) -> None:
    paged(team, bob)

    assert {write(alice, word) for word in ("a", "r", "e", "all")} == {replies.NOTHING}


def test_a_number_that_is_not_theirs_is_refused(team: Team, alice: User) -> None:
    mine, foreign = paged(team, alice), make_incident(make_team("Others"))

    said = write(alice, f"ack {mine.pk} {foreign.pk} 987654321")

    refused = f"#{foreign.pk}, #987654321: not an incident that you may answer."
    assert said == f"#{mine.pk} is yours. {refused}"
    assert owner(foreign) is None


def test_an_observer_acts_only_on_what_paged_them(team: Team) -> None:
    eve = make_user("eve")
    Membership.objects.create(team=team, user=eve, role=Membership.Role.OBSERVER)
    quiet, called = make_incident(team), paged(team, eve)

    assert "not an incident that you may answer" in write(eve, f"{quiet.pk}a")
    assert write(eve, f"{called.pk}a") == f"#{called.pk} is yours."


def test_an_answer_to_a_message_is_about_exactly_what_it_told(
    team: Team, alice: User, bob: User
) -> None:
    first, second, third = (paged(team, alice) for _ in range(3))
    foreign = make_incident(make_team("Others"))

    said = write(alice, "a", first.thread, third.thread, foreign.thread, "person:7")

    assert said == f"#{first.pk}, #{third.pk} are yours."
    assert [owner(one) for one in (first, second, third, foreign)] == [alice, None, alice, None]


def test_many_at_once_are_done_in_order_and_once(team: Team, alice: User) -> None:
    incidents = [make_incident(team) for _ in range(8)]
    ids = [one.pk for one in reversed(incidents)]
    by = Actor.person(alice, "link")

    moved = replies.perform_all("acknowledge", [*ids, 987654321], by=by, now=NOON)
    again = replies.perform_all("acknowledge", ids, by=by, now=NOON + minutes(1))

    assert [one.incident.pk for one in moved] == sorted(ids)
    assert all(one.changed for one in moved)
    assert not any(one.changed for one in again)
    said = replies.in_words("acknowledge", again)
    assert said.endswith("And 2 more that nothing changed for.")


def test_who_has_left_answers_nothing_any_more(team: Team, alice: User) -> None:
    first, second = paged(team, alice), paged(team, alice)
    Membership.objects.filter(user=alice).delete()

    refused = f"#{first.pk}: not an incident that you may answer."
    assert write(alice, f"{first.pk}a") == refused
    assert write(alice, "all") == write(alice, "a", second.thread) == replies.NOTHING
    assert owner(first) is None


def test_somebody_who_was_switched_off_takes_nothing(team: Team, alice: User) -> None:
    incident = paged(team, alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)

    said = write(alice, f"{incident.pk}a")

    assert said == f"#{incident.pk}: This person is switched off."
    assert owner(incident) is None
