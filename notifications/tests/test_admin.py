"""Addresses, rules and the delivery log in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from notifications.models import (
    ContactMethod,
    Notification,
    NotificationRule,
    ProviderState,
    TeamChannel,
)
from notifications.tests.pages import first, rows, send_all
from pagerpal.testing import NOON, Recorder, make_admin, make_team, make_user
from schedules.models import User

pytestmark = pytest.mark.django_db
LOG = "admin:notifications_notification_changelist"


@pytest.fixture
def root(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def person_form(user: User, **extra: str) -> dict[str, str]:
    """What the person's page posts when nothing was touched, and `extra`."""
    return {
        "name": user.name,
        "email": user.email,
        "time_zone": user.time_zone,
        "remind_hours": "24",
        "is_active": "on",
        "contact_methods-TOTAL_FORMS": "1",
        "contact_methods-INITIAL_FORMS": "0",
        "contact_methods-0-channel": "ntfy",
        "contact_methods-0-is_on": "on",
        "notification_rules-TOTAL_FORMS": "0",
        "notification_rules-INITIAL_FORMS": "0",
        **extra,
    }


def save(client: Client, user: User, **extra: str) -> Any:
    url = reverse("admin:schedules_user_change", args=[user.pk])
    return client.post(url, person_form(user, **extra))


def test_an_address_is_kept_in_its_one_spelling(root: Client) -> None:
    bob = make_user("bob", ntfy=False)

    save(root, bob, **{"contact_methods-0-address": " topic-bob-1 "})

    assert bob.contact_methods.get().address == "topic-bob-1"


def test_a_wrong_address_is_refused_in_a_sentence(root: Client) -> None:
    bob = make_user("bob", ntfy=False)

    response = save(root, bob, **{"contact_methods-0-address": "two words"})

    assert "A topic has 1 to 64 letters" in response.content.decode()
    assert not bob.contact_methods.exists()


def test_a_rule_cannot_use_another_persons_address(root: Client) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    rule = {
        "contact_methods-TOTAL_FORMS": "0",
        "notification_rules-TOTAL_FORMS": "1",
        "notification_rules-0-urgency": "high",
        "notification_rules-0-delay": "00:00:00",
        "notification_rules-0-repeats": "0",
        "notification_rules-0-repeat_every": "00:01:00",
    }

    for method in (alice.contact_methods.get(), bob.contact_methods.get()):
        save(root, bob, **rule, **{"notification_rules-0-contact_method": str(method.pk)})

    assert [one.contact_method.user for one in NotificationRule.objects.all()] == [bob]


def test_the_log_lists_messages_without_showing_addresses(root: Client) -> None:
    first(make_user())

    page = root.get(reverse(LOG)).content.decode()

    assert "...lice" in page
    assert "topic-alice" not in page
    assert "thing:412" in page


