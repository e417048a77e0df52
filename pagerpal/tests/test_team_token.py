"""The token of a team: how it is made and ended, and all that it opens."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.conf import settings as configured
from django.core import signing
from django.test import Client
from django.utils import timezone

from incidents.models import Incident
from pagerpal import team_tokens
from pagerpal.logs import mask
from pagerpal.models import TeamToken
from pagerpal.testing import make_incident, make_rotation, make_team, make_user
from schedules import people
from schedules.models import Membership, SettingChange, Team, User

pytestmark = pytest.mark.django_db
NAME = configured.TEAM_COOKIE_NAME


@pytest.fixture
def lena() -> User:
    return make_user("lena")


@pytest.fixture
def team(lena: User) -> Team:
    team = make_team("Platform", leads=(lena,))
    make_rotation(team, lena)
    return team


@pytest.fixture
def guest(team: Team, lena: User) -> Client:
    """A browser in which Ann has entered the token."""
    link = team_tokens.make(team, lena, days=7, now=timezone.now())
    client = Client()
    response = client.post(_path(link), {"name": "Ann"})
    assert response.status_code == 302
    return client


def _path(link: str) -> str:
    return link.removeprefix(configured.PAGERPAL_BASE_URL)


def test_a_lead_makes_it_and_it_is_shown_once(client: Client, team: Team, lena: User) -> None:
    client.force_login(lena)
    page = f"/teams/{team.pk}/token"

    made = client.post(page, {"days": 90}).content.decode()
    later = client.get(page).content.decode()

    link = re.search(r"<code>(http[^<]+)</code>", made)
    assert link
    assert Client().get(_path(link[1])).status_code == 200
    assert link[1] not in later
    row = TeamToken.objects.get()
    assert link[1].rpartition("/")[2] not in row.token_hash
    assert row.expires_at - row.made_at == timedelta(days=90)


def test_the_admins_page_of_the_team_leads_there(client: Client, team: Team, lena: User) -> None:
    client.force_login(lena)

    page = client.get(f"/admin/schedules/team/{team.pk}/change/").content.decode()

    assert f'href="/teams/{team.pk}/token"' in page


def test_a_look_at_the_link_lets_nobody_in(team: Team, lena: User) -> None:
    link, client = team_tokens.make(team, lena, days=7, now=timezone.now()), Client()

    looked = client.get(_path(link))
    nameless = client.post(_path(link), {"name": " \u202e "})

    assert (looked.status_code, nameless.status_code) == (200, 200)
    assert NAME not in client.cookies
    assert client.get("/team").status_code == 403


def test_its_holder_sees_the_teams_incidents_and_who_is_on_call(guest: Client, team: Team) -> None:
    ours, others = make_incident(team, title="Disk full"), make_incident(make_team("Web"))

    page = guest.get("/team").content.decode()

    assert "Disk full" in page
    assert "lena" in page
    assert guest.get(f"/team/incidents/{ours.pk}").status_code == 200
    assert guest.get(f"/team/incidents/{others.pk}").status_code == 403
    assert guest.post(f"/team/incidents/{others.pk}/resolve").status_code == 403
    assert guest.post(f"/team/incidents/{others.pk}/note", {"text": "x"}).status_code == 403


@pytest.mark.parametrize(
    ("word", "state"), [("acknowledge", "acknowledged"), ("resolve", "resolved")]
)
def test_their_acts_stand_on_the_timeline_by_their_name(
    guest: Client, team: Team, word: str, state: str
) -> None:
    incident = make_incident(team)

    guest.post(f"/team/incidents/{incident.pk}/{word}")
    again = guest.post(f"/team/incidents/{incident.pk}/{word}", follow=True).content.decode()
    guest.post(f"/team/incidents/{incident.pk}/note", {"text": "cable pulled"})

    incident.refresh_from_db()
    texts = list(incident.timeline.values_list("text", flat=True))
    assert incident.state == state
    assert f"{state.capitalize()} by Ann (team token)." in "\n".join(texts)
    assert "Ann (team token): cable pulled" in texts
    assert "You have" not in again
    assert incident.timeline.filter(via="team token").count() == 2


def test_whoever_took_it_without_an_account_is_named_to_all(guest: Client, team: Team) -> None:
    incident, bob = make_incident(team, title="Disk full"), make_user("bob")
    Membership.objects.create(team=team, user=bob)
    guest.post(f"/team/incidents/{incident.pk}/acknowledge")
    client = Client()
    client.force_login(bob)

    pages = [one.content.decode() for one in (
        guest.get("/team"), client.get("/incidents"), client.get(f"/incidents/{incident.pk}"),
    )]  # fmt: skip
    again = client.post(f"/incidents/{incident.pk}/acknowledge", follow=True).content.decode()

    assert all("<bdi>Ann (team token)</bdi> has it" in page for page in pages)
    assert "Ann (team token) has it since" in again
    client.post(f"/incidents/{incident.pk}/reassign", {"to": bob.pk})
    incident.refresh_from_db()
    assert (incident.holder, incident.owner_label) == ("bob", "")
    assert incident.timeline.filter(text="bob took it over from Ann (team token).").exists()


def test_what_a_person_has_is_resolved_by_a_second_tap_alone(guest: Client, team: Team) -> None:
    bob = make_user("bob")
    theirs = make_incident(team, state="acknowledged", owner=bob)
    own = make_incident(team)
    guest.post(f"/team/incidents/{own.pk}/acknowledge")

    asked = guest.get(f"/team/incidents/{theirs.pk}").content.decode()
    at_once = guest.get(f"/team/incidents/{own.pk}").content.decode()

    assert "<bdi>bob</bdi> has it. Resolve it all the same?" in asked
    assert "all the same" not in at_once


def test_what_it_does_not_open_leads_back_to_what_it_opens(guest: Client, team: Team) -> None:
    others = make_incident(make_team("Web"), title="Secret")

    refused = guest.get(f"/team/incidents/{others.pk}")
    missing = guest.get("/team/incidents/0")

    assert (refused.status_code, missing.status_code) == (403, 404)
    for page in (refused.content.decode(), missing.content.decode()):
        assert 'class="brand" href="/team"' in page
        assert "Secret" not in page


@pytest.mark.parametrize("word", ["snooze", "merge", "reassign", "page", "nonsense"])
def test_what_needs_an_account_is_no_act_of_theirs(guest: Client, team: Team, word: str) -> None:
    incident = make_incident(team)

    guest.post(f"/team/incidents/{incident.pk}/{word}", {"minutes": 60, "for": "60"})

    incident.refresh_from_db()
    assert (incident.state, incident.timeline.count()) == ("triggered", 0)


def test_what_was_resolved_long_ago_is_for_people_who_sign_in(guest: Client, team: Team) -> None:
    old = make_incident(team)
    at = timezone.now() - timedelta(days=8)
    Incident.objects.update(state="resolved", resolved_at=at, escalate_at=None)

    assert guest.get(f"/team/incidents/{old.pk}").status_code == 403


@pytest.mark.parametrize(
    "ending",
    ["off", "another", "over", "team off", "maker switched off", "maker left the team"],
)
def test_its_end_ends_what_was_entered_with_it_at_once(
    guest: Client, team: Team, lena: User, ending: str
) -> None:
    now, boss = timezone.now(), make_user("boss")
    if ending == "off":
        team_tokens.end(team)
    elif ending == "another":
        team_tokens.make(team, lena, days=7, now=now)
    elif ending == "over":
        TeamToken.objects.update(expires_at=now)
    elif ending == "team off":
        Team.objects.update(is_active=False)
    elif ending == "maker switched off":
        people.switch_off(lena, boss, now=now)
    else:
        people.leave_team(Membership.objects.get(user=lena), boss, now=now)

    assert guest.get("/team").status_code == 403


def test_a_maker_who_comes_back_brings_no_token_back(team: Team, lena: User, guest: Client) -> None:
    people.switch_off(lena, make_user("boss"), now=timezone.now())
    User.objects.update(is_active=True)

    assert guest.get("/team").status_code == 403


def test_who_made_and_ended_it_is_in_the_history_of_settings(
    client: Client, team: Team, lena: User
) -> None:
    client.force_login(lena)
    client.post(f"/teams/{team.pk}/token", {"days": 90})
    client.post(f"/teams/{team.pk}/token", {"off": "1"})

    found = SettingChange.objects.filter(model="pagerpal.teamtoken").order_by("pk")
    assert [(one.actor, one.act, one.team) for one in found] == [
        (lena, "added", team),
        (lena, "removed", team),
    ]
    assert "not shown" in str(found[0].changes["token_hash"])


def test_leaving_takes_the_cookie_away(guest: Client) -> None:
    guest.post("/team/leave")

    assert guest.get("/team").status_code == 403


def _tampered(cookie: str, way: str, other: str) -> str:
    body, at, signature = cookie.rsplit(":", 2)
    ways: dict[str, str] = {
        "junk": "junk",
        "empty": "",
        "signature": f"{body}:{at}:{signature[:-1]}{'A' if signature[-1] != 'A' else 'B'}",
        "body": f"{other.rsplit(':', 2)[0]}:{at}:{signature}",
        "time": f"{body}:1zzzzz:{signature}",
        "of another purpose": other,
        "zero": f"{body}\0:{at}:{signature}",
    }
    return ways[way]


@pytest.mark.parametrize(
    "way", ["junk", "empty", "signature", "body", "time", "of another purpose", "zero"]
)
def test_a_cookie_that_was_tampered_with_opens_nothing(guest: Client, way: str) -> None:
    found = TeamToken.objects.get()
    other = signing.dumps([found.pk, found.token_hash[:24], "Eve"], salt="pagerpal.known_browsers")
    guest.cookies[NAME] = _tampered(guest.cookies[NAME].value, way, other)

    assert guest.get("/team").status_code == 403


def test_the_cookie_is_for_pages_of_the_team_alone_and_is_not_kept(guest: Client) -> None:
    cookie = guest.cookies[NAME]

    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert "no-store" in guest.get("/team")["Cache-Control"]
    assert guest.get("/dashboard").status_code == 302
    assert guest.get("/admin/").status_code == 302


def test_the_token_stays_out_of_the_logs() -> None:
    assert mask("GET /team/enter/abcdEFGH1234_-x HTTP") == "GET /team/enter/*** HTTP"
