"""The acts beside the big button, as forms of the incident page and of the list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client

from incidents import lifecycle
from incidents.answers import token_for
from incidents.lifecycle import Actor
from incidents.models import Incident
from notifications.models import Notification
from pagerpal.testing import (
    NOON,
    at,
    make_admin,
    make_incident,
    make_policy,
    make_rotation,
    make_team,
    make_user,
    minutes,
)
from schedules.models import Membership, Team, User

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
LIST = "/admin/incidents/incident/"


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def alice() -> User:
    return make_user("alice", time_zone="Europe/Berlin")


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


def do(page: Client, incident: Incident, word: str, **fields: Any) -> str:
    """Press a button without JavaScript; the page that follows."""
    response = page.post(f"/incidents/{incident.pk}/{word}", fields, follow=True)
    assert response.status_code == 200
    incident.refresh_from_db()
    return response.content.decode()


def test_every_form_of_an_open_incident_leads_somewhere(page: Client, team: Team) -> None:
    incident = make_incident(team)
    text = page.get(f"/incidents/{incident.pk}").content.decode()

    for word in ("acknowledge", "snooze", "page", "reassign", "severity", "resolve", "merge"):
        assert f'action="/incidents/{incident.pk}/{word}"' in text
    assert f'action="/incidents/{incident.pk}/unacknowledge"' not in text


def test_a_promise_is_kept_in_mind(page: Client, team: Team) -> None:
    incident = make_incident(team)

    text = do(page, incident, "acknowledge", again="30")

    assert incident.ask_at == NOON + minutes(30)
    assert "PagerPal asks again at 13:30 CET." in text


@pytest.mark.parametrize(
    ("fields", "until"),
    [
        ({"for": "60"}, NOON + minutes(60)),
        ({"for": "morning"}, at("2026-11-24 08:00", "Europe/Berlin")),
        ({"until": "2026-11-23T18:30"}, at("2026-11-23 18:30", "Europe/Berlin")),
    ],
)
def test_a_snooze_ends_by_the_clock_of_whoever_snoozes(
    page: Client, team: Team, fields: dict[str, str], until: Any
) -> None:
    incident = make_incident(team)

    text = do(page, incident, "snooze", **fields)

    assert incident.snoozed_until == until
    assert "Snoozed until" in text


@pytest.mark.parametrize(
    ("word", "fields", "why"),
    [
        ("snooze", {"until": "soon"}, "Until when? Choose a time"),
        ("snooze", {"until": "2020-01-01T08:00"}, "That time has passed"),
        ("snooze", {"for": "9" * 5}, "That is too far off"),
        ("acknowledge", {"again": "7"}, "Ask again after 30, 60, 120 minutes"),
        ("reassign", {"to": "0"}, "Choose somebody who can be paged"),
        ("reassign", {"to": "9" * 30}, "Choose somebody who can be paged"),
        ("page", {}, "Choose somebody who can be paged"),
        ("page", {"whom": "team:0"}, "Choose whom to page"),
        ("severity", {"severity": "awful"}, "Unknown severity. Expected one of: critical,"),
        ("merge", {"into": "the other"}, "There is no incident #0 that you could merge"),
        ("resolve", {"text": "x" * 1001}, "The note was not kept: it has 1001 letters"),
    ],
)
def test_what_makes_no_sense_changes_nothing_and_says_why(
    page: Client, team: Team, word: str, fields: dict[str, str], why: str
) -> None:
    incident = make_incident(team)

    assert why in do(page, incident, word, **fields)
    assert (incident.state, incident.revision) == ("triggered", 0)


def test_whoever_is_given_it_is_paged_and_has_five_minutes(
    page: Client, team: Team, bob: User
) -> None:
    incident = make_incident(team, state="acknowledged", owner=User.objects.get(name="alice"))

    text = do(page, incident, "reassign", to=str(bob.pk))

    assert "bob is being paged, and has it once they acknowledge." in text
    assert (incident.state, incident.escalate_at) == ("triggered", NOON + minutes(5))
    assert Notification.objects.filter(user=bob, purpose="page").exists()
    link = page.post(f"/a/{token_for(incident.pk, bob.pk)}")
    assert link.content.decode().startswith(f"#{incident.pk} is yours.")


def test_it_can_be_taken_over(page: Client, team: Team, bob: User, alice: User) -> None:
    incident = make_incident(team, state="acknowledged", owner=bob)

    text = do(page, incident, "reassign", to=str(alice.pk))

    assert f"#{incident.pk} is yours; bob had it." in text
    assert incident.owner == alice


def test_whoever_is_called_to_help_answers_that_and_the_owner_keeps_it(
    page: Client, team: Team, bob: User, alice: User
) -> None:
    incident = make_incident(team, state="acknowledged", owner=alice)
    do(page, incident, "page", whom=f"user:{bob.pk}")
    page.force_login(bob)
    assert "I am coming" in page.get(f"/incidents/{incident.pk}").content.decode()

    text = do(page, incident, "acknowledge")

    assert "They know that you come. alice has it" in text
    assert incident.owner == alice
    assert not Notification.objects.unfinished().filter(user=bob, purpose="page").exists()


def test_a_team_is_called_by_whoever_is_on_call_in_it(page: Client, team: Team) -> None:
    carol, dan = make_user("carol"), make_user("dan")
    web = make_team("Web", carol, dan)
    make_rotation(web, dan)
    incident = make_incident(team)

    text = do(page, incident, "page", whom=f"team:{web.pk}")

    assert "dan: being paged." in text
    assert [one.user for one in incident.pages.all()] == [dan]


def test_whoever_is_called_already_is_not_called_twice(page: Client, team: Team, bob: User) -> None:
    incident = make_incident(team)
    do(page, incident, "page", whom=f"user:{bob.pk}")

    text = do(page, incident, "page", whom=f"user:{bob.pk}")

    assert "bob: paged by hand already." in text
    assert incident.pages.count() == 1


def test_an_owner_who_is_asked_sees_it_on_the_big_button(
    page: Client, team: Team, alice: User
) -> None:
    fields = {"ask_at": NOON + minutes(5), "asked_at": NOON}
    incident = make_incident(team, state="acknowledged", owner=alice, **fields)

    for path in (f"/incidents/{incident.pk}", f"/a/{token_for(incident.pk, alice.pk)}"):
        assert "Still mine" in page.get(path).content.decode()


def test_a_merge_leads_to_the_other_and_can_be_split_off(page: Client, team: Team) -> None:
    incident, other = make_incident(team), make_incident(team)

    text = do(page, incident, "merge", into=f"#{other.pk} Disk full")
    assert f'Merged into <a href="/incidents/{other.pk}">' in text
    assert (
        f'action="/incidents/{incident.pk}/split"'
        in page.get(f"/incidents/{other.pk}").content.decode()
    )
    do(page, incident, "split")

    assert incident.is_open


def test_nothing_is_merged_into_what_one_may_not_act_on(
    page: Client, team: Team, alice: User
) -> None:
    elsewhere, watched = make_team("Elsewhere"), make_team("Watched")
    Membership.objects.create(team=watched, user=alice, role="observer")
    incident = make_incident(team)

    for other in (make_incident(elsewhere), make_incident(watched)):
        text = do(page, incident, "merge", into=str(other.pk))
        assert f"There is no incident #{other.pk} that you could merge this into." in text
    assert incident.is_open


def test_a_message_link_does_not_open_the_rest(page: Client, team: Team, alice: User) -> None:
    incident = make_incident(team)

    response = page.post(f"/a/{token_for(incident.pk, alice.pk)}", {"act": "snooze", "for": "60"})

    assert response.status_code == 400
    incident.refresh_from_db()
    assert incident.state == "triggered"


# --- Sessions that ended -------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_note_written_in_an_ended_session_survives_the_login(
    client: Client, team: Team, alice: User, headers: dict[str, str]
) -> None:
    incident = make_incident(team)
    note = "<b>Swap</b> the disk"
    alice.set_password("correct horse")
    alice.save()

    response = client.post(f"/incidents/{incident.pk}/note", {"text": note}, headers=headers)
    login = response.headers.get("HX-Redirect") or response["Location"]
    assert login == f"/login?next=/incidents/{incident.pk}"
    assert b"What you wrote is kept." in client.get(login).content
    after = client.post(login, {"username": alice.email, "password": "correct horse"}, follow=True)

    assert "&lt;b&gt;Swap&lt;/b&gt; the disk</textarea>" in after.content.decode()
    assert not incident.timeline.exists()
    client.post(f"/incidents/{incident.pk}/note", {"text": note})
    assert incident.timeline.get().text == note
    assert b"the disk</textarea>" not in client.get(f"/incidents/{incident.pk}").content


def test_a_note_that_was_kept_for_a_day_is_forgotten(
    client: Client, team: Team, alice: User
) -> None:
    incident = make_incident(team)
    client.post(f"/incidents/{incident.pk}/note", {"text": "late words"})
    client.force_login(alice)

    with time_machine.travel(NOON + minutes(13 * 60)):
        assert b"late words" not in client.get(f"/incidents/{incident.pk}").content


def test_a_button_pressed_in_an_ended_session_leads_back_to_the_incident(
    client: Client, team: Team
) -> None:
    incident = make_incident(team)

    response = client.post(f"/incidents/{incident.pk}/acknowledge")

    incident.refresh_from_db()
    assert response["Location"] == f"/login?next=/incidents/{incident.pk}"
    assert incident.state == "triggered"


def test_what_was_written_on_a_page_that_was_too_old_is_shown(team: Team, alice: User) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(alice)
    incident = make_incident(team)

    response = careful.post(f"/incidents/{incident.pk}/note", {"text": "my <words>"})

    assert response.status_code == 403
    assert "my &lt;words&gt;</textarea>" in response.content.decode()


# --- Several together ----------------------------------------------------------------------------


def together(page: Client, act: str, *incidents: Incident) -> str:
    fields = {"act": act, "incident": [one.pk for one in incidents], "next": "/incidents?show=all"}
    response = page.post("/incidents/together", fields, follow=True)
    assert response.redirect_chain == [("/incidents?show=all", 302)]
    return response.content.decode()


def test_what_is_ticked_is_acknowledged_together(page: Client, team: Team, bob: User) -> None:
    fresh, taken = make_incident(team), make_incident(team, state="acknowledged", owner=bob)
    foreign = make_incident(make_team("Elsewhere"))

    text = together(page, "acknowledge", fresh, taken, foreign)

    assert "1 acknowledged, 1 had already been." in text
    assert "1 are not yours to act on: left as they were." in text
    foreign.refresh_from_db()
    assert foreign.state == "triggered"


def test_without_ticks_or_with_another_word_nothing_happens(page: Client, team: Team) -> None:
    incident = make_incident(team)

    assert "Tick the incidents first" in together(page, "resolve")
    assert "Unknown act" in together(page, "reopen", incident)


def test_boxes_are_offered_for_what_one_may_act_on(page: Client, team: Team, alice: User) -> None:
    watched = make_team("Watched")
    Membership.objects.create(team=watched, user=alice, role="observer")
    mine, theirs = make_incident(team), make_incident(watched)

    text = page.get("/incidents?show=all").content.decode()

    assert f'id="pick-{mine.pk}"' in text
    assert f'id="pick-{theirs.pk}"' not in text


# --- The admin -----------------------------------------------------------------------------------


def test_the_admin_merges_into_the_oldest(client: Client) -> None:
    client.force_login(make_admin())
    team = make_team("Platform")
    first, second, third = (make_incident(team) for _ in range(3))
    ticked = {"action": "merge", "_selected_action": [third.pk, first.pk, second.pk]}

    text = client.post(LIST, ticked, follow=True).content.decode()

    assert "2 merged." in text
    assert list(first.merged.order_by("pk")) == [second, third]


def test_the_admin_marks_noise_and_gives_back_together(client: Client, bob: User) -> None:
    client.force_login(make_admin())
    team = make_team("Platform")
    incidents = [make_incident(team), make_incident(team, state="acknowledged", owner=bob)]
    ticked = {"_selected_action": [one.pk for one in incidents]}

    said = [
        client.post(LIST, ticked | {"action": act}, follow=True).content.decode()
        for act in ("noise", "unacknowledge")
    ]

    assert "2 marked as noise." in said[0]
    assert "1 given back, 1 nobody had." in said[1]
    assert set(Incident.objects.values_list("state", "is_noise")) == {("triggered", True)}


def test_a_resolution_note_is_kept_although_another_was_first(
    page: Client, team: Team, bob: User
) -> None:
    make_policy(team, bob)
    incident = make_incident(team)
    lifecycle.resolve(incident.pk, Actor.person(bob, "page"), now=NOON)

    text = do(page, incident, "resolve", text="swapped it")

    assert f"#{incident.pk} is resolved since 13:00 CET. Your note was added." in text
    assert incident.timeline.filter(kind="note", text="swapped it").exists()


# --- A page that is older than the incident -------------------------------------------------------


def from_an_old_page(page: Client, incident: Incident, word: str, **fields: str) -> list[str]:
    """What two presses of a form say: it is posted, and after the way back once more as it was."""
    form = {"csrfmiddlewaretoken": "old", **fields}
    said = []
    for _ in range(2):
        response = page.post(f"/incidents/{incident.pk}/{word}", form, follow=True)
        assert response.status_code == 200
        said += [str(message) for message in response.context["messages"]]
    incident.refresh_from_db()
    return said


@pytest.mark.parametrize(
    ("word", "fields", "answers"),
    [
        ("acknowledge", {}, ["#{} is yours.", "You have it since 13:00 CET."]),
        ("resolve", {}, ["#{} is resolved.", "#{} is resolved since 13:00 CET."]),
        (
            "resolve",
            {"text": "swapped it"},
            ["#{} is resolved.", "#{} is resolved since 13:00 CET."],
        ),
        ("note", {"text": "swapped it"}, ["Note added.", "That note is there already."]),
        (
            "snooze",
            {"for": "60"},
            ["#{} is yours. PagerPal asks again at 14:00 CET.", "You have it since 13:00 CET."],
        ),
    ],
)
def test_a_form_sent_again_after_the_way_back_does_nothing_twice(
    page: Client, team: Team, word: str, fields: dict[str, str], answers: list[str]
) -> None:
    incident = make_incident(team)

    said = from_an_old_page(page, incident, word, **fields)

    assert said == [answer.format(incident.pk) for answer in answers]
    written = [entry.kind for entry in incident.timeline.all()]
    assert len(written) == len(set(written))
    assert incident.episode == 1


def test_an_old_page_takes_a_resolved_incident_from_nobody(
    page: Client, team: Team, bob: User
) -> None:
    incident = make_incident(team)
    lifecycle.resolve(incident.pk, Actor.person(bob, "page"), now=NOON)

    for word in ("acknowledge", "snooze", "escalate", "unacknowledge"):
        text = do(page, incident, word, **{"for": "60"})
        assert f"#{incident.pk} is resolved since 13:00 CET." in text

    assert (incident.state, incident.owner, incident.escalate_at) == ("resolved", None, None)


def test_an_old_page_snoozes_nothing_that_another_has(page: Client, team: Team, bob: User) -> None:
    incident = make_incident(team)
    lifecycle.acknowledge(incident.pk, Actor.person(bob, "page"), now=NOON)

    assert "bob has it since 13:00 CET." in do(page, incident, "snooze", **{"for": "60"})
    assert (incident.owner, incident.ask_at) == (bob, None)


@pytest.mark.parametrize("word", ["escalate", "unacknowledge"])
def test_an_old_page_takes_nothing_from_an_owner_it_did_not_show(
    page: Client, team: Team, alice: User, bob: User, word: str
) -> None:
    incident = make_incident(team, state="acknowledged", owner=alice)
    form = page.get(f"/incidents/{incident.pk}").content.decode()
    assert form.count(f'name="had" value="{alice.pk}"') == 2
    lifecycle.take_over(incident.pk, Actor.person(bob, "page"), now=NOON)

    assert "bob has it since 13:00 CET." in do(page, incident, word, had=str(alice.pk))
    assert (incident.state, incident.owner) == ("acknowledged", bob)

    do(page, incident, word, had=str(bob.pk))
    assert (incident.state, incident.owner) == ("triggered", None)


def test_an_old_page_on_which_nobody_had_it_takes_it_from_nobody(
    page: Client, team: Team, bob: User
) -> None:
    incident = make_incident(team)
    assert 'name="had" value=""' in page.get(f"/incidents/{incident.pk}").content.decode()
    lifecycle.acknowledge(incident.pk, Actor.person(bob, "page"), now=NOON)

    assert "bob has it since 13:00 CET." in do(page, incident, "escalate", had="")
    assert incident.owner == bob
    guest = make_incident(team, state="acknowledged", owner_label="Kim")
    assert "Kim has it since 13:00 CET." in do(page, guest, "escalate", had="")
    do(page, guest, "escalate", had="Kim")
    assert guest.state == "triggered"


def test_the_same_words_are_kept_again_when_time_has_passed_or_another_says_them(
    page: Client, team: Team, bob: User
) -> None:
    incident = make_incident(team)
    do(page, incident, "note", text="still down")
    lifecycle.add_note(incident.pk, Actor.person(bob, "page"), "still down", now=NOON)
    with time_machine.travel(NOON + minutes(2), tick=False):
        do(page, incident, "note", text="still down")

    assert incident.timeline.filter(text="still down").count() == 3