def test_the_log_asks_no_more_for_more_rows(
    root: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(8):
        first(make_user(f"u{number}"), ref=f"r{number}")

    with django_assert_max_num_queries(12):
        root.get(reverse(LOG))


def test_nothing_in_the_log_can_be_changed_or_deleted(root: Client) -> None:
    row = first(make_user())

    page = root.get(reverse("admin:notifications_notification_change", args=[row.pk]))
    deleted = root.post(reverse("admin:notifications_notification_delete", args=[row.pk]))

    assert 'name="_save"' not in page.content.decode()
    assert deleted.status_code == 403
    assert Notification.objects.filter(pk=row.pk).exists()


def test_only_a_held_message_shows_its_answer_link(root: Client) -> None:
    row = first(make_user(), urgency="low")
    shown = {"title": "<b>Disk</b>", "body": "full", "answer_url": "http://pager/a/t0ken"}
    url = reverse("admin:notifications_notification_change", args=[row.pk])

    pages = []
    for state in ("held", "sent"):
        Notification.objects.filter(pk=row.pk).update(state=state, settled_at=NOON, rendered=shown)
        pages.append(root.get(url).content.decode())

    assert "http://pager/a/t0ken" in pages[0]
    assert "http://pager/a/t0ken" not in pages[1]
    assert "&lt;b&gt;Disk&lt;/b&gt;" in pages[0]


def test_send_again_repeats_what_has_ended_and_leaves_the_rest(
    root: Client, recorder: Recorder
) -> None:
    ended, waiting = first(make_user(), urgency="low"), first(make_user("bob"), ref="page:2")
    Notification.objects.filter(pk=ended.pk).update(state="failed", settled_at=NOON)
    chosen = {"action": "send_again", "_selected_action": [ended.pk, waiting.pk]}

    page = root.post(reverse(LOG), chosen, follow=True).content.decode()

    assert "1 will be sent again." in page
    assert "1 left as they are" in page
    assert [row.user for row in rows(key__contains="again")] == [ended.user]


def test_send_again_is_not_for_everybody(client: Client) -> None:
    row = first(make_user(), urgency="low")
    Notification.objects.filter(pk=row.pk).update(state="failed", settled_at=NOON)
    client.force_login(make_user("staff", ntfy=False, is_staff=True))

    client.post(reverse(LOG), {"action": "send_again", "_selected_action": [row.pk]})

    assert not rows(key__contains="again")


def test_providers_are_shown_as_they_are(root: Client) -> None:
    ProviderState.objects.create(provider="ntfy", timeouts=3, probe_at=NOON, last_error="<hang>")

    page = root.get(reverse("admin:notifications_providerstate_changelist")).content.decode()

    assert "does not answer" in page
    assert "&lt;hang&gt;" in page


def test_addresses_are_switched_off_rather_than_deleted(root: Client) -> None:
    method = make_user("bob").contact_methods.get()
    extra = {
        "contact_methods-INITIAL_FORMS": "1",
        "contact_methods-0-id": str(method.pk),
        "contact_methods-0-address": method.address,
        "contact_methods-0-DELETE": "on",
    }

    save(root, method.user, **extra)

    assert ContactMethod.objects.filter(pk=method.pk).exists()


def test_a_team_gets_a_channel_and_it_is_never_deleted(root: Client) -> None:
    team = make_team("Platform")
    form = {"team": team.pk, "name": "#ops", "channel": "ntfy", "is_on": "on"}
    add = reverse("admin:notifications_teamchannel_add")

    refused = root.post(add, {**form, "address": "no topic!"})
    root.post(add, {**form, "address": " ops-room ", "wants_handovers": "on"})

    assert b"A topic has 1 to 64 letters" in refused.content
    channel = TeamChannel.objects.get()
    assert (channel.address, channel.wants_handovers) == ("ops-room", True)
    page = reverse("admin:notifications_teamchannel_delete", args=[channel.pk])
    assert "never deleted" in root.get(page).content.decode()
    listed = root.get(reverse("admin:notifications_teamchannel_changelist")).content.decode()
    assert "...room" in listed
    assert "ops-room" not in listed


def test_the_log_names_channels_too(root: Client) -> None:
    channel = TeamChannel.objects.create(
        team=make_team("Platform"), name="#ops", channel="ntfy", address="ops-room"
    )
    row = Notification.objects.create(
        purpose="handover", thread="t", key="k", channel="ntfy", address="ops-room",
        team_channel=channel, due_at=NOON,
    )  # fmt: skip

    listed = root.get(reverse(LOG)).content.decode()
    shown = root.get(reverse("admin:notifications_notification_change", args=[row.pk]))

    assert "#ops of Platform" in listed
    assert "ntfy push ...room" in listed
    assert shown.status_code == 200


def test_another_address_is_an_unverified_one(root: Client) -> None:
    bob = make_user("bob")
    bob.contact_methods.update(verified_at=NOON, is_on=False, removed_at=NOON)
    there = {
        "contact_methods-INITIAL_FORMS": "1",
        "contact_methods-0-id": str(bob.contact_methods.get().pk),
        "contact_methods-0-user": str(bob.pk),
    }

    save(root, bob, **there, **{"contact_methods-0-address": "topic-bob-2"})

    method = bob.contact_methods.get()
    assert (method.address, method.is_verified, method.removed_at) == ("topic-bob-2", False, None)


def test_a_person_is_paged_as_a_test(root: Client, recorder: Recorder) -> None:
    bob, gone = make_user("bob"), make_user("gone", is_active=False)
    page = root.get(reverse("admin:schedules_user_change", args=[bob.pk])).content.decode()
    action = {"action": "send_test_page", "_selected_action": [bob.pk, gone.pk]}

    said = root.post(reverse("admin:schedules_user_changelist"), action, follow=True)
    send_all(NOON.replace(year=2100))

    assert 'value="send_test_page"' in page
    assert {to for _, to, _ in recorder.take_all()} == {"topic-bob"}
    assert "ob is being paged, as a test." in said.content.decode()
    assert "one: Switched off: never paged." in said.content.decode()


PEOPLE = "/admin/schedules/user/"


@pytest.fixture
def reached_and_not() -> None:
    make_user("reached")
    make_user("without", ntfy=False)
    make_user("leaver", is_active=False)


def test_the_list_of_people_says_who_can_be_paged(root: Client, reached_and_not: None) -> None:
    listed = root.get(PEOPLE).context["cl"].result_list

    assert {one.name: one.is_reached for one in listed if one.name != "root"} == {
        "reached": True,
        "without": False,
        "leaver": False,
    }


@pytest.mark.parametrize(
    ("paged", "names"),
    [
        ("yes", {"reached"}),
        ("no", {"without", "leaver"}),
        ("maybe", {"reached", "without", "leaver"}),
    ],
)
def test_people_are_listed_by_whether_they_can_be_paged(
    root: Client, reached_and_not: None, paged: str, names: set[str]
) -> None:
    listed = root.get(PEOPLE, {"paged": paged}).context["cl"].result_list

    assert {one.name for one in listed if one.name != "root"} == names


@pytest.mark.parametrize("people", [1, 12])
def test_who_can_be_paged_is_asked_for_all_people_at_once(
    root: Client, people: int, django_assert_num_queries: Any
) -> None:
    for number in range(people):
        make_user(f"person{number}")

    with django_assert_num_queries(19):
        root.get(PEOPLE, {"paged": "yes"})
