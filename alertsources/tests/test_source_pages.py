"""The pages of alert sources: who sees what, what came, and setting sources up."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from alertsources import refusals
from alertsources.keys import give_key
from alertsources.models import AlertSource, ReceivedPayload
from alertsources.tests.bodies import KEY, post
from alertsources.tests.test_looking import set_up
from incidents.models import Incident
from pagerpal.testing import NOON, make_admin, make_policy, make_source, make_team, make_user
from schedules.models import Membership, Team, User

pytestmark = pytest.mark.django_db

LIST = "/alert-sources"


def visit(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def lead() -> User:
    return make_user("lead")


@pytest.fixture
def team(lead: User) -> Team:
    return make_team("Shop", make_user("alice"), leads=(lead,))


@pytest.fixture
def source(team: Team) -> AlertSource:
    return make_source(team, key=KEY, name="prod")


@pytest.fixture
def client(lead: User) -> Client:
    return visit(lead)


def page(client: Client, path: str, **options: Any) -> str:
    answer = client.get(path, **options)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def fields(team: Team, **changed: Any) -> dict[str, Any]:
    return {
        "team": team.pk,
        "name": "prod",
        "kind": "generic",
        "default_severity": "high",
        "group_by": "sender",
        "limit_per_minute": "30000",
        "keep_days": "14",
        **changed,
    }


def of(source: AlertSource, rest: str = "") -> str:
    return f"{LIST}/{source.pk}{rest}"


# --- Who sees what -------------------------------------------------------------------------------


def test_each_sees_the_sources_of_their_teams_and_admins_all(source: AlertSource) -> None:
    make_source(make_team("Web"), name="other", key="o" * 32)
    observer = make_user("olga")
    Membership.objects.create(team=source.team, user=observer, role=Membership.Role.OBSERVER)

    shown = page(visit(observer), LIST)
    assert ("prod" in shown, "other" in shown) == (True, False)
    shown = page(visit(make_admin()), LIST)
    assert ("prod" in shown, "other" in shown) == (True, True)


def test_the_page_of_another_teams_source_is_not_there(source: AlertSource) -> None:
    post({"title": "secret"})
    number = ReceivedPayload.objects.get().pk
    stranger = visit(make_user("mallory"))

    for rest in ("", "/live", "/edit", f"/messages/{number}"):
        assert stranger.get(of(source, rest)).status_code == 404
    for rest in ("/key", "/switch", "/test"):
        assert stranger.post(of(source, rest)).status_code == 404
    assert Client().get(of(source)).status_code == 302


@pytest.mark.parametrize("role", [Membership.Role.RESPONDER, Membership.Role.OBSERVER])
def test_who_does_not_lead_looks_and_is_told_who_may_change(source: AlertSource, role: str) -> None:
    user = make_user("rosa")
    Membership.objects.create(team=source.team, user=user, role=role)
    looking = visit(user)

    shown = page(looking, of(source))
    refused = [looking.post(of(source, rest)) for rest in ("/key", "/switch", "/test", "/edit")]

    assert "Set up its sender" in shown
    assert not {"New key", "Page me only", "Switch off"} & set(re.findall(r">([^<>]+)<", shown))
    assert {answer.status_code for answer in refused} == {403}
    assert "Leads of Shop and admins" in refused[0].content.decode()
    assert looking.get(f"{LIST}/new").status_code == 403


def test_a_lead_is_led_to_the_rules_and_to_how_messages_are_read(
    source: AlertSource, client: Client
) -> None:
    for kind, is_mapped in (("generic", False), ("any-json", True)):
        AlertSource.objects.update(kind=kind)

        links = re.findall(r'href="(/admin/[^"]+)"', page(client, of(source)))

        found = [link for link in links if f"/{source.pk}/" in link]
        assert [link.endswith("/mapping/") for link in found] == [True, False][not is_mapped :]
        assert all(client.get(link).status_code == 200 for link in found)


def test_a_message_names_only_incidents_that_one_may_open(
    source: AlertSource, client: Client
) -> None:
    post({"title": "x"})
    Incident.objects.update(team=make_team("Web"))
    number = Incident.objects.get().pk

    shown = page(client, of(source))

    assert f"#{number} of another team" in shown
    assert f"/incidents/{number}" not in shown


def test_only_teams_that_one_leads_can_be_chosen(source: AlertSource, client: Client) -> None:
    web = make_team("Web", leads=())
    policy = make_policy(web)

    assert ">Web<" not in page(client, f"{LIST}/new")
    answer = client.post(f"{LIST}/new", fields(web, name="mine"))
    assert "Select a valid choice" in answer.content.decode()
    client.post(of(source, "/edit"), fields(source.team, policy=policy.pk))
    source.refresh_from_db()
    assert source.policy is None


# --- The list ------------------------------------------------------------------------------------


def test_the_list_says_what_came_and_what_was_refused(source: AlertSource, client: Client) -> None:
    refusals.tally.forget()
    assert "nothing has come yet" in page(client, LIST)
    post({"title": "x"})
    post({"title": "y"})
    assert "2 today" in page(client, LIST)

    give_key(source, now=NOON - timedelta(days=400))
    post({"title": "x"})

    assert "refused 1: an old key that works no longer" in page(client, LIST)
    set_up(source, is_active=False)
    assert "switched off" in page(client, LIST)


def test_a_silent_source_says_for_how_long(source: AlertSource, client: Client) -> None:
    long_ago = timezone.now() - timedelta(hours=26)
    set_up(source, warn_if_silent_for=timedelta(hours=24), created_at=long_ago)

    for path in (LIST, of(source)):
        assert "silent for 26 hours, expected every 24 hours" in page(client, path)


def test_the_poll_is_answered_204_until_something_comes(
    source: AlertSource, client: Client
) -> None:
    for path in (LIST, of(source, "/live")):
        [seen] = set(re.findall(r"seen=([0-9a-f]{16})", page(client, path)))
        htmx = {"HX-Request": "true"}
        assert client.get(f"{path}?seen={seen}", headers=htmx).status_code == 204

        post({"title": path})

        news = client.get(f"{path}?seen={seen}", headers=htmx)
        assert (news.status_code, "<html" in news.content.decode()) == (200, False)


def test_tests_count_nowhere(source: AlertSource, client: Client) -> None:
    client.post(of(source, "/test"))

    assert "nothing has come yet" in page(client, LIST)
    assert "Waiting for your first real alert" in page(client, of(source, "/live"))


def test_pages_take_few_queries(
    source: AlertSource, client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(5):
        make_source(source.team, key=f"{number}" * 32)
        post({"title": f"x{number}"}, key=f"{number}" * 32)
        post({"title": f"x{number}"})

    with django_assert_max_num_queries(10):
        page(client, LIST)
    with django_assert_max_num_queries(16):
        page(client, of(source))


# --- One source ----------------------------------------------------------------------------------


def test_the_page_shows_how_to_set_up_without_the_key(source: AlertSource, client: Client) -> None:
    shown = page(client, of(source))

    assert "********kkkk" in shown
    assert KEY not in shown
    assert "data-copy=" in shown
    assert "curl -X POST" in shown


def test_what_came_is_shown_escaped(source: AlertSource, client: Client) -> None:
    post({"title": "<script>alert(1)</script>"})
    [message] = source.payloads.all()

    for headers in ({}, {"HX-Request": "true"}):
        shown = page(client, of(source, f"/messages/{message.pk}"), headers=headers)
        assert "&lt;script&gt;alert(1)" in shown
        assert "<script>alert(1)" not in shown
    shown = page(client, of(source))
    assert f"/incidents/{Incident.objects.get().pk}" in shown
    assert "Received" in shown


def test_a_message_of_another_source_is_not_there(source: AlertSource, client: Client) -> None:
    make_source(make_team("Web"), key="o" * 32)
    post({"title": "x"}, key="o" * 32)

    assert (
        client.get(of(source, f"/messages/{ReceivedPayload.objects.get().pk}")).status_code == 404
    )


def test_older_messages_are_on_the_next_page(source: AlertSource, client: Client) -> None:
    rows = [
        ReceivedPayload(source=source, received_at=NOON, body=b"{}", result="taken", note=f"n{n}.")
        for n in range(25)
    ]
    ReceivedPayload.objects.bulk_create(rows)

    seen, path = [], of(source)
    while path:
        shown = page(client, path)
        seen += re.findall(r"n(\d+)\.", shown)
        following = re.search(r"\?before=(\d+)", shown)
        path = f"{of(source)}?before={following.group(1)}" if following else ""

    assert seen == [str(n) for n in reversed(range(25))]
    assert "n24." in page(client, f"{of(source)}?before=junk")


# --- Acts ----------------------------------------------------------------------------------------


def key_in(shown: str) -> str:
    found = re.search(r"/in/([a-z0-9]{32})<", shown)
    return found.group(1) if found else ""


def test_a_new_source_shows_its_key_once_and_the_key_works(client: Client, team: Team) -> None:
    made = client.post(f"{LIST}/new", fields(team), follow=True).content.decode()
    key = key_in(made)

    assert post({"title": "x"}, f"/in/{key}").status_code == 202
    source = AlertSource.objects.get()
    assert f"X-API-Key: {key}" in made.replace("&#x27;", "'")
    again = page(client, of(source))
    assert key not in again
    assert f"********{key[-4:]}" in again


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"name": ""}, "required"),
        ({"name": "prod"}, "already exists"),
        ({"group_by": "labels"}, "Name at least one label"),
        ({"keep_days": "0"}, "greater than or equal to 1"),
        ({"kind": "nonsense"}, "Select a valid choice"),
        ({"wait_for": "-00:01:00"}, "0:00:00 is the least"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    client: Client, source: AlertSource, changed: dict[str, str], complaint: str
) -> None:
    answer = client.post(f"{LIST}/new", fields(source.team, **({"name": "new"} | changed)))

    assert answer.status_code == 200
    assert complaint in answer.content.decode()
    assert AlertSource.objects.count() == 1


def test_an_edit_keeps_the_key_and_says_what_was_changed(
    client: Client, source: AlertSource
) -> None:
    asked = fields(source.team, name="other", group_by="labels", group_labels="job, env")
    client.post(of(source, "/edit"), asked)

    source.refresh_from_db()
    assert (source.name, source.group_labels) == ("other", ["job", "env"])
    assert "job, env" in page(client, of(source, "/edit"))
    assert post({"title": "x"}).status_code == 202
    assert LogEntry.objects.get().change_message.startswith("Changed on its page: name")


def test_an_edit_leaves_alone_what_its_form_does_not_show(
    client: Client, source: AlertSource
) -> None:
    set_up(source, settings={"mapping": {"title": "event"}}, topic_arn="arn:x")
    client.post(of(source, "/edit"), fields(source.team, recovery_words="x", name="other"))

    source.refresh_from_db()
    assert source.settings == {"mapping": {"title": "event"}}
    assert (source.name, source.topic_arn, source.is_active) == ("other", "arn:x", True)


def test_words_of_recovery_are_set_where_mails_come(client: Client, source: AlertSource) -> None:
    set_up(source, kind="email")
    assert "Words of recovery" in page(client, of(source, "/edit"))

    client.post(of(source, "/edit"), fields(source.team, kind="email", recovery_words="BACK\nUP"))

    source.refresh_from_db()
    assert source.settings["recovery_words"] == ["BACK", "UP"]


def test_a_new_key_works_beside_the_old_one(client: Client, source: AlertSource) -> None:
    answer = client.post(of(source, "/key"), {"seen": "kkkk"}, follow=True)
    shown = answer.content.decode()

    assert "works for another 24 hours" in shown
    assert post({"title": "x"}, key=key_in(shown)).status_code == 202
    assert post({"title": "x"}).status_code == 202
    assert "ends at once" in page(client, of(source))


def test_a_second_tap_does_not_end_the_key_in_use(client: Client, source: AlertSource) -> None:
    client.post(of(source, "/key"), {"seen": "kkkk"})
    answer = client.post(of(source, "/key"), {"seen": "kkkk"}, follow=True)

    assert "changed a moment ago" in answer.content.decode()
    assert post({"title": "x"}).status_code == 202


def test_a_key_in_wrong_hands_ends_at_once(client: Client, source: AlertSource) -> None:
    client.post(of(source, "/key"), {"seen": "kkkk", "at_once": "1"})

    assert post({"title": "x"}).status_code == 403


def test_it_is_switched_off_and_on_again(client: Client, source: AlertSource) -> None:
    client.post(of(source, "/switch"), {"to": "off"})
    assert post({"title": "x"}).status_code == 403
    shown = page(client, of(source))
    assert "Its open incidents page on" in shown
    assert "Page me only" not in shown
    refused = client.post(of(source, "/test"), follow=True).content.decode()
    assert "prod is switched off" in refused

    client.post(of(source, "/switch"), {"to": "on"})
    assert post({"title": "x"}).status_code == 202


def test_a_source_of_a_team_that_is_off_stays_off(source: AlertSource) -> None:
    set_up(source, is_active=False)
    Team.objects.update(is_active=False)

    answer = visit(make_admin()).post(of(source, "/switch"), {"to": "on"}, follow=True)

    assert "Shop is switched off: nobody would answer" in answer.content.decode()
    source.refresh_from_db()
    assert not source.is_active


@pytest.mark.parametrize(("how", "urgency"), [("me", "none"), ("policy", "high"), ("", "none")])
def test_a_test_pages_only_me_unless_the_policy_is_asked_for(
    client: Client, source: AlertSource, how: str, urgency: str
) -> None:
    answer = client.post(of(source, "/test"), {"how": how}, follow=True)

    incident = Incident.objects.get()
    assert (incident.is_test, incident.urgency) == (True, urgency)
    assert f"TEST #{incident.pk}</a> is open" in answer.content.decode()


def test_a_signing_secret_can_be_set_and_forgotten_on_the_page(
    client: Client, source: AlertSource
) -> None:
    set_up(source, kind="grafana")
    client.post(of(source, "/edit"), fields(source.team, kind="grafana", signing_secret="hush"))
    source.refresh_from_db()
    assert source.signing_secret == "hush"
    assert "hush" not in page(client, of(source, "/edit"))

    client.post(of(source, "/edit"), fields(source.team, kind="grafana", forget_secret="on"))

    source.refresh_from_db()
    assert source.signing_secret == ""


@pytest.mark.parametrize("field", ["wait_for", "auto_resolve_after", "warn_if_silent_for"])
@pytest.mark.parametrize("value", ["999999999 00:00:00", "-999999999 00:00:00", "x", "9" * 400])
def test_lengths_beyond_all_bounds_are_refused_with_a_sentence(
    client: Client, source: AlertSource, field: str, value: str
) -> None:
    answer = client.post(of(source, "/edit"), fields(source.team, **{field: value}))

    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()


@pytest.mark.parametrize(
    "path",
    [
        f"{LIST}/{'9' * 30}",
        f"{LIST}/{'9' * 30}/live",
        f"{LIST}/0",
        f"{LIST}?page=x&seen=%00",
        f"{LIST}/new?x=%ff",
    ],
)
def test_junk_in_the_address_is_no_error(client: Client, source: AlertSource, path: str) -> None:
    assert client.get(path).status_code in {200, 404}
    before = f"{of(source)}?before="
    assert client.get(f"{before}{'9' * 18}").status_code == 200
    assert client.get(of(source, f"/messages/{'9' * 30}")).status_code == 404
