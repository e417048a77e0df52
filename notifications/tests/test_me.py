"""A person's own page: everybody manages their own, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time
from typing import Any

import pytest
import time_machine
from django.test import Client

from notifications import trials
from notifications.models import ContactMethod, NotificationRule
from notifications.tests.pages import rows, send_all
from pagerpal.testing import NOON, Recorder, make_rotation, make_team, make_user, minutes
from schedules.models import CalendarFeed, User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def alice() -> User:
    return make_user("alice", email=True)


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def act(browser: Client, method: ContactMethod, word: str, **values: str) -> str:
    return words(browser.post(f"/me/methods/{method.pk}/{word}", values, follow=True))


PROFILE = {
    "name": "Alice A.",
    "time_zone": "Europe/Berlin",
    "quiet_from": "22:00",
    "quiet_until": "07:00",
    "remind_hours": "2",
}


def test_the_page_says_how_i_am_called_by_default(browser: Client) -> None:
    text = words(browser.get("/me"))

    assert "at once ntfy push ...lice (again 5 times, each 60 s), after 5 min e-mail" in text
    assert "PagerPal's default." in text
    assert "Your last rule is e-mail. A phone that sleeps will not wake you." in text


def test_the_profile_is_saved(browser: Client, alice: User) -> None:
    text = words(browser.post("/me", PROFILE, follow=True))

    alice.refresh_from_db()
    assert (alice.name, alice.remind_hours, alice.wants_handover_note) == ("Alice A.", 2, False)
    assert alice.quiet_from == time(22)
    assert "Nothing from 22:00 to 07:00." in text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"quiet_until": ""}, "Quiet hours need both times, or none."),
        ({"quiet_until": "22:00"}, "Quiet hours cannot last a whole day."),
        ({"time_zone": "Moon"}, "is not a time zone such as Europe/Berlin"),
        ({"remind_hours": "999"}, "less than or equal to 168"),
        ({"name": ""}, "This field is required."),
    ],
)
def test_a_wrong_profile_is_shown_with_what_is_wrong(
    browser: Client, alice: User, wrong: dict[str, str], said: str
) -> None:
    text = words(browser.post("/me", {**PROFILE, **wrong}))

    assert said in text
    assert User.objects.get(pk=alice.pk).name == "alice"


def test_a_topic_is_suggested_that_nobody_can_guess(browser: Client) -> None:
    pages = [browser.get("/me").context["offers"][0] for _ in range(2)]

    suggested = [one.form["address"].value() for one in pages]
    assert suggested[0].startswith("alice-")
    assert suggested[0] != suggested[1]
    assert len(suggested[0]) >= 22


def test_an_address_is_added_verified_and_tried(
    browser: Client, alice: User, recorder: Recorder
) -> None:
    added = browser.post("/me/methods", {"kind": "ntfy", "add-ntfy-address": "new"}, follow=True)
    method = alice.contact_methods.get(address="new")
    send_all(NOON)
    code = recorder.take("new").title.split()[0]
    entered = act(browser, method, "code", code=code)
    tried = act(browser, method, "test")
    send_all(NOON)

    assert "A code is on its way to it." in words(added)
    assert "Verified: what is sent to this address arrives." in entered
    assert "A test is on its way to it." in tried
    assert recorder.take("new").title == "TEST from PagerPal"


def test_what_is_no_address_is_said_beside_it(browser: Client, alice: User) -> None:
    two = words(browser.post("/me/methods", {"kind": "ntfy", "add-ntfy-address": "two words"}))
    again = {"kind": "ntfy", "add-ntfy-address": "topic-alice"}

    assert "A topic has 1 to 64 letters" in two
    assert "You have this address already." in words(browser.post("/me/methods", again))
    assert browser.post("/me/methods", {"kind": "pigeon"}).status_code == 404
    assert alice.contact_methods.count() == 2


def test_an_address_is_switched_changed_and_removed(browser: Client, alice: User) -> None:
    method = alice.contact_methods.get(channel="ntfy")

    off = act(browser, method, "off")
    act(browser, method, "on")
    refused = act(browser, method, "change", **{f"change-{method.pk}-address": "two words"})
    act(browser, method, "change", **{f"change-{method.pk}-address": "other"})
    method.refresh_from_db()
    removed = act(browser, method, "remove")

    assert "Off: nothing more is sent to it." in off
    assert "A topic has 1 to 64 letters" in refused
    assert (method.is_on, method.address) == (True, "other")
    assert "Removed, with the rules that used it." in removed
    assert 'value="other"' not in removed


def test_what_would_be_lost_is_said_before_an_address_is_switched_off(
    browser: Client, alice: User
) -> None:
    spare, method = alice.contact_methods.all()
    alice.contact_methods.filter(pk=spare.pk).update(is_on=False)
    alone = words(browser.get("/me"))
    alice.contact_methods.filter(pk=spare.pk).update(is_on=True)
    beside = words(browser.get("/me"))
    for _ in range(2):
        alice.notification_rules.create(contact_method=method)
    ruled = words(browser.get("/me"))

    assert "Nothing reaches you then." in alone
    assert f'id="off-{method.pk}"' not in beside
    assert "Nothing is sent to it then. Its 2 rules call nothing while it is off." in ruled
    assert f'id="off-{spare.pk}"' not in ruled


def test_quiet_updates_are_wanted_or_not(browser: Client, alice: User) -> None:
    method = alice.contact_methods.get(channel="ntfy")

    heard = []
    for word in ("updates-off", "updates-on"):
        act(browser, method, word)
        method.refresh_from_db()
        heard.append(method.hears_updates)

    assert heard == [False, True]


def test_rules_are_added_changed_and_removed(browser: Client, alice: User) -> None:
    mail = alice.contact_methods.get(channel="email")
    values = {
        "contact_method": mail.pk, "urgency": "high", "after": "2.5", "repeats": "1",
        "seconds": "90",
    }  # fmt: skip

    added = words(browser.post("/me/rules", values, follow=True))
    rule = NotificationRule.objects.get()
    changed = browser.post(f"/me/rules/{rule.pk}", {**values, "after": "0"}, follow=True)
    wrong = browser.post(f"/me/rules/{rule.pk}", {**values, "after": "-1"})
    browser.post(f"/me/rules/{rule.pk}/remove")

    assert "after 2 min 30 s e-mail alice@example.org (again once, each 90 s)" in added
    assert "Only e-mail: push should come first" in added
    assert "at once e-mail alice@example.org" in words(changed)
    assert "greater than or equal to 0" in words(wrong)
    assert not NotificationRule.objects.exists()


def test_nobody_gets_at_what_is_anothers(browser: Client) -> None:
    bob = make_user("bob")
    theirs = bob.contact_methods.get()
    rule = NotificationRule.objects.create(user=bob, contact_method=theirs)
    values = {"contact_method": theirs.pk, "urgency": "high", "after": 0, "repeats": 0}

    answers = [
        browser.post(f"/me/methods/{theirs.pk}/{word}") for word in ("off", "change", "remove")
    ]
    answers.append(browser.post(f"/me/rules/{rule.pk}", values))
    text = words(browser.post("/me/rules", {**values, "seconds": 60}))
    browser.post(f"/me/rules/{rule.pk}/remove")

    assert [answer.status_code for answer in answers] == [404] * 4
    assert "Select a valid choice." in text
    assert "topic-bob" not in text
    assert NotificationRule.objects.get() == rule


def test_whom_nothing_reaches_is_told_in_red(browser: Client) -> None:
    ContactMethod.objects.update(is_on=False)

    text = words(browser.get("/me"))

    assert "You have no working way to be reached." in text


def test_a_run_shows_its_progress_until_it_ends(
    browser: Client, alice: User, recorder: Recorder
) -> None:
    begun = browser.post("/me/page-now", follow=True)
    seen = begun.context["progress"].seen
    same = browser.get(f"/me/progress?seen={seen}")
    send_all(NOON)
    other = browser.get(f"/me/progress?seen={seen}")
    ended = browser.post("/me/got-it", follow=True)

    recorder.take("topic-alice")
    assert "I got it" in words(begun)
    assert same.status_code == 204
    assert "sent" in words(other)
    assert "hx-trigger" in words(other)
    assert "The test has ended: you got it." in words(ended)
    assert "hx-trigger" not in words(ended)


def test_the_link_in_a_test_ends_it_without_a_login(client: Client, alice: User) -> None:
    trials.page_now(alice, now=NOON)
    path = rows()[0].context["answer_path"]

    looked = client.get(path)
    waiting = len(rows(state="pending"))
    pressed = client.post(path)

    assert "You answer as" in words(looked)
    assert waiting == 7
    assert (pressed.status_code, rows(state="pending")) == (200, [])
    assert client.post("/me/got-it/made-up").status_code == 410


def test_my_shifts_and_my_calendars_link_are_there(browser: Client, alice: User) -> None:
    make_rotation(make_team("Platform", alice), alice, make_user("bob"))

    made = browser.post(
        "/calendar/feeds", {"kind": "user", "pk": alice.pk, "back": "/me"}, follow=True
    )

    assert made.request["PATH_INFO"] == "/me"
    assert "webcal://" in words(made)
    assert "Platform: primary" in words(made)
    assert CalendarFeed.objects.get().user == alice


def test_a_made_up_way_back_leads_nowhere_else(browser: Client, alice: User) -> None:
    answer = browser.post(
        "/calendar/feeds", {"kind": "user", "pk": alice.pk, "back": "https://evil.example"}
    )

    assert answer["Location"].startswith("/calendar")


def test_signed_out_it_leads_to_the_sign_in(client: Client) -> None:
    assert client.get("/me")["Location"].startswith("/login")


def test_the_page_asks_no_more_for_more_addresses(
    browser: Client, alice: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(8):
        method = ContactMethod.objects.create(user=alice, channel="ntfy", address=f"t{number}")
        NotificationRule.objects.create(user=alice, contact_method=method, delay=minutes(number))

    with django_assert_max_num_queries(30):
        browser.get("/me")
