"""Alert sources in the admin, and the fragment on an incident's page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from alertsources.models import Alert, AlertSource, ReceivedPayload
from alertsources.showing import LONGEST, readable_body
from alertsources.tests import bodies
from alertsources.tests.bodies import KEY, post
from incidents.models import Incident
from pagerpal.testing import make_admin, make_policy, make_source, make_team, make_user
from schedules.models import User

pytestmark = pytest.mark.django_db

ADD = "/admin/alertsources/alertsource/add/"
LIST = "/admin/alertsources/alertsource/"


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(make_admin())
    return client


def fields(**changed: Any) -> dict[str, Any]:
    return {
        "name": "prod",
        "kind": "generic",
        "default_severity": "high",
        "group_by": "sender",
        "group_labels": "[]",
        "is_active": "on",
        "limit_per_minute": "30000",
        "keep_days": "14",
        "rules-TOTAL_FORMS": "0",
        "rules-INITIAL_FORMS": "0",
        **changed,
    }


def key_in(page: str) -> str:
    found = re.search(r"/in/([a-z0-9]{32})<", page)
    return found.group(1) if found else ""


def test_a_new_source_shows_its_key_once_and_the_key_works(admin: Client) -> None:
    answer = admin.post(ADD, fields(team=make_team().pk, _continue="1"), follow=True)
    key = key_in(answer.content.decode())

    assert post({"title": "x"}, f"/in/{key}").status_code == 202
    source = AlertSource.objects.get()
    page = admin.get(f"{LIST}{source.pk}/change/").content.decode()
    assert key not in page
    assert f"********{key[-4:]}" in page


def test_a_new_key_works_beside_the_old_one(admin: Client) -> None:
    source, other = make_source(make_team()), make_source(make_team("Web"), key="j" * 32)
    chosen = {"action": "new_key", "_selected_action": [source.pk, other.pk]}

    asked = admin.post(LIST, chosen).content.decode()
    source.refresh_from_db()
    assert "Another key for these sources?" in asked
    assert source.old_key_until is None
    sent = {**chosen, "asked": [source.pk, other.pk], "seen": [source.key_hint, "gone"]}
    page = admin.post(LIST, sent, follow=True).content.decode()

    assert f"The key of {other.name} was changed a moment ago: nothing was done." in page
    assert "works for another 24 hours" in page
    assert post({"title": "x"}, key=key_in(page)).status_code == 202
    assert post({"title": "x"}).status_code == 202
    assert "the one before works until" in admin.get(f"{LIST}{source.pk}/change/").content.decode()


@pytest.mark.parametrize(
    ("sent", "old_works", "said"),
    [
        ({}, 202, "works for another 24 hours"),
        ({"at_once": "1"}, 403, "The old key works no more."),
        ({"seen": "gone"}, 202, "was changed a moment ago"),
    ],
)
def test_the_tool_for_a_new_key_asks_first(
    admin: Client, sent: dict[str, str], old_works: int, said: str
) -> None:
    source = make_source(make_team())
    at = f"{LIST}{source.pk}/key/"

    asked = admin.get(at).content.decode()
    assert at in admin.get(f"{LIST}{source.pk}/change/").content.decode()
    source.refresh_from_db()
    assert f'name="seen" value="{source.key_hint}"' in asked
    assert source.old_key_until is None

    page = admin.post(at, {"seen": source.key_hint, **sent}, follow=True).content.decode()

    assert said in page
    assert bool(key_in(page)) is ("seen" not in sent)
    assert post({"title": "x"}).status_code == old_works


def test_editing_a_source_keeps_its_key(admin: Client) -> None:
    source = make_source(make_team())

    admin.post(f"{LIST}{source.pk}/change/", fields(team=source.team_id, name="other"))

    assert AlertSource.objects.get().name == "other"
    assert post({"title": "x"}).status_code == 202


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"group_labels": '{"a": 1}'}, "Expected a list of label names"),
        ({"group_labels": "[1]"}, "Expected a list of label names"),
        ({"group_by": "labels"}, "Name at least one label"),
    ],
)
def test_labels_to_group_by_are_checked(
    admin: Client, changed: dict[str, str], complaint: str
) -> None:
    answer = admin.post(ADD, fields(team=make_team().pk, **changed))

    assert complaint in answer.content.decode()


def test_a_policy_of_another_team_is_refused(admin: Client) -> None:
    policy = make_policy(make_team("Other"))

    answer = admin.post(ADD, fields(team=make_team().pk, policy=policy.pk))

    assert "This policy pages Other, not Platform." in answer.content.decode()


def test_what_came_is_shown_escaped(admin: Client) -> None:
    source = make_source(make_team(), kind="alertmanager")
    post(bodies.alertmanager("unicode_and_control_chars"))
    post(bodies.nasty("not_json.txt"))

    page = admin.get(f"{LIST}{source.pk}/change/").content.decode()

    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    assert "hello" in page
    assert "2026" in admin.get(LIST).content.decode()


@pytest.mark.parametrize("model", ["alert", "receivedpayload"])
def test_logs_can_be_read_and_not_changed(admin: Client, model: str) -> None:
    make_source(make_team())
    post({"title": "Disk full"})
    pk = (Alert if model == "alert" else ReceivedPayload)._default_manager.get().pk

    listed = admin.get(f"/admin/alertsources/{model}/")
    shown = admin.get(f"/admin/alertsources/{model}/{pk}/change/")

    assert (listed.status_code, shown.status_code) == (200, 200)
    assert "Disk full" in shown.content.decode()
    assert admin.post(f"/admin/alertsources/{model}/{pk}/change/", {}).status_code == 403
    assert admin.get(f"/admin/alertsources/{model}/add/").status_code == 403


def test_lists_take_few_queries(admin: Client, django_assert_max_num_queries: Any) -> None:
    team = make_team()
    for number in range(5):
        make_source(team, key=f"{number}" * 32)
        post({"title": f"x{number}"}, key=f"{number}" * 32)

    for model in ("alertsource", "alert", "receivedpayload"):
        with django_assert_max_num_queries(12):
            admin.get(f"/admin/alertsources/{model}/")


def test_a_deeply_nested_message_is_shown_cut() -> None:
    body = b"[" * 300 + b"1," * 50_000 + b"1" + b"]" * 300

    assert len(readable_body(ReceivedPayload(body=body))) <= LONGEST


@pytest.fixture
def incident() -> Incident:
    make_source(make_team("Shop", make_user("alice")), key=KEY, name="prod")
    post({"title": "<b>Disk</b>"})
    return Incident.objects.get()


def alerts_of(incident: Incident, name: str, **headers: str) -> Any:
    client = Client()
    client.force_login(User.objects.get(name=name))
    return client.get(reverse("alertsources:incident-alerts", args=[incident.pk]), headers=headers)


def test_the_fragment_shows_alerts_and_the_raw_message(incident: Incident) -> None:
    page = alerts_of(incident, "alice", **{"HX-Request": "true"}).content.decode()

    assert page.lstrip().startswith('<div id="incident-alerts">')
    assert "&lt;b&gt;Disk" in page
    assert "Newest raw message" in page


def test_without_htmx_it_is_a_page(incident: Incident) -> None:
    page = alerts_of(incident, "alice").content.decode()

    assert "<html" in page
    assert "&lt;b&gt;Disk" in page


def test_alerts_are_shown_to_the_incidents_team_only(incident: Incident) -> None:
    make_user("mallory")
    make_admin()

    assert alerts_of(incident, "mallory").status_code == 404
    assert alerts_of(incident, "root").status_code == 200
    url = reverse("alertsources:incident-alerts", args=[incident.pk])
    assert Client().get(url).status_code == 302
