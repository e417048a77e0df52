"""The incident list and the incident page, as people of a team see and use them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client

from incidents import lifecycle
from incidents.models import EscalationStep, Incident, Page
from notifications.models import UNFINISHED, Notification
from pagerpal.testing import (
    NOON,
    make_admin,
    make_incident,
    make_policy,
    make_team,
    make_user,
    minutes,
)
from schedules.models import Membership, Team, User

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
# A script, a right-to-left override and an attribute's end.
HOSTILE = "<script>alert(1)</script> \u202e\"'><img src=x onerror=alert(2)>"


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def alice() -> User:
    return make_user("alice", time_zone="Europe/Berlin")


@pytest.fixture
def team(alice: User) -> Team:
    return make_team("Platform", alice)


@pytest.fixture
def page(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def url(incident: Incident, word: str = "") -> str:
    return f"/incidents/{incident.pk}" + (f"/{word}" if word else "")


def make_page(incident: Incident, user: User, step: str = "1", **fields: Any) -> Page:
    values = {"episode": incident.episode, "round": 0, "label": f"step {step}", **fields}
    return Page.objects.create(incident=incident, step=step, user=user, created_at=NOON, **values)


def make_message(
    incident: Incident, user: User, state: str = "sent", **fields: Any
) -> Notification:
    method = user.contact_methods.first()
    assert method is not None
    count = Notification.objects.count()
    settled = None if state in UNFINISHED else NOON
    values = {"due_at": NOON, "settled_at": settled, "purpose": "page", **fields}
    return Notification.objects.create(
        thread=incident.thread,
        key=f"message:{count}",
        user=user,
        contact_method=method,
        channel=method.channel,
        address=method.address,
        state=state,
        **values,
    )


# --- The list ------------------------------------------------------------------------------------


def test_the_list_needs_a_login(client: Client) -> None:
    response = client.get("/incidents")

    assert response.status_code == 302
    assert response["Location"].startswith("/login")


def test_triggered_comes_first_then_the_worst_then_the_newest(page: Client, team: Team) -> None:
    make_incident(team, title="D acked", state="acknowledged", severity="critical")
    make_incident(team, title="C warning", severity="warning", urgency="low")
    make_incident(team, title="B old", severity="critical", now=NOON - minutes(9))
    make_incident(team, title="A new", severity="critical")

    response = page.get("/incidents")

    titles = [row["incident"].title for row in response.context["rows"]]
    assert titles == ["A new", "B old", "C warning", "D acked"]


def test_other_teams_incidents_are_not_shown(page: Client, team: Team) -> None:
    make_incident(make_team("Elsewhere"), title="Not yours")

    response = page.get("/incidents?show=all")

    assert b"Not yours" not in response.content


def test_mine_is_what_i_own_and_what_pages_me(page: Client, team: Team, alice: User) -> None:
    bob = make_user("bob")
    make_incident(team, title="Owned", state="acknowledged", owner=alice)
    make_incident(team, title="Bobs", state="acknowledged", owner=bob)
    make_page(make_incident(team, title="Pages me"), alice)
    make_page(make_incident(team, title="Pages bob"), bob)

    response = page.get("/incidents?show=mine")

    titles = {row["incident"].title for row in response.context["rows"]}
    assert titles == {"Owned", "Pages me"}


def test_team_and_severity_narrow_the_list(page: Client, team: Team, alice: User) -> None:
    other = make_team("Web", alice)
    make_incident(team, title="Wanted", severity="critical")
    make_incident(team, title="Milder", severity="high")
    make_incident(other, title="Elsewhere", severity="critical")

    response = page.get(f"/incidents?team={team.pk}&severity=critical")

    assert [row["incident"].title for row in response.context["rows"]] == ["Wanted"]


@pytest.mark.parametrize(
    "query",
    ["show=nonsense", "team=x", "team=99999999999999999999", "severity='", "page=-3", "page=x"],
)
def test_nonsense_in_the_address_still_gives_a_list(page: Client, team: Team, query: str) -> None:
    make_incident(team, title="Still here")

    response = page.get(f"/incidents?{query}")

    assert response.status_code == 200


def test_the_list_names_whom_it_pages(page: Client, team: Team, alice: User) -> None:
    incident = make_incident(team)
    make_page(incident, make_user("bob"), "1")
    make_page(incident, alice, "2")

    response = page.get("/incidents")

    assert "paging <bdi>alice</bdi>" in response.content.decode()


def test_a_full_list_costs_few_queries(
    page: Client, team: Team, alice: User, django_assert_num_queries: Any
) -> None:
    for number in range(30):
        make_page(make_incident(team, title=f"Number {number}"), alice)

    # Session, person, teams, rows, counts of open ones, of these, pages, roles, sources, may raise.
    with django_assert_num_queries(10):
        response = page.get("/incidents")

    assert len(response.context["rows"]) == 25


def test_an_unchanged_list_is_answered_204(page: Client, team: Team) -> None:
    incident = make_incident(team)
    seen = page.get("/incidents").context["seen"]

    again = page.get(f"/incidents?seen={seen}", headers=HTMX)
    Incident.objects.filter(pk=incident.pk).update(revision=7)
    changed = page.get(f"/incidents?seen={seen}", headers=HTMX)

    assert again.status_code == 204
    assert changed.status_code == 200
    assert changed.content.lstrip().startswith(b'<div id="incidents"')


def test_one_tap_in_the_list_acknowledges_and_leads_back(page: Client, team: Team) -> None:
    incident = make_incident(team)

    response = page.post(url(incident, "acknowledge"), {"next": "/incidents?show=mine"})

    incident.refresh_from_db()
    assert incident.state == "acknowledged"
    assert response["Location"] == "/incidents?show=mine"


def test_the_way_back_never_leaves_pagerpal(page: Client, team: Team) -> None:
    incident = make_incident(team)

    response = page.post(url(incident, "acknowledge"), {"next": "https://evil.example.com/"})

    assert response["Location"] == url(incident)


def test_an_empty_list_says_when_the_last_one_closed(page: Client, team: Team) -> None:
    make_incident(team, title="Long gone", state="resolved", resolved_at=NOON - minutes(60))

    text = page.get("/incidents").content.decode()

    assert "No open incidents." in text
    assert "Long gone" in text
    assert ">12:00</time>" in text  # 11:00 UTC, as alice's clock in Berlin shows it


# --- The incident --------------------------------------------------------------------------------


def test_the_page_says_who_is_paged_and_who_is_next(page: Client, team: Team, alice: User) -> None:
    bob = make_user("bob")
    Membership.objects.create(team=team, user=bob)
    policy = make_policy(team, alice, bob)
    second = EscalationStep.objects.get(policy=policy, position=1)
    incident = make_incident(
        team,
        policy=policy,
        round_started_at=NOON,
        next_step_id=second.pk,
        next_position=1,
        escalate_at=NOON + minutes(5),
    )
    make_page(incident, alice)

    text = " ".join(page.get(url(incident)).content.decode().split())

    assert "Paging <strong><bdi>alice</bdi></strong> (step 1)." in text
    assert "Next: <strong><bdi>bob</bdi></strong> at" in text
    assert ">13:05</time> (step 2)." in text


def test_a_broken_forecast_leaves_the_page_and_its_button(
    page: Client, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no such rotation")

    monkeypatch.setattr("incidents.situation.forecast", broken)

    text = page.get(url(make_incident(team))).content.decode()

    assert "Who is next could not be worked out" in text
    assert "Acknowledge</button>" in text


def test_a_hostile_title_is_shown_as_text(page: Client, team: Team) -> None:
    incident = make_incident(team, title=HOSTILE, detail=HOSTILE, labels={HOSTILE: HOSTILE})

    for address in (url(incident), "/incidents", "/"):
        text = page.get(address).content.decode()

        assert "<script>alert" not in text
        assert "<img" not in text
        assert "<bdi>&lt;script&gt;alert(1)" in text


def test_a_label_may_have_any_name(page: Client, team: Team) -> None:
    incident = make_incident(team, labels={"items": "4 left", "keys": "5 lost", "values": "6 kept"})

    text = page.get(url(incident)).content.decode()

    for name, value in incident.labels.items():
        assert f"<dt>{name}</dt> <dd><bdi>{value}</bdi>" in text


def test_only_links_to_web_pages_are_links(page: Client, team: Team) -> None:
    bad = [{"label": "run", "url": "javascript:alert(1)"}, {"label": "x", "url": "http://[bad"}]
    good = [{"label": "Runbook", "url": "https://runbooks.example.com/disk"}]
    incident = make_incident(team, links=bad + good + ["https://plain.example.com/", None, {}])

    text = page.get(url(incident)).content.decode()

    assert "javascript:" not in text
    assert 'href="https://runbooks.example.com/disk"' in text
    assert ">plain.example.com</bdi>" in text


def test_a_second_acknowledgement_names_the_first(page: Client, team: Team, client: Client) -> None:
    incident = make_incident(team)
    bob = make_user("bob")
    lifecycle.acknowledge(incident.pk, lifecycle.Actor.person(bob, "page"), now=NOON)

    response = page.post(url(incident, "acknowledge"), follow=True)

    assert "bob has it since 13:00 CET." in response.content.decode()


def test_a_button_with_htmx_gets_the_fragments_and_the_news(page: Client, team: Team) -> None:
    incident = make_incident(team)

    response = page.post(url(incident, "acknowledge"), headers=HTMX)

    text = response.content.decode()
    assert response.status_code == 200
    assert "<html" not in text
    assert f"#{incident.pk} is yours." in text
    assert "You have it" in text
    assert text.count("hx-swap-oob") == 4


@pytest.mark.parametrize("word", ["acknowledge", "resolve", "reopen", "escalate", "note"])
def test_an_observer_looks_but_does_not_act(page: Client, alice: User, word: str) -> None:
    team = make_team("Watched")
    Membership.objects.create(team=team, user=alice, role="observer")
    incident = make_incident(team)

    looks = page.get(url(incident))
    acts = page.post(url(incident, word), {"text": "hello"})

    incident.refresh_from_db()
    assert looks.status_code == 200
    assert "<form" not in looks.content.decode().split("<main")[1]
    assert acts.status_code == 403
    assert "observers look, they do not act" in acts.content.decode()
    assert incident.state == "triggered"


def test_strangers_are_told_that_there_is_no_such_page(page: Client) -> None:
    incident = make_incident()

    assert page.get(url(incident)).status_code == 404
    assert page.post(url(incident, "acknowledge")).status_code == 404
    assert page.get(url(incident, "status")).status_code == 404


def test_whoever_is_paged_sees_and_answers_without_being_a_member(
    page: Client, alice: User
) -> None:
    incident = make_incident(make_team("Others"))
    make_page(incident, alice)
    make_page(incident, alice, step="2")

    looked, listed = page.get(url(incident)), page.get("/incidents?show=mine")
    acted = page.post(url(incident, "acknowledge"))

    incident.refresh_from_db()
    assert (looked.status_code, acted.status_code) == (200, 302)
    assert listed.content.decode().count('class="row"') == 1
    assert incident.owner == alice


def test_an_owner_sees_and_resolves_without_being_a_member(page: Client, alice: User) -> None:
    incident = make_incident(make_team("Others"), state="acknowledged", owner=alice)

    looked = page.get(url(incident))
    page.post(url(incident, "resolve"))

    incident.refresh_from_db()
    assert looked.status_code == 200
    assert incident.state == "resolved"


def test_an_observer_who_is_paged_may_act(page: Client, alice: User) -> None:
    team = make_team("Watched")
    Membership.objects.create(team=team, user=alice, role="observer")
    incident = make_incident(team)
    make_page(incident, alice)

    listed = page.get("/incidents").content.decode()
    page.post(url(incident, "acknowledge"))

    incident.refresh_from_db()
    assert f'Acknowledge<span class="hidden-text"> #{incident.pk}<' in listed
    assert incident.owner == alice


def test_an_admin_sees_and_answers_every_team(client: Client) -> None:
    incident = make_incident()
    client.force_login(make_admin())

    client.post(url(incident, "resolve"))

    incident.refresh_from_db()
    assert incident.state == "resolved"


def test_the_live_parts_are_sent_together_when_something_changed(page: Client, team: Team) -> None:
    incident = make_incident(team, revision=4)

    unchanged = page.get(url(incident, "status") + "?seen=4", headers=HTMX)
    changed = page.get(url(incident, "status") + "?seen=3", headers=HTMX).content.decode()

    assert unchanged.status_code == 204
    for part in ("status", "timeline", "deliveries"):
        assert f'<section id="{part}"' in changed
    assert changed.count("every 5s") == 1


def test_a_resolved_incident_is_not_polled(page: Client, team: Team) -> None:
    incident = make_incident(team, state="resolved")

    text = page.get(url(incident, "status")).content.decode()

    assert "hx-trigger" not in text


def test_resolving_what_another_has_asks_once(page: Client, team: Team) -> None:
    incident = make_incident(team, state="acknowledged", owner=make_user("bob"))

    text = page.get(url(incident)).content.decode()

    assert "Resolve it all the same?" in text


def test_a_note_is_kept_with_its_author(page: Client, team: Team) -> None:
    incident = make_incident(team)

    page.post(url(incident, "note"), {"text": "  Freed 2 GB.\r\nWatching.  "})

    entry = incident.timeline.get()
    assert (entry.text, str(entry.actor)) == ("Freed 2 GB.\nWatching.", "alice")


@pytest.mark.parametrize(
    ("text", "answer"), [(" \n ", "The note is empty"), ("x" * 1001, "1000 is the most")]
)
def test_a_note_that_cannot_be_kept_says_why(
    page: Client, team: Team, text: str, answer: str
) -> None:
    incident = make_incident(team)

    response = page.post(url(incident, "note"), {"text": text}, follow=True)

    assert answer in response.content.decode()
    assert not incident.timeline.exists()


def test_a_refused_reopen_leads_to_the_newer_incident(
    page: Client, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, newer = make_incident(team, state="resolved"), make_incident(team, title="Disk full <2>")

    def refuse(*_: Any, **__: Any) -> Any:
        raise lifecycle.Refused("A newer incident collects these alerts:", newer)

    monkeypatch.setattr(lifecycle, "reopen", refuse)

    text = page.post(url(old, "reopen"), follow=True).content.decode()

    assert f'<a href="{url(newer)}">#{newer.pk} Disk full &lt;2&gt;</a>' in text


def test_the_page_tells_apart_what_was_sent_and_what_failed(
    page: Client, team: Team, alice: User
) -> None:
    incident = make_incident(team)
    bob = make_user("bob")
    make_message(incident, alice, "sent")
    make_message(incident, alice, "pending", due_at=NOON + minutes(1))
    make_message(incident, alice, "pending", due_at=NOON + minutes(2))
    make_message(incident, bob, "failed", outcome="unknown topic <b>")

    text = page.get(url(incident, "status")).content.decode()

    lines = page.get(url(incident, "status")).context["told"]
    assert [(told.who, [line.state for line in told.lines]) for told in lines] == [
        ("alice", ["sent", "pending"]),
        ("bob", ["failed"]),
    ]
    assert "and 1 more" in text
    assert ">13:01</time>" in text
    assert "unknown topic &lt;b&gt;" in text


def test_a_held_message_shows_its_text_and_a_link_that_answers(
    page: Client, team: Team, alice: User
) -> None:
    incident = make_incident(team)
    make_message(
        incident,
        alice,
        "held",
        context={"answer_path": "/a/1-1.token"},
        rendered={"title": "Disk full", "body": "97 % of <var>"},
    )

    text = page.get(url(incident, "status")).content.decode()

    assert "97 % of &lt;var&gt;" in text
    assert 'href="/a/1-1.token"' in text


def test_no_link_answers_for_another_once_messages_are_sent(
    page: Client, team: Team, alice: User, settings: Any
) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = True
    incident = make_incident(team)
    facts = {"answer_path": "/a/1-1.token"}
    make_message(incident, alice, "held", context=facts, rendered={"title": "Disk", "body": ""})

    text = page.get(url(incident, "status")).content.decode()

    assert "Read what was held" in text
    assert "/a/1-1.token" not in text


def test_an_observer_gets_no_link_that_answers(page: Client, alice: User) -> None:
    team = make_team("Watched")
    Membership.objects.create(team=team, user=alice, role="observer")
    incident = make_incident(team)
    make_message(
        incident,
        make_user("bob"),
        "held",
        context={"answer_path": "/a/1-1.token"},
        rendered={"title": "Disk full", "body": ""},
    )

    text = page.get(url(incident, "status")).content.decode()

    assert "/a/1-1.token" not in text


def test_what_only_clears_a_phone_is_not_shown(page: Client, team: Team, alice: User) -> None:
    incident = make_incident(team)
    make_message(incident, alice, "sent", purpose="update", context={"clears": "message:0"})

    text = page.get(url(incident, "status")).content.decode()

    assert "Nobody yet." in text


def test_a_busy_incident_costs_few_queries(
    page: Client, team: Team, alice: User, django_assert_num_queries: Any
) -> None:
    incident = make_incident(team, urgency="none")
    for number in range(20):
        make_message(incident, alice, "sent", due_at=NOON + minutes(number))
        lifecycle.add_note(incident.pk, lifecycle.Actor.person(alice, "page"), "hm", now=NOON)

    # Session, person, incident, roles twice, pages, timeline, messages; to choose from: people and
    # who can be reached, teams, others, merged.
    with django_assert_num_queries(13):
        page.get(url(incident))


def test_acting_needs_a_post(page: Client, team: Team) -> None:
    incident = make_incident(team)

    response = page.get(url(incident, "acknowledge"))

    incident.refresh_from_db()
    assert response.status_code == 405
    assert incident.state == "triggered"


def test_a_page_from_another_site_cannot_act(team: Team, alice: User) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(alice)
    incident = make_incident(team)

    response = careful.post(url(incident, "acknowledge"))

    incident.refresh_from_db()
    assert response.status_code == 403
    assert "That was not done" in response.content.decode()
    assert incident.state == "triggered"
