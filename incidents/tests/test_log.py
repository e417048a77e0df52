"""The log of incidents: its figures, its export and the report of one of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.test import Client

from incidents import export, figures
from incidents.models import Incident, Page, TimelineEntry
from pagerpal.testing import NOON, at, make_incident, make_team, make_user, minutes
from schedules.models import Team, User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def alice() -> User:
    return make_user("alice", time_zone="Asia/Tokyo")


@pytest.fixture
def team(alice: User) -> Team:
    return make_team("Platform", alice)


@pytest.fixture
def page(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def make_answered(
    team: Team, after: float, *, resolved: float | None = None, **fields: Any
) -> Incident:
    """Opened at noon or `now`, acknowledged and resolved so many minutes later."""
    now: datetime = fields.pop("now", NOON)
    state = "acknowledged" if resolved is None else "resolved"
    over_at = None if resolved is None else now + minutes(resolved)
    incident = make_incident(
        team, now=now, state=state, acknowledged_at=now, resolved_at=over_at, **fields
    )
    acknowledge(incident, now + minutes(after))
    return incident


def acknowledge(incident: Incident, moment: datetime) -> None:
    incident.timeline.create(kind=TimelineEntry.Kind.ACKNOWLEDGED, text="taken", at=moment)


def call(incident: Incident, user: User, moment: datetime, **fields: Any) -> None:
    values = {"episode": 1, "round": 0, "step": "1", "label": "step 1", **fields}
    Page.objects.create(incident=incident, user=user, created_at=moment, **values)


def of_all() -> figures.Figures:
    return figures.of(figures.counted(Incident.objects.all()))


@pytest.mark.parametrize(
    ("lengths", "middle"),
    [([], None), ([3], 3), ([9, 1], 5), ([1, 2, 100], 2), ([4, 1, 3, 2], 2.5)],
)
def test_the_median_is_the_middle_or_half_way_between_two(
    lengths: list[float], middle: float | None
) -> None:
    expected = None if middle is None else minutes(middle)

    assert figures.median(minutes(length) for length in lengths) == expected


def test_the_first_acknowledgement_counts_and_what_is_open_has_no_end(team: Team) -> None:
    twice = make_answered(team, 2, resolved=10)
    acknowledge(twice, NOON + minutes(50))
    make_answered(team, 4)
    make_incident(team)

    found = of_all()

    assert (found.total, found.acknowledged, found.resolved) == (3, 2, 1)
    assert (found.median_to_acknowledge, found.median_to_resolve) == (minutes(3), minutes(10))


def test_tests_and_merged_ones_count_nowhere_and_noise_is_in_no_median(
    team: Team, alice: User
) -> None:
    kept = make_answered(team, 2, resolved=10)
    call(make_answered(team, 50, resolved=60, is_test=True), alice, at("2026-11-23 18:00"))
    make_answered(team, 50, resolved=60, merged_into=kept)
    make_answered(team, 50, resolved=60, is_noise=True)

    found = of_all()

    assert (found.total, found.noise, found.pages) == (2, 1, 0)
    assert (found.median_to_acknowledge, found.median_to_resolve) == (minutes(2), minutes(10))


def test_the_dashboard_says_the_same_in_one_line(page: Client, team: Team, alice: User) -> None:
    for after in (2, 4):
        call(make_answered(team, after, resolved=10), alice, at("2026-11-23 15:00"))
    make_answered(team, 50, resolved=60, is_noise=True)
    make_answered(team, 50, is_test=True)
    make_answered(team, 50, resolved=60, now=at("2026-11-16 11:59"))

    text = " ".join(page.get("/dashboard").content.decode().split())

    said = "3 incidents, median time to acknowledge 3 min, 2 pages at night, 1 marked as noise."
    assert said in text


def test_a_night_is_that_of_the_person_who_was_called(team: Team, alice: User) -> None:
    bob = make_user("bob", time_zone="UTC")
    incident = make_incident(team)
    for hour in (12, 13, 21, 22):  # 21, 22, 6 and 7 o'clock in Tokyo
        call(incident, alice, at(f"2026-11-23 {hour:02}:00"), step=str(hour))
    call(incident, bob, at("2026-11-23 13:00"))

    found = of_all()

    assert (found.pages, found.pages_at_night) == (5, 2)


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns", "UTC", "Europe/Berlin"])
def test_the_line_on_the_dashboard_knows_the_first_and_the_last_minute_of_a_night(
    team: Team, zone: str
) -> None:
    user = make_user("dan", time_zone=zone)
    for place, clock in enumerate(["06:59:59", "07:00:00", "21:59:59", "22:00:00"]):
        moment = datetime.fromisoformat(f"2026-11-23 {clock}").replace(tzinfo=ZoneInfo(zone))
        call(make_incident(team, now=moment), user, moment, step=str(place))

    found = Incident.objects.all()

    brief = figures.brief(found, NOON - timedelta(days=2))
    assert brief.pages_at_night == figures.of(found).pages_at_night == 2


def test_only_what_called_a_second_step_of_one_episode_went_past_the_first(
    team: Team, alice: User
) -> None:
    bob = make_user("bob")
    answered, past, reopened, by_hand = (make_incident(team) for _ in range(4))
    call(answered, alice, NOON)
    call(answered, bob, NOON)
    call(past, alice, NOON)
    call(past, alice, NOON, step="2")
    call(reopened, alice, NOON)
    call(reopened, alice, NOON, episode=2)
    call(by_hand, alice, NOON)
    call(by_hand, bob, NOON, step="asked")

    assert of_all().escalated == 1


def test_sources_are_counted_by_severity_the_noisiest_first(team: Team) -> None:
    make_incident(team, source_label="Quiet", severity="info", urgency="none")
    make_incident(team, source_label="Loud", severity="critical")
    make_incident(team, source_label="Loud", severity="high")

    found = of_all()

    assert [(one.label, one.by_severity) for one in found.sources] == [
        ("Loud", [1, 1, 0, 0]),
        ("Quiet", [0, 0, 0, 1]),
    ]
    assert found.by_severity == {"critical": 1, "high": 1, "warning": 0, "info": 1}


def test_the_log_shows_thirty_days_by_the_viewers_own_clock(page: Client, team: Team) -> None:
    # In Tokyo it is the evening of the 23rd: the first day is 25 October.
    make_incident(team, title="Within", now=at("2026-10-25 00:00", "Asia/Tokyo"))
    make_incident(team, title="Before", now=at("2026-10-24 23:59", "Asia/Tokyo"))

    response = page.get("/incidents/log")

    assert [row["incident"].title for row in response.context["rows"]] == ["Within"]
    assert b"25 Oct 2026 to 23 Nov 2026" in response.content


def test_the_log_is_narrowed_by_team_severity_and_source(
    page: Client, team: Team, alice: User
) -> None:
    wanted: dict[str, Any] = {"severity": "high", "source_label": "Prometheus"}
    make_incident(team, title="Wanted", **wanted)
    make_incident(team, title="Milder", severity="warning", source_label="Prometheus")
    make_incident(team, title="Other source", severity="high")
    make_incident(make_team("Web", alice), title="Other team", **wanted)

    response = page.get(f"/incidents/log?team={team.pk}&severity=high&source=Prometheus")

    assert [row["incident"].title for row in response.context["rows"]] == ["Wanted"]
    assert response.context["figures"].total == 1


def test_a_period_with_one_end_is_given_the_other(page: Client, team: Team) -> None:
    up_to = page.get("/incidents/log?to=2026-03-30").context["asked"]
    since = page.get("/incidents/log?from=2026-03-30").context["asked"]

    assert (f"{up_to.first_on}", f"{up_to.last_on}") == ("2026-03-01", "2026-03-30")
    assert (f"{since.first_on}", f"{since.last_on}") == ("2026-03-30", "2026-11-23")


def test_an_empty_log_says_where_to_look(page: Client, team: Team) -> None:
    assert b"Choose an earlier day" in page.get("/incidents/log").content


def test_a_full_log_costs_few_queries(
    page: Client, team: Team, alice: User, django_assert_num_queries: Any
) -> None:
    for number in range(60):
        call(make_answered(team, number, resolved=90), alice, NOON)

    # Session, person, teams; first, last and newest of the days; a page of rows and when they were
    # taken; sources; groups, first taken, waits, pages.
    with django_assert_num_queries(13):
        response = page.get("/incidents/log")

    assert (len(response.context["rows"]), response.context["figures"].total) == (50, 60)


def rows_of(response: Any) -> list[dict[str, str]]:
    text = response.getvalue().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_csv_has_the_same_incidents_with_times_in_the_viewers_zone(
    page: Client, team: Team, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BATCH", 2)
    call(make_answered(team, 2, resolved=10, title="Ärger"), alice, NOON)
    for number in range(3):
        make_incident(team, title=f"Open {number}", severity="critical")
    make_incident(team, title="Test", is_test=True)

    response = page.get("/incidents/log.csv")
    found = rows_of(response)

    assert [row["title"] for row in found] == ["Open 2", "Open 1", "Open 0", "Ärger"]
    assert found[3]["opened"] == "2026-11-23 21:00:00+09:00"
    assert (found[3]["seconds to acknowledge"], found[3]["seconds to resolve"]) == ("120", "600")
    assert (found[3]["pages"], found[0]["acknowledged"]) == ("1", "")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert [row["title"] for row in rows_of(page.get("/incidents/log.csv?severity=high"))] == [
        "Ärger"
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "\uff1d"])
def test_no_cell_of_the_csv_begins_a_formula(page: Client, team: Team, start: str) -> None:
    hostile = f'{start}HYPERLINK("http://evil.example.com";"x"),"\n'
    make_incident(team, title=hostile, source_label=hostile)

    (row,) = rows_of(page.get("/incidents/log.csv"))

    assert (row["title"], row["source"]) == (f"'{hostile}", f"'{hostile}")


def test_the_report_tells_the_whole_story_in_its_order(
    page: Client, team: Team, alice: User
) -> None:
    incident = make_answered(
        team,
        2,
        resolved=10,
        title="Disk full",
        links=[{"label": "Runbook", "url": "https://r.example.com/"}],
    )
    incident.timeline.create(kind="note", text="Cleared the log", actor=alice, at=NOON + minutes(5))

    text = page.get(f"/incidents/{incident.pk}/report").content.decode()

    assert text.index("2026-11-23 21:02:00") < text.rindex("2026-11-23 21:05:00")
    assert "<strong><bdi>alice</bdi></strong>: <bdi>Cleared the log</bdi>" in text
    assert 'href="https://r.example.com/"' in text
    assert "after 10 min" in text
    assert "Times are in Asia/Tokyo" in text


def test_another_teams_report_is_not_there(page: Client, team: Team) -> None:
    incident = make_incident(make_team("Strangers"))

    assert page.get(f"/incidents/{incident.pk}/report").status_code == 404
