"""The guided set-up: what its steps make, of what exists, whatever is sent how often."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from alertsources.keys import hashed
from alertsources.models import AlertSource
from incidents.models import EscalationPolicy, Incident
from notifications.channels.ntfy import TOPIC
from notifications.models import ContactMethod, Notification
from pagerpal import checklist
from pagerpal.models import WorkerHeartbeat
from pagerpal.set_up import making, steps
from pagerpal.testing import (
    NOON,
    at,
    make_admin,
    make_policy,
    make_rotation,
    make_source,
    make_team,
    make_user,
    run_worker,
)
from schedules import oncall
from schedules.models import Membership, Rotation, Team, User

pytestmark = pytest.mark.django_db
ME = {"me-name": "Ann", "me-time_zone": "Europe/Berlin"}
TURNS = {"weekday": "0", "handover_time": "09:00", "minutes": "5"}
STEPS = ["team", "phone", "turns", "source", "test"]


@pytest.fixture
def ann(client: Client) -> User:
    user = make_admin("ann")
    client.force_login(user)
    return user


def send(client: Client, step: str, **answers: str) -> str:
    """Where it leads; empty where the page comes again."""
    url = getattr(client.post(reverse(f"set_up_{step}"), answers), "url", "")
    return str(url).removeprefix("/setup/")


def through(client: Client, until: str = "test") -> None:
    """All that comes before this step, as it is filled in."""
    topic = making.suggested_topic(User.objects.get())
    answers = {
        "team": {"name": "Ops", **ME},
        "phone": {"address": topic},
        "turns": TURNS,
        "source": {"kind": "generic", "name": ""},
    }
    for step in STEPS[: STEPS.index(until)]:
        assert send(client, step, **answers[step]) == STEPS[STEPS.index(step) + 1]


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


# --- The way --------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS)
def test_it_goes_on_where_it_was_left(client: Client, ann: User, step: str) -> None:
    through(client, step)

    assert client.get("/setup")["Location"] == f"/setup/{step}"


@pytest.mark.parametrize("step", STEPS[1:])
def test_no_step_comes_before_those_that_it_needs(client: Client, ann: User, step: str) -> None:
    response = client.get(f"/setup/{step}", follow=True)

    assert response.redirect_chain == [("/setup/team", 302)]
    assert "First comes: your team." in words(response)


def test_what_the_demo_or_the_admin_has_made_is_found(client: Client, ann: User) -> None:
    team = make_team("Platform", leads=(ann,))
    ContactMethod.objects.create(user=ann, channel="email", address=ann.email)
    make_policy(team, make_rotation(team, ann))
    make_source(team)

    assert client.get("/setup")["Location"] == "/setup/test"
    assert "You are reached by e-mail" in words(client.get("/setup/phone"))


def test_a_team_in_which_i_only_look_is_not_mine(ann: User) -> None:
    team = make_team("Platform")
    Membership.objects.create(team=team, user=ann, role="observer")

    assert steps.found(ann).team is None


def test_each_step_that_is_done_says_what_there_is_and_asks_for_nothing(
    client: Client, ann: User
) -> None:
    through(client)

    for step, said in {
        "team": "Ops</bdi> is your team",
        "phone": "Your phone listens to this topic",
        "turns": "a new person every week, Mondays at 09:00 (Europe/Berlin)",
        "source": "Generic JSON</bdi> may send alerts",
    }.items():
        page = words(client.get(f"/setup/{step}"))
        assert said in page
        assert 'method="post" novalidate' not in page


# --- What is made ---------------------------------------------------------------------------------


def test_the_steps_make_what_the_admin_would(client: Client, ann: User) -> None:
    through(client)

    ann.refresh_from_db()
    found = steps.found(ann)
    assert (ann.name, ann.time_zone) == ("Ann", "Europe/Berlin")
    assert found.team is not None
    assert (found.team.name, found.team.time_zone) == ("Ops", "Europe/Berlin")
    assert ann.memberships.get().role == "lead"
    assert found.rotation is not None
    assert oncall.who_is_on_call(found.rotation, timezone.now()) == ann
    assert found.policy is not None
    first, second = found.policy.steps.all()
    assert list(first.rotations.all()) == [found.rotation]
    assert (first.delay, second.whole_team) == (timedelta(minutes=5), True)
    assert found.source is not None
    assert found.source.policy_in_force() == found.policy
    assert LogEntry.objects.filter(user=ann, change_message=making.LOGGED).count() == 4


def test_all_who_answer_in_the_team_take_turns_beginning_with_me(client: Client, ann: User) -> None:
    team = make_team("Platform", make_user("aaron"), make_user("bob"), leads=(ann,))
    Membership.objects.create(team=team, user=make_user("eve"), role="observer")
    make_user("gone", is_active=False).memberships.create(team=team)
    through_phone = making.suggested_topic(ann)
    send(client, "phone", address=through_phone)

    send(client, "turns", **TURNS)

    members = Rotation.objects.get().members.all()
    assert [member.user.name for member in members] == ["ann", "aaron", "bob"]


@pytest.mark.parametrize("step", ["team", "phone", "turns", "source"])
def test_a_step_that_is_sent_twice_makes_one_thing(client: Client, ann: User, step: str) -> None:
    through(client, step)
    answers = {
        "team": {"name": "Ops", **ME},
        "phone": {"address": making.suggested_topic(ann)},
        "turns": TURNS,
        "source": {"kind": "generic", "name": ""},
    }[step]

    led = [send(client, step, **answers), send(client, step, **answers)]

    assert led == [STEPS[STEPS.index(step) + 1]] * 2
    made = {
        "team": Team.objects.count(),
        "phone": ContactMethod.objects.count(),
        "turns": Rotation.objects.count(),
        "source": AlertSource.objects.count(),
    }
    assert made[step] == 1
    assert EscalationPolicy.objects.count() == (step in {"turns", "source"})
    assert "that was done already" in words(client.get("/setup", follow=True))


def test_of_two_that_are_made_at_once_the_second_is_not(ann: User) -> None:
    """Both looked before either wrote; the second sees it once it holds the lock."""
    team = make_team("Platform", leads=(ann,))
    answers = {"weekday": 0, "handover_time": time(9), "minutes": 5}
    for _ in range(2):
        making.turns(ann, answers, now=NOON)
    made = [making.source(ann, {"kind": "generic", "name": "x"}) for _ in range(2)]

    assert (team.rotations.count(), team.policies.count(), team.sources.count()) == (1, 1, 1)
    assert made[1] is None


def test_a_policy_without_steps_gets_them(client: Client, ann: User) -> None:
    team = make_team("Platform", leads=(ann,))
    policy = make_policy(team)

    making.turns(ann, {"weekday": 0, "handover_time": time(9), "minutes": 7}, now=NOON)

    assert [step.delay for step in policy.steps.all()] == [timedelta(minutes=7)] * 2


@pytest.mark.parametrize(
    ("now", "weekday", "began"),
    [
        ("2026-11-23 12:00", 0, date(2026, 11, 23)),  # a Monday
        ("2026-11-23 08:59", 0, date(2026, 11, 16)),
        ("2026-11-23 09:00", 0, date(2026, 11, 23)),
        ("2026-11-22 12:00", 0, date(2026, 11, 16)),
        ("2026-11-23 12:00", 4, date(2026, 11, 20)),
        ("2026-03-30 09:30", 0, date(2026, 3, 30)),  # the day after summer time began
    ],
)
def test_the_first_turn_has_begun_already(now: str, weekday: int, began: date) -> None:
    zone = "Europe/Berlin"

    assert making.turn_began_on(weekday, time(9), zone, at(now, zone)) == began


# --- Wrong input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "answers", "said"),
    [
        ("team", {"name": "", **ME}, "This field is required."),
        ("team", {"name": "Taken", **ME}, "There is a team of this name already"),
        ("team", {"name": "x" * 81, **ME}, "at most 80 characters"),
        ("team", {"name": "Ops", **ME, "me-time_zone": "Mars"}, "is not a time zone"),
        ("team", {"name": "Ops", **ME, "me-name": ""}, "This field is required."),
        ("phone", {"address": "not a topic"}, "A topic has 1 to 64 letters"),
        ("phone", {"address": ""}, "This field is required."),
        ("turns", {**TURNS, "minutes": "0"}, "Give whole minutes, from 1 to 1440."),
        ("turns", {**TURNS, "minutes": "soon"}, "Give whole minutes, from 1 to 1440."),
        ("turns", {**TURNS, "handover_time": "25:00"}, "Enter a valid time."),
        ("turns", {**TURNS, "weekday": "9"}, "Select a valid choice"),
        ("source", {"kind": "junk", "name": ""}, "Select a valid choice"),
        ("source", {"kind": "generic", "name": "a\0b"}, "Null characters are not allowed."),
    ],
)
def test_wrong_input_is_said_and_nothing_is_made(
    client: Client, ann: User, step: str, answers: dict[str, str], said: str
) -> None:
    Team.objects.create(name="Taken")
    through(client, step)

    response = client.post(f"/setup/{step}", answers)

    assert said in words(response)
    assert client.get("/setup")["Location"] == f"/setup/{step}"


def test_a_rotation_that_stands_in_the_way_is_named(client: Client, ann: User) -> None:
    make_rotation(make_team("Platform", leads=(ann,)))
    send(client, "phone", address=making.suggested_topic(ann))

    response = client.post("/setup/turns", TURNS)

    assert "Rotation with this Team and Name already exists." in words(response)
    assert not EscalationPolicy.objects.exists()


# --- The phone ------------------------------------------------------------------------------------


def test_the_suggested_topic_stays_until_one_was_given(client: Client, ann: User) -> None:
    first = making.suggested_topic(ann)
    again = making.suggested_topic(ann)
    ContactMethod.objects.create(user=ann, channel="ntfy", address=first, is_on=False)

    assert first == again
    assert TOPIC.fullmatch(first)
    assert making.suggested_topic(ann) != first
    assert making.suggested_topic(make_admin("eve")).split("-")[1] != first.split("-")[1]


def test_a_topic_of_ones_own_is_shown_with_its_code(client: Client, ann: User) -> None:
    through(client, "phone")

    assert send(client, "phone", address="my-own-topic") == "phone"

    page = words(client.get("/setup/phone"))
    assert "my-own-topic" in page
    assert 'href="ntfy://ntfy.sh/my-own-topic"' in page


@pytest.mark.parametrize(
    ("server", "link"),
    [
        ("https://ntfy.sh", "ntfy://ntfy.sh/t"),
        ("http://10.0.0.5:8080", "ntfy://10.0.0.5:8080/t?secure=false"),
        ("https://example.org/push", "ntfy://example.org/push/t"),
    ],
)
def test_the_code_is_of_the_server_that_messages_go_to(
    settings: Any, server: str, link: str
) -> None:
    settings.NTFY_BASE_URL = server

    assert making.push().subscribe_link("t") == link


# --- The test page --------------------------------------------------------------------------------


def live(client: Client) -> str:
    return words(client.get("/setup/progress"))


def test_the_test_page_is_held_answered_by_its_link_and_done(client: Client, ann: User) -> None:
    through(client)
    client.post("/setup/test")
    no_worker = live(client)
    WorkerHeartbeat.objects.create(name="w", started_at=timezone.now(), beat_at=timezone.now())
    waiting = live(client)
    run_worker(timezone.now())
    held = live(client)
    link = Notification.objects.order_by("pk")[0].context["answer_path"]

    Client().post(link, {"act": "acknowledge"}, HTTP_ACCEPT="text/html")

    assert "No worker is running, so nothing goes out." in no_worker
    assert "It is on its way..." in waiting
    assert f'href="{link}"' in held
    assert "in safe mode nothing is sent" in held
    done = live(client)
    assert "Answered by you</strong> at" in done
    assert "hx-get" in held
    assert "hx-get" not in done


def test_where_messages_are_sent_the_phone_answers_and_no_link_is_shown(
    client: Client, ann: User, recorder: Any
) -> None:
    through(client)
    client.post("/setup/test")
    run_worker(timezone.now())

    page = live(client)

    message = recorder.take_all()[0][2]
    assert "Your phone should ring." in page
    assert message.title.startswith("TEST")
    assert message.answer_url.rpartition("/")[2] not in page


def test_the_live_part_says_nothing_twice(client: Client, ann: User) -> None:
    through(client)
    client.post("/setup/test")
    seen = live(client).split("seen=")[1].split('"')[0]

    assert client.get(f"/setup/progress?seen={seen}").status_code == 204


def test_a_test_in_a_team_of_several_wakes_nobody_else(client: Client, ann: User) -> None:
    team = make_team("Platform", make_user("bob"), leads=(ann,))
    bob = User.objects.get(name="bob")
    ContactMethod.objects.create(user=ann, channel="ntfy", address="a")
    make_policy(team, make_rotation(team, bob))
    make_source(team)

    client.post("/setup/test")
    run_worker(timezone.now())

    assert set(Notification.objects.values_list("user__name", flat=True)) == {"ann"}
    assert "in safe mode nothing is sent" in live(client)


def test_two_taps_are_one_test(client: Client, ann: User) -> None:
    through(client)
    with time_machine.travel(NOON, tick=False):
        for _ in range(2):
            client.post("/setup/test")

    assert Incident.objects.count() == 1


def test_the_key_is_shown_once_and_stays_while_the_test_is_sent(client: Client, ann: User) -> None:
    through(client)
    first = client.get("/setup/test")
    key = first.context["key"]

    client.post("/setup/test", {"look": "1"})
    second = client.get("/setup/test")
    client.post("/setup/test")
    third = client.get("/setup/test")
    onward = client.get("/dashboard")

    assert hashed(key) == AlertSource.objects.get().key_hash
    assert Incident.objects.count() == 1  # of the second, as the first only looked
    assert key in words(first)
    assert second.context["key"] == third.context["key"] == key
    assert key not in words(onward)
    assert client.get("/setup/test").context["key"] == ""


def test_a_key_that_was_lost_is_made_anew_while_no_sender_has_come_with_it(
    client: Client, ann: User
) -> None:
    through(client)
    lost = client.get("/setup/test").context["key"]
    client.post("/setup/test")
    client.get("/dashboard")
    source = AlertSource.objects.get()

    asked = words(client.get("/setup/test"))
    client.post("/setup/test", {"new_key": source.key_hint})
    key = client.get("/setup/test").context["key"]
    client.get("/dashboard")
    refused, taken = (
        client.post(f"/in/{one}", {"title": "x"}, content_type="application/json").status_code
        for one in (lost, key)
    )
    client.post("/setup/test", {"new_key": key[-4:]})

    assert "Did you copy the key" in asked
    assert (refused, taken) == (403, 202)
    assert hashed(key) == AlertSource.objects.get().key_hash
    assert "Did you copy the key" not in words(client.get("/setup/test"))


def test_the_walk_ends_with_the_list_that_the_dashboard_shows(client: Client, ann: User) -> None:
    through(client)
    client.post("/setup/test")
    run_worker(timezone.now())
    link = Notification.objects.order_by("pk")[0].context["answer_path"]
    Client().post(link, {"act": "acknowledge"}, HTTP_ACCEPT="text/html")

    walk, dashboard = words(client.get("/setup/test")), words(client.get("/dashboard"))

    lines = checklist.lines(ann, timezone.now())
    left = [line.text for line in lines if not line.is_done]
    assert "A source has received an alert from its sender" in left
    assert "You can be reached, and have answered a test page" not in left
    for text in left:
        assert f"<summary>{text}</summary>" in walk
        assert text in dashboard


def test_the_last_screen_says_where_all_else_is_set_up(client: Client, ann: User) -> None:
    through(client)

    page = words(client.get("/setup/test"))

    for name in ("admin:index", "admin:schedules_user_add", "notifications:me", "dashboard"):
        assert f'href="{reverse(name)}"' in page
    assert "NOTIFICATION_SENDING_ENABLED=true" in page
