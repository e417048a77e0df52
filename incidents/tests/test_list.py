"""The incident list: filters that can be bookmarked, search, and pages that lose nobody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client

from incidents import listing
from incidents.models import Incident
from pagerpal.testing import NOON, at, make_incident, make_team, make_user, minutes
from schedules.models import Team, User

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


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


def titles(response: Any) -> list[str]:
    return [row["incident"].title for row in response.context["rows"]]


@pytest.mark.parametrize(
    "query",
    [
        "severity=critical",
        "source=Prometheus",
        "from=2026-11-23",
        "from=2026-11-23&to=2026-11-23",
        "tests=only",
        "q=disk+DB-6",
        "q=host%3Ddb-6",
        "q=%C3%84RGER",
    ],
)
def test_each_filter_finds_what_it_names_and_nothing_else(
    page: Client, team: Team, query: str
) -> None:
    make_incident(
        team,
        title="Disk full",
        detail="so ein Ärger",
        labels={"host": "DB-6"},
        severity="critical",
        source_label="Prometheus",
        is_test=True,
        now=at("2026-11-23 00:00", "Europe/Berlin"),
    )
    make_incident(team, title="Disk ok", now=at("2026-11-22 23:59", "Europe/Berlin"))

    assert titles(page.get(f"/incidents?{query}")) == ["Disk full"]


def test_a_number_is_found_with_and_without_its_sign(page: Client, team: Team) -> None:
    wanted = make_incident(team, title="Wanted")
    make_incident(team, title="Another")

    assert titles(page.get("/incidents", {"q": f"#{wanted.pk}"})) == ["Wanted"]
    assert titles(page.get("/incidents", {"q": str(wanted.pk)})) == ["Wanted"]


def test_percent_signs_and_underlines_are_only_letters(page: Client, team: Team) -> None:
    make_incident(team, title="Disk 96% full")
    make_incident(team, title="Disk 960 full")

    assert titles(page.get("/incidents", {"q": "96%"})) == ["Disk 96% full"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("team=x", "is the number of none of your teams"),
        ("severity='", "is no severity"),
        ("from=yesterday", "is no day"),
        ("to=9999-99-99", "is no day"),
        ("from=2026-11-23&to=2026-11-20", "run backwards"),
        ("tests=maybe", "says nothing about tests"),
        ("show=nonsense", "There is no such tab"),
        ("after=x", "no place in this list"),
        ("after=9.99999999999999999.999999999999999999", ""),
        ("q=%00%ED%A0%80%E2%80%AE", ""),
        ("q=999999999999999", ""),
    ],
)
def test_what_cannot_be_used_is_left_out_with_a_sentence(
    page: Client, team: Team, query: str, says: str
) -> None:
    make_incident(team, title="Still here")

    response = page.get(f"/incidents?{query}")

    assert response.status_code == 200
    assert says in response.content.decode()
    assert not says or titles(response) == ["Still here"]


def test_another_teams_number_narrows_nothing_and_tells_nothing(page: Client, team: Team) -> None:
    strangers = make_team("Strangers")

    response = page.get(f"/incidents?team={strangers.pk}")

    assert "none of your teams" in response.content.decode()
    assert "Strangers" not in response.content.decode()


def test_every_incident_is_on_exactly_one_page_while_they_move(
    page: Client, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing.page, "__kwdefaults__", {"size": 2})
    for number in range(3):
        make_incident(team, title=f"open {number}", now=NOON - minutes(number))
    for number in range(4):
        make_incident(team, title=f"over {number}", state="resolved")

    seen: list[str] = []
    response = page.get("/incidents?show=all")
    while following := response.context["listed"].following:
        seen += titles(response)
        make_incident(team, title="new")
        response = page.get(f"/incidents?show=all&after={following}")
    seen += titles(response)

    wanted = ["open 0", "open 1", "open 2", "over 3", "over 2", "over 1", "over 0"]
    assert [title for title in seen if title != "new"] == wanted


def test_a_place_holds_though_its_incident_has_moved_on(
    page: Client, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing.page, "__kwdefaults__", {"size": 1})
    first = make_incident(team, title="first", severity="critical")
    make_incident(team, title="second")
    following = page.get("/incidents").context["listed"].following

    Incident.objects.filter(pk=first.pk).update(
        state="resolved", escalate_at=None, resolved_at=NOON
    )

    assert titles(page.get(f"/incidents?after={following}")) == ["second"]


def test_what_is_rare_among_very_many_is_found_by_looking_further_back(
    page: Client, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SPAN", 3)
    make_incident(team, title="Needle", state="resolved")
    for number in range(4):
        make_incident(team, title=f"Hay {number}", state="resolved")

    nothing_yet = page.get("/incidents?show=resolved&q=needle")
    further = nothing_yet.context["listed"].following

    assert b"older incidents have not been looked at" in nothing_yet.content
    assert titles(page.get(f"/incidents?show=resolved&q=needle&after={further}")) == ["Needle"]


def test_days_long_ago_are_found_at_once(
    page: Client, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SPAN", 2)
    monkeypatch.setattr(listing, "OUT_OF_ORDER", 0)
    make_incident(team, title="Old", state="resolved", now=at("2026-01-02 12:00"))
    for number in range(4):
        make_incident(team, title=f"New {number}", state="resolved")

    response = page.get("/incidents?show=all&from=2026-01-01&to=2026-01-03")

    assert titles(response) == ["Old"]
    assert response.context["listed"].following is None


def test_filters_once_chosen_come_back_and_go_when_cleared(page: Client, team: Team) -> None:
    chosen = page.get(f"/incidents?keep=1&show=all&team={team.pk}&severity=&q=disk")
    later = page.get("/incidents")
    cleared = page.get("/incidents?keep=1&show=open")

    assert chosen["Location"] == f"/incidents?show=all&team={team.pk}&q=disk"
    assert later["Location"] == f"/incidents?team={team.pk}"
    assert cleared["Location"] == "/incidents?show=open"
    assert page.get("/incidents").status_code == 200


def test_a_link_that_somebody_sent_changes_nothing_that_is_remembered(
    page: Client, team: Team
) -> None:
    page.get(f"/incidents?team={team.pk}")

    assert page.get("/incidents").status_code == 200


def test_what_filters_hide_is_counted(page: Client, team: Team) -> None:
    make_incident(team, severity="high")

    response = page.get("/incidents?severity=info")

    assert b"1 open without filters" in response.content
    assert b"<title>(1) Incidents</title>" in response.content
    assert b"data-burning" in response.content


def test_a_list_of_the_past_does_not_poll(page: Client, team: Team) -> None:
    make_incident(team, title="Disk full", state="resolved")

    assert b"hx-trigger" in page.get("/incidents?show=all").content
    assert b"hx-trigger" not in page.get("/incidents?show=all&q=disk").content
    assert b"hx-trigger" not in page.get("/incidents?show=resolved").content


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("show=open", "An incident opens when"),
        ("show=mine", "You have no open incident"),
        ("show=resolved", "Nothing yet"),
        ("show=open&q=needle", "Look among all incidents"),
    ],
)
def test_an_empty_list_says_what_to_do(page: Client, team: Team, query: str, says: str) -> None:
    assert says in page.get(f"/incidents?{query}").content.decode()


def test_a_page_of_a_long_filtered_list_costs_few_queries(
    page: Client, team: Team, django_assert_num_queries: Any
) -> None:
    for number in range(30):
        make_incident(team, title=f"Number {number}", state="resolved")

    # Session, person, teams, open and resolved ones, the newest twice, first and last of the
    # days, counts of open ones and of all, roles, sources, last closed, may raise.
    with django_assert_num_queries(15):
        response = page.get(f"/incidents?show=all&team={team.pk}&from=2026-11-01&to=2026-11-23")

    assert (len(titles(response)), response.context["count"]) == (25, 30)


def test_a_poll_that_finds_nothing_new_costs_fewer(
    page: Client, team: Team, django_assert_num_queries: Any
) -> None:
    make_incident(team)
    seen = page.get("/incidents").context["seen"]

    # Session, person, teams, open ones, counts.
    with django_assert_num_queries(5):
        assert page.get(f"/incidents?seen={seen}", headers=HTMX).status_code == 204
