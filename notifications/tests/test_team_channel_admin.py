"""A team's channels are set up in the admin, and each chooses what it is told of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from notifications import dispatch
from notifications.admin import TeamChannelAdmin
from notifications.models import Notification, TeamChannel
from notifications.tests.servers import Reply, provider
from pagerpal.testing import NOON, Recorder, make_admin, make_channel, make_team, make_user
from schedules.models import Team

pytestmark = pytest.mark.django_db
ADD = "/admin/notifications/teamchannel/add/"


@pytest.fixture
def team() -> Team:
    return make_team("Platform")


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def fields(team: Team, **changed: Any) -> dict[str, Any]:
    return {
        **{"team": team.pk, "name": "#ops", "channel": "webhook", "is_on": "on"},
        **{"address": "https://tools.example.org/in", "wants_opened": "on"},
        **changed,
    }


def test_a_new_webhook_gets_a_secret(admin: Client, team: Team) -> None:
    admin.post(ADD, fields(team))

    channel = TeamChannel.objects.get()
    assert channel.secret.startswith("whsec_")
    assert (channel.wants_opened, channel.wants_resolved) == (True, False)


def test_other_kinds_have_no_secret_and_no_body(admin: Client, team: Team) -> None:
    admin.post(ADD, fields(team, channel="slack", secret="whsec_x", template="{"))

    channel = TeamChannel.objects.get()
    assert (channel.channel, channel.secret, channel.template) == ("slack", "", "")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"secret": "password"}, "A secret is whsec_"),
        ({"template": '{"a": "${titel}"}'}, "No such fact: titel"),
        ({"template": "${title}"}, "This makes no JSON"),
        ({"address": "tools.example.org"}, "An address begins with https://"),
        ({"channel": "sms_signals"}, "Select a valid choice"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(
    admin: Client, team: Team, changed: dict[str, Any], why: str
) -> None:
    page = admin.post(ADD, fields(team, **changed)).content.decode()

    assert why in page
    assert not TeamChannel.objects.exists()


def test_the_form_begins_with_what_most_teams_want(admin: Client) -> None:
    page = admin.get(ADD).content.decode()

    for name in ("wants_opened", "wants_acknowledged", "wants_resolved"):
        assert f'name="{name}" id="id_{name}" checked' in page.replace(
            f' aria-describedby="id_{name}_helptext"', ""
        )
    assert 'id="id_wants_escalated" checked' not in page


def test_only_an_admin_is_offered_apprise(client: Client, admin: Client, team: Team) -> None:
    assert 'value="apprise"' in admin.get(ADD).content.decode()
    lead = make_user("lead", is_staff=True)
    lead.user_permissions.set(
        Permission.objects.filter(content_type__app_label="notifications")
        | Permission.objects.filter(codename="view_team")
    )
    client.force_login(lead)

    assert 'value="apprise"' not in client.get(ADD).content.decode()
    posted = fields(team, channel="apprise", address="gotifys://push.example.org/A3f9xk2m")
    assert "Select a valid choice" in client.post(ADD, posted).content.decode()


def test_a_test_message_goes_to_the_room(admin: Client, team: Team, recorder: Recorder) -> None:
    on, off = make_channel(team), make_channel(team, "#off", is_on=False)

    admin.post(
        "/admin/notifications/teamchannel/",
        {"action": "send_test", "_selected_action": [on.pk, off.pk]},
    )
    row = Notification.objects.get()
    dispatch.send_one(row.pk, now=row.due_at, seconds=8)

    assert recorder.take("room-ops").title == "TEST from PagerPal"


def test_the_list_says_what_each_is_told_of(admin: Client, team: Team) -> None:
    channel = make_channel(team, wants_opened=True, wants_handovers=True)

    assert TeamChannelAdmin.told_of(None, channel) == "opened, handovers"  # type: ignore[arg-type]
    assert "opened, handovers" in admin.get("/admin/notifications/teamchannel/").content.decode()


def test_an_address_that_is_gone_is_switched_off_and_says_why(
    team: Team, settings: Any, admin: Client
) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = True
    from notifications import trials

    with provider(Reply(410, "moved out")) as server:
        channel = make_channel(team, channel="webhook", address=f"{server.url}/in")
        written = trials.try_channel(channel, now=NOON)
        assert written.first_pk is not None
        dispatch.send_one(written.first_pk, now=NOON, seconds=8)

    channel.refresh_from_db()
    assert not channel.is_on
    assert channel.off_reason == "23 Nov 2026 12:00 UTC: HTTP 410: moved out"
    assert Notification.objects.get().state == "failed"
    change = f"/admin/notifications/teamchannel/{channel.pk}/change/"
    assert "moved out" in admin.get(change).content.decode()
    admin.post(change, fields(team, is_on="on"))
    channel.refresh_from_db()
    assert (channel.is_on, channel.off_reason) == (True, "")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://hooks.slack.com/services/T0/B0/s3cr3tpart", "https://hooks.slack.com/...part"),
        ("tgram://123456:s3cr3t/99", "tgram:///...t/99"),
        ("mailtos://user:s3cr3t@host/", "mailtos:///...ost/"),
        ("oncall-ann-7f3k9", "...f3k9"),
        ("ann@example.org", "ann@example.org"),
    ],
)
def test_an_address_is_shown_without_its_secret(address: str, shown: str) -> None:
    assert TeamChannel(address=address).masked_address == shown


def test_a_needed_package_is_named(team: Team, settings: Any) -> None:
    from notifications.channels.base import remedy

    assert remedy(["A", "B_C"]) == "set A, B_C"
    assert remedy(["the Python package apprise"]) == "install the Python package apprise"


def test_its_page_lists_what_became_of_its_messages(admin: Client, team: Team) -> None:
    channel = make_channel(team, channel="webhook", address="https://tools.example.org/in")
    told(channel, "failed", outcome="503: <b>busy</b>", rendered={"title": "Disk <full>"})

    page = admin.get(f"/admin/notifications/teamchannel/{channel.pk}/change/").content.decode()

    assert "Disk &lt;full&gt;" in page
    assert "503: &lt;b&gt;busy" in page


def test_what_a_receiver_missed_within_a_day_is_sent_again_once(
    admin: Client, team: Team, recorder: Recorder
) -> None:
    channel, other = make_channel(team), make_channel(team, "#other")
    now = timezone.now()
    for number, age in enumerate((1, 2, 30)):
        told(channel, "failed", due_at=now - timedelta(hours=age), key=f"missed-{number}")
    told(channel, "delivered")
    told(other, "failed", key="of-another")
    chosen = {"action": "send_again", "_selected_action": [channel.pk]}

    first = admin.post("/admin/notifications/teamchannel/", chosen, follow=True)
    second = admin.post("/admin/notifications/teamchannel/", chosen, follow=True)

    assert "2 will be sent again." in first.content.decode()
    assert "0 will be sent again." in second.content.decode()
    again = Notification.objects.filter(key__contains="/again:").values_list("key", flat=True)
    assert set(again) == {"missed-0/again:1", "missed-1/again:1"}


def told(channel: TeamChannel, state: str, **fields: Any) -> Notification:
    now = timezone.now()
    values = {"key": f"{channel.pk}-{state}", "due_at": now, "settled_at": now, **fields}
    return Notification.objects.create(
        purpose="update", thread="incident:1", team_channel=channel, channel=channel.channel,
        address=channel.address, state=state, **values,
    )  # fmt: skip
