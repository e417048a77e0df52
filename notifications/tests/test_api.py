"""How people and rooms are reached, and what was sent, by the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from notifications import verification
from notifications.models import Notification
from pagerpal.testing import call_api, make_admin, make_channel, make_team, make_user
from schedules.models import Team, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def team(alice: User) -> Team:
    return make_team("Platform", alice)


def make_message(user: User, team: Team | None = None, **fields: Any) -> Notification:
    now = timezone.now()
    method = user.contact_methods.first()
    values: dict[str, Any] = {
        "purpose": "page", "state": "failed", "settled_at": now, "due_at": now, "thread": "t",
        "channel": "ntfy", "address": "x", "outcome": "no answer", **fields,
    }  # fmt: skip
    key = f"k{Notification.objects.count()}"
    return Notification.objects.create(
        key=key, user=user, team=team, contact_method=method, **values
    )


def test_a_person_adds_verifies_and_removes_an_address(alice: User, settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = True
    made = call_api(alice, "POST", "me/contact-methods", {"channel": "ntfy", "address": "my-topic"})
    path = f"me/contact-methods/{made.json()['id']}"
    seed = Notification.objects.get(purpose="verify").context["seed"]
    wrong = call_api(alice, "POST", f"{path}/code", {"code": "12345"}).json()
    code = verification.code_for(seed)
    right = call_api(alice, "POST", f"{path}/code", {"code": code}).json()
    listed = call_api(alice, "GET", "me/contact-methods").json()["items"]
    gone = call_api(alice, "DELETE", path)

    assert (made.status_code, made.json()["is_verified"]) == (201, False)
    assert (wrong["changed"], right["changed"]) == (False, True), right
    assert [one["is_verified"] for one in listed] == [False, True]
    assert "my-topic" not in str(listed)
    assert (gone.status_code, alice.contact_methods.kept().count()) == (204, 1)


@pytest.mark.parametrize(
    "body",
    [
        {"channel": "pigeon", "address": "x"},
        {"channel": "ntfy", "address": "not a topic!"},
        {"channel": "email", "address": "nobody"},
    ],
)
def test_what_is_no_address_is_422(alice: User, body: dict[str, str]) -> None:
    assert call_api(alice, "POST", "me/contact-methods", body).status_code == 422


def test_an_address_twice_is_refused(alice: User) -> None:
    body = {"channel": "ntfy", "address": "topic-alice"}

    assert call_api(alice, "POST", "me/contact-methods", body).status_code == 409


def test_rules_are_made_changed_and_removed(alice: User) -> None:
    method = alice.contact_methods.get()

    made = call_api(alice, "POST", "me/rules", {"contact_method": method.pk, "after_minutes": 2.5})
    pk = made.json()["id"]
    said = call_api(alice, "PATCH", f"me/rules/{pk}", {"repeats": 3}).json()
    theirs = call_api(make_user("bob"), "PATCH", f"me/rules/{pk}", {"repeats": 1})
    gone = call_api(alice, "DELETE", f"me/rules/{pk}")

    assert (said["after_minutes"], said["repeats"], said["every_seconds"]) == (2.5, 3, 60)
    assert (theirs.status_code, gone.status_code) == (404, 204)


def test_an_admin_sets_another_person_up_and_pages_them(alice: User) -> None:
    root = make_admin()
    path = f"users/{alice.pk}"

    made = call_api(
        root, "POST", f"{path}/contact-methods", {"channel": "email", "address": "a@example.org"}
    )
    method = made.json()["id"]
    rule = call_api(root, "POST", f"{path}/rules", {"contact_method": method, "after_minutes": 1})
    paged = call_api(root, "POST", f"{path}/test-page")

    assert (made.status_code, rule.status_code, paged.status_code) == (201, 201, 200), made.content
    assert alice.contact_methods.count() == 2
    assert Notification.objects.filter(user=alice, purpose="test").exists()


def test_a_person_pages_themselves_and_ends_it(alice: User) -> None:
    begun = call_api(alice, "POST", "me/test-page").json()
    again = call_api(alice, "POST", "me/test-page")
    ended = call_api(alice, "POST", "me/test-page/stop").json()

    assert (begun["is_running"], again.status_code, ended["changed"]) == (True, 409, True)


def test_everybody_sees_their_own_messages_and_leads_their_teams(alice: User, team: Team) -> None:
    bob, lead = make_user("bob"), make_user("lead")
    make_team("Web", bob)
    team.memberships.create(user=lead, role="lead")
    hers, his = make_message(alice, team), make_message(bob)

    def listed(who: User) -> list[int]:
        said = call_api(who, "GET", "notifications?state=failed").json()["items"]
        return [one["id"] for one in said]

    assert (listed(alice), listed(lead), listed(bob)) == ([hers.pk], [hers.pk], [his.pk])
    assert listed(make_admin()) == [his.pk, hers.pk]


def test_nobody_reads_their_own_code_by_the_api(alice: User) -> None:
    """A code proves that a message arrived at its address."""
    rendered = {"title": "Code", "body": "123456", "answer_url": ""}
    row = make_message(alice, purpose="verify", state="held", rendered=rendered)

    assert "123456" not in call_api(alice, "GET", f"notifications/{row.pk}").content.decode()


def test_an_admin_sends_a_message_again(alice: User) -> None:
    row = make_message(alice)

    said = call_api(make_admin(), "POST", f"notifications/{row.pk}/retry").json()
    refused = call_api(alice, "POST", f"notifications/{row.pk}/retry")

    assert (said["changed"], refused.status_code) == (True, 403)
    assert Notification.objects.filter(state="pending", user=alice).count() == 1


def test_a_lead_sets_up_a_channel_but_no_kind_that_is_for_admins(alice: User, team: Team) -> None:
    lead = make_user("lead")
    team.memberships.create(user=lead, role="lead")
    body = {"team": team.pk, "name": "#ops", "channel": "ntfy", "address": "room-ops"}

    made = call_api(lead, "POST", "team-channels", body)
    switched = call_api(lead, "PATCH", f"team-channels/{made.json()['id']}", {"is_on": False})
    apprise = call_api(lead, "POST", "team-channels", {**body, "name": "x", "channel": "apprise"})

    assert (made.status_code, made.json()["wants_opened"]) == (201, True)
    assert (switched.json()["is_on"], apprise.status_code) == (False, 422)
    assert "room-ops" not in made.content.decode()


def test_a_channel_is_tried_out(team: Team) -> None:
    channel = make_channel(team)

    said = call_api(make_admin(), "POST", f"team-channels/{channel.pk}/test").json()

    assert said["changed"] is True
    assert Notification.objects.get().team_channel == channel
