"""Raising an incident by hand: who may, whom it pages, and that one form makes one incident."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client

from incidents import directory, engine, lifecycle, raising
from incidents.answers import read_token, token_for
from incidents.lifecycle import Actor, Refused
from incidents.models import Incident
from incidents.raising import Wish
from notifications.tests.test_races import at_once
from pagerpal.testing import (
    NOON,
    Recorder,
    make_admin,
    make_channel,
    make_policy,
    make_team,
    make_user,
    minutes,
    run_worker,
    seconds,
)
from schedules.models import Membership, Team, User

pytestmark = pytest.mark.django_db
FORM = "a-form-of-this-test"


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def team(alice: User, bob: User) -> Team:
    return make_team("Platform", alice, bob)


@pytest.fixture
def page(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def fill(team: Team, **values: Any) -> dict[str, Any]:
    said = {"form": FORM, "team": team.pk, "title": "The shop is down", "severity": "critical"}
    return said | values


def raised(client: Client, team: Team, **values: Any) -> Incident:
    response = client.post("/incidents/raise", fill(team, **values))
    assert response.status_code == 302, response.content.decode()
    return Incident.objects.get(pk=int(response["Location"].rpartition("/")[2]))


def timeline_of(incident: Incident) -> list[str]:
    return [entry.text for entry in incident.timeline.order_by("pk")]


# --- What is raised ------------------------------------------------------------------------------


def test_what_is_raised_pages_by_the_teams_policy(
    page: Client, team: Team, bob: User, recorder: Recorder
) -> None:
    make_policy(team, bob)

    incident = raised(page, team, detail="Since 12:00.")
    run_worker(NOON)

    assert "The shop is down" in recorder.take("topic-bob").title
    assert (incident.urgency, incident.detail) == ("high", "Since 12:00.")
    assert timeline_of(incident)[0] == "Raised by alice."
    assert incident.timeline.earliest("pk").via == "page"


def test_another_policy_of_the_team_can_be_chosen(
    page: Client, team: Team, alice: User, bob: User, recorder: Recorder
) -> None:
    make_policy(team, alice)
    other = make_policy(team, bob, name="databases", is_default=False)

    raised(page, team, policy=other.pk)
    run_worker(NOON)

    recorder.take("topic-bob")


def test_the_severity_decides_how_urgent_it_is(page: Client, team: Team, bob: User) -> None:
    make_policy(team, bob)

    mild = raised(page, team, severity="warning")
    shown = raised(page, team, severity="info", form="another-form-of-it")

    assert (mild.urgency, shown.urgency, shown.escalate_at) == ("low", "none", None)


def test_without_a_policy_the_teams_leads_are_paged(
    page: Client, team: Team, recorder: Recorder
) -> None:
    Membership.objects.create(team=team, user=make_user("lea"), role="lead")

    raised(page, team)
    run_worker(NOON)

    recorder.take("topic-lea")


# --- People besides the policy -------------------------------------------------------------------


def test_people_of_other_teams_are_paged_at_once_and_may_answer(
    page: Client, team: Team, bob: User, recorder: Recorder
) -> None:
    make_policy(team, bob)
    dora = make_user("dora")
    make_team("Databases", dora)

    incident = raised(page, team, people=[dora.pk])
    run_worker(NOON)

    recorder.take("topic-bob")
    assert recorder.take("topic-dora").answer_url
    assert read_token(token_for(incident.pk, dora.pk), now=NOON).user == dora
    assert Incident.objects.visible_to(dora).get() == incident
    assert "Asked for by alice: paging dora." in timeline_of(incident)


def test_an_acknowledgement_ends_the_pages_of_those_who_were_chosen(
    page: Client, team: Team, bob: User, recorder: Recorder
) -> None:
    dora = make_user("dora")
    make_team("Databases", dora)
    incident = raised(page, team, people=[dora.pk])

    lifecycle.acknowledge(incident.pk, Actor.person(bob, "page"), now=NOON)
    run_worker(NOON + minutes(5))

    recorder.expect_none()


def test_whoever_is_chosen_and_on_call_is_called_once(
    page: Client, team: Team, bob: User, recorder: Recorder
) -> None:
    make_policy(team, bob, make_user("carol"))

    incident = raised(page, team, people=[bob.pk])
    run_worker(NOON)

    recorder.take("topic-bob")
    recorder.expect_none()
    assert [page.label for page in incident.pages.all()] == ["step 1"]
    incident.refresh_from_db()
    assert incident.escalate_at == NOON + minutes(5)


def test_the_step_waits_as_long_for_whoever_was_called_by_hand_as_for_others(
    page: Client, team: Team, bob: User
) -> None:
    make_policy(team, bob)
    method = bob.contact_methods.get()
    bob.notification_rules.create(urgency="low", contact_method=method, delay=minutes(10))

    incident = raised(page, team, people=[bob.pk], severity="warning")
    engine.run_best_due(NOON)

    incident.refresh_from_db()
    assert [page.label for page in incident.pages.all()] == ["step 1"]
    assert incident.escalate_at == NOON + minutes(15)


def test_a_call_by_hand_that_failed_does_not_stand_for_the_step(
    page: Client, team: Team, bob: User, recorder: Recorder
) -> None:
    make_policy(team, bob)
    incident = raised(page, team, people=[bob.pk])
    bob.notifications.update(state="failed", settled_at=NOON)

    run_worker(NOON)

    recorder.take("topic-bob")
    assert incident.pages.count() == 2


def test_that_chosen_people_were_reached_does_not_keep_the_leads_asleep(
    page: Client, team: Team, recorder: Recorder
) -> None:
    make_policy(team, make_user("mute", ntfy=False))
    Membership.objects.create(team=team, user=make_user("lea"), role="lead")
    dora = make_user("dora")
    make_team("Databases", dora)

    raised(page, team, people=[dora.pk])
    run_worker(NOON)
    run_worker(NOON + seconds(301))

    recorder.take("topic-dora")
    recorder.take("topic-lea")
    recorder.take_all()


def test_only_people_who_can_be_paged_are_offered(page: Client, team: Team, alice: User) -> None:
    make_team("Databases", make_user("mute", ntfy=False), make_user("gone", is_active=False))
    make_user("stranger")

    form = page.get("/incidents/raise").context["form"]

    assert [name for _, name in form.fields["people"].choices] == ["bob (Platform)"]


def test_the_list_names_those_who_were_asked_too(
    page: Client, team: Team, alice: User, bob: User, recorder: Recorder
) -> None:
    make_policy(team, alice)
    raised(page, team, people=[bob.pk])
    run_worker(NOON)

    response = page.get("/incidents")

    assert "paging <bdi>alice</bdi>, <bdi>bob</bdi>" in response.content.decode()
    recorder.take_all()


# --- Once ----------------------------------------------------------------------------------------


def test_a_form_that_is_sent_again_shows_what_it_raised(page: Client, team: Team) -> None:
    first = raised(page, team, sure=f"{team.pk}/0")

    again = page.post("/incidents/raise", fill(team, sure=f"{team.pk}/0"), follow=True)

    assert Incident.objects.get() == first
    assert f"This form has raised #{first.pk} already" in again.content.decode()


def test_each_form_and_each_person_raises_for_themselves(
    page: Client, team: Team, bob: User
) -> None:
    forms = {page.get("/incidents/raise").context["form"].initial["form"] for _ in range(2)}
    wish = Wish(team, "The shop is down", FORM)

    first = raised(page, team, sure=f"{team.pk}/0")
    other = raising.raise_incident(wish, by=bob, now=NOON)

    assert len(forms) == 2
    assert other.incident != first


@pytest.mark.django_db(transaction=True)
def test_of_eight_taps_at_the_same_moment_one_raises(team: Team, alice: User, bob: User) -> None:
    wish = Wish(team, "The shop is down", FORM, people=[bob])

    at_once(*(lambda: raising.raise_incident(wish, by=alice, now=NOON) for _ in range(8)))

    incident = Incident.objects.get()
    assert incident.pages.count() == 1


# --- Who may, and what is refused ----------------------------------------------------------------


def test_observers_are_told_why_they_may_not(client: Client, team: Team) -> None:
    olga = make_user("olga")
    Membership.objects.create(team=team, user=olga, role="observer")
    client.force_login(olga)

    response = client.post("/incidents/raise", fill(team))

    assert response.status_code == 403
    assert "You are an observer of Platform" in response.content.decode()
    assert b"Raise incident" not in client.get("/incidents").content
    assert not Incident.objects.exists()


def test_an_observer_elsewhere_is_offered_only_the_team_they_answer_in(
    page: Client, team: Team, alice: User
) -> None:
    web = make_team("Web")
    Membership.objects.create(team=web, user=alice, role="observer")

    response = page.post("/incidents/raise", fill(web))

    assert response.status_code == 422
    assert [name for _, name in response.context["form"].fields["team"].choices] == ["Platform"]
    assert not Incident.objects.exists()


def test_who_has_lost_their_role_meanwhile_is_refused(team: Team, alice: User) -> None:
    Membership.objects.filter(user=alice).update(role="observer")

    with pytest.raises(Refused, match="You can no longer raise incidents of Platform"):
        raising.raise_incident(Wish(team, "Too late", FORM), by=alice, now=NOON)

    assert not Incident.objects.exists()


def test_another_teams_policy_is_refused_in_words(client: Client, team: Team) -> None:
    client.force_login(make_admin())
    web = make_team("Web")

    response = client.post("/incidents/raise", fill(team, policy=make_policy(web).pk))

    assert response.status_code == 422
    assert "This policy pages Web, not Platform." in response.content.decode()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"title": " \x07 "}, "Say in a few words what is wrong."),
        ({"title": "x" * 201}, "at most 200 characters"),
        ({"title": "a\x00b"}, "Null characters are not allowed."),
        ({"severity": "worst"}, "Select a valid choice"),
        ({"team": "99999999999999999999"}, "Select a valid choice"),
        ({"people": ["7777"]}, "Select a valid choice"),
        ({"form": ""}, "This form is broken"),
    ],
)
def test_what_makes_no_sense_is_said_and_raises_nothing(
    page: Client, team: Team, values: dict[str, Any], said: str
) -> None:
    response = page.post("/incidents/raise", fill(team) | values)

    assert response.status_code == 422
    assert said in response.content.decode()
    assert not Incident.objects.exists()


# --- What it says before -------------------------------------------------------------------------


def test_the_form_says_whom_it_will_page(page: Client, team: Team, bob: User) -> None:
    make_policy(team, bob, "team")

    said = page.get("/incidents/raise").context["outlook"]

    assert [one.who for one in said.predicted[:2]] == [["bob"], ["alice", "bob"]]


def test_another_choice_of_team_is_answered_with_the_outlook_alone(
    client: Client, team: Team, bob: User
) -> None:
    client.force_login(make_admin())
    make_policy(team, bob)

    url = f"/incidents/raise?team={team.pk}&severity=warning&policy="
    response = client.get(url, headers={"HX-Request": "true"})

    assert "<bdi>bob</bdi>" in response.content.decode()
    assert b"<h1" not in response.content


def test_a_team_of_which_nobody_can_be_reached_is_warned_of_first(client: Client) -> None:
    client.force_login(make_admin())
    team = make_team("Ghosts", make_user("mute", ntfy=False))

    warned = client.post("/incidents/raise", fill(team))

    assert "Nothing was raised yet." in warned.content.decode()
    assert not Incident.objects.exists()
    assert raised(client, team, sure=warned.context["which"]).title == "The shop is down"


def test_a_policy_that_tells_a_room_before_people_is_no_reason_to_ask(
    page: Client, team: Team, bob: User
) -> None:
    make_policy(team, make_channel(team), bob)

    said = page.get("/incidents/raise").context["outlook"]

    assert [one.who for one in said.predicted[:2]] == [["#ops of Platform"], ["bob"]]
    assert raised(page, team).state == "triggered"


def test_whoever_chose_somebody_else_is_not_asked_again(client: Client, bob: User) -> None:
    make_team("Databases", bob)
    client.force_login(make_admin())

    incident = raised(client, make_team("Ghosts"), people=[bob.pk])

    assert [page.user for page in incident.pages.all()] == [bob]


def test_a_broken_forecast_keeps_nobody_from_raising(
    page: Client, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "read", lambda *args, **kwargs: 1 / 0)

    assert "cannot be told just now" in page.get("/incidents/raise").content.decode()
    assert raised(page, team).state == "triggered"
