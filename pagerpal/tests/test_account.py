"""Passwords by link, their change, and the browsers somebody is signed in with."""

from __future__ import annotations

import re
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from pagerpal import password_links
from pagerpal.models import SignIn
from pagerpal.password_links import INVITATION, RESET, BadLink
from pagerpal.testing import NOON, Recorder, make_admin, make_user, minutes
from schedules import people
from schedules.models import User

pytestmark = pytest.mark.django_db
PASSWORD = "horse battery staple"
NEW = "correct pony battery"


@pytest.fixture
def alice() -> User:
    return make_user("alice", password=PASSWORD)


@pytest.fixture
def with_mail(settings: Any, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Mail is set up, and what a worker would do is done at once."""
    monkeypatch.setattr(
        password_links, "async_task", lambda path, *facts: password_links.send(*facts)
    )
    return recorder


def signed_in(user: User) -> Client:
    client = Client()
    client.post("/login", {"username": user.email, "password": PASSWORD})
    return client


def is_in(client: Client) -> bool:
    return client.get("/me").status_code == 200


def path_in(text: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:8000(/password/\S+?)(?=[\s<\"]|$)", text)
    assert found, text
    return found[1]


# --- Links ---------------------------------------------------------------------------------------


def test_an_invited_person_chooses_a_password_and_signs_in(client: Client) -> None:
    bob = make_user("bob")
    path = path_in(password_links.make(bob, INVITATION))

    looked = [client.get(path).status_code for _ in range(2)]
    done = client.post(path, {"password": NEW}, follow=True)
    again = client.post(path, {"password": "another pony battery"})

    bob.refresh_from_db()
    assert looked == [200, 200]
    assert "Sign in with it." in done.content.decode()
    assert bob.check_password(NEW)
    assert again.status_code == 410


@pytest.mark.parametrize(("kind", "hours"), [(INVITATION, 7 * 24), (RESET, 2)])
def test_a_link_holds_for_its_time_and_no_longer(alice: User, kind: Any, hours: int) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        token = path_in(password_links.make(alice, kind)).removeprefix("/password/")
        clock.move_to(NOON + minutes(60 * hours - 1))
        in_time = password_links.person_of(token)
        clock.move_to(NOON + minutes(60 * hours + 1))

        with pytest.raises(BadLink):
            password_links.person_of(token)
    assert in_time == alice


@pytest.mark.parametrize("token", ["", "junk", "WzEsImludml0YXRpb24iLCJ4Il0:1abc:x"])
def test_a_link_that_was_tampered_with_opens_nothing(client: Client, token: str) -> None:
    response = client.get(f"/password/{token or 'x'}")

    assert response.status_code == 410


def test_a_link_ends_with_its_person_and_with_the_next_sign_in(alice: User) -> None:
    token = path_in(password_links.make(alice, RESET)).removeprefix("/password/")
    signed_in(alice)

    with pytest.raises(BadLink):
        password_links.person_of(token)

    other = path_in(password_links.make(User.objects.get(pk=alice.pk), RESET))
    User.objects.filter(pk=alice.pk).update(is_active=False)
    with pytest.raises(BadLink):
        password_links.person_of(other.removeprefix("/password/"))


def test_of_two_who_use_a_link_at_once_one_sets_the_password(alice: User) -> None:
    token = path_in(password_links.make(alice, RESET)).removeprefix("/password/")
    first, second = password_links.person_of(token), password_links.person_of(token)

    password_links.use(first, NEW)

    with pytest.raises(BadLink):
        password_links.use(second, "another pony battery")


def test_who_forgot_the_password_is_sent_a_link_that_ends_all_sessions(
    client: Client, alice: User, with_mail: Recorder
) -> None:
    page = client.post("/password", {"email": "Alice@example.org"}).content.decode()
    mail = with_mail.take("alice@example.org", "email")
    before = signed_in(User.objects.get())
    late = client.get(path_in(mail.body)).status_code
    client.post("/password", {"email": "alice@example.org"})
    client.post(path_in(with_mail.take("alice@example.org", "email").body), {"password": NEW})

    assert "a mail with a link is on its way" in page
    assert late == 410  # she signed in meanwhile: she has not forgotten it
    assert not is_in(before)
    assert User.objects.get().check_password(NEW)


def test_nobody_learns_who_has_an_account(client: Client, alice: User, with_mail: Recorder) -> None:
    make_user("bob")  # without a password: paged only

    pages = [
        client.post("/password", {"email": email}).content.decode().replace(email, "")
        for email in ("alice@example.org", "bob@example.org", "nobody@example.org")
    ]

    with_mail.take("alice@example.org", "email")
    same = {re.sub(r"[A-Za-z0-9]{64}", "", page) for page in pages}
    assert len(same) == 1


def test_one_person_is_sent_three_mails_an_hour_at_most(
    client: Client, alice: User, with_mail: Recorder
) -> None:
    pages = [
        client.post("/password", {"email": "alice@example.org"}).content.decode() for _ in range(5)
    ]

    assert len(with_mail.take_all()) == 3
    assert "wait an hour" in pages[-1]


def test_without_mail_the_page_says_what_to_do_instead(client: Client, alice: User) -> None:
    page = client.get("/password").content.decode()

    assert "This PagerPal sends no mail. Ask an admin" in page
    assert "<form" not in page


def test_an_admin_makes_a_link_that_is_shown_once(client: Client, with_mail: Recorder) -> None:
    bob = make_user("bob")
    client.force_login(make_admin())

    asked = client.get(f"/people/{bob.pk}/link").content.decode()
    made = client.post(f"/people/{bob.pk}/link", {"mail": "on"}).content.decode()
    again = client.get(f"/people/{bob.pk}/link").content.decode()

    assert "/password/" not in asked + again
    assert password_links.person_of(path_in(made).removeprefix("/password/")) == bob
    assert path_in(with_mail.take("bob@example.org", "email").body)


def test_only_admins_make_links(client: Client, alice: User) -> None:
    client.force_login(alice)

    assert client.post(f"/people/{alice.pk}/link").status_code == 403


# --- One's own account ---------------------------------------------------------------------------


def test_another_password_signs_out_the_other_browsers_and_keeps_this_one(alice: User) -> None:
    here, there = signed_in(alice), signed_in(alice)

    here.post("/me/account/password", {"current": PASSWORD, "password": NEW})

    assert (is_in(here), is_in(there)) == (True, False)
    assert SignIn.objects.count() == 1
    assert "This browser" in here.get("/me/account").content.decode()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"current": "wrong", "password": NEW}, "That is not your password."),
        ({"current": PASSWORD, "password": "short"}, "too short"),
        ({"current": PASSWORD, "password": "alice@example.org"}, "too similar"),
        ({}, "This field is required."),
    ],
)
def test_a_password_is_not_changed_by_a_wrong_form(
    alice: User, fields: dict[str, str], said: str
) -> None:
    page = signed_in(alice).post("/me/account/password", fields).content.decode()

    assert said in page
    assert User.objects.get().check_password(PASSWORD)


def test_the_old_password_cannot_be_guessed_from_an_open_session(alice: User) -> None:
    client = signed_in(alice)

    pages = [
        client.post("/me/account/password", {"current": f"no {n}", "password": NEW})
        for n in range(11)
    ]

    assert "Wait 15 minutes" in pages[-1].content.decode()


def test_one_browser_or_all_are_signed_out(alice: User) -> None:
    here, there, third = (signed_in(alice) for _ in range(3))
    row = SignIn.objects.get(session_key=there.session.session_key)

    here.post("/me/account/sign-out", {"one": row.pk})
    after_one = is_in(here), is_in(there), is_in(third)
    here.post("/me/account/sign-out")

    assert after_one == (True, False, True)
    assert (is_in(here), is_in(third), Session.objects.count()) == (False, False, 0)


def test_nobody_signs_out_somebody_elses_browser(alice: User) -> None:
    bob = make_user("bob", password=PASSWORD)
    theirs, mine = signed_in(alice), signed_in(bob)
    row = SignIn.objects.get(session_key=theirs.session.session_key)

    mine.post("/me/account/sign-out", {"one": row.pk})

    assert is_in(theirs)
    assert is_in(mine)


def test_who_is_switched_off_and_comes_back_has_to_sign_in(alice: User) -> None:
    client = signed_in(alice)

    people.switch_off(alice, make_admin(), now=timezone.now())
    while_off = is_in(client)
    User.objects.filter(pk=alice.pk).update(is_active=True)

    assert (while_off, is_in(client)) == (False, False)


def test_when_a_browser_was_last_used_is_written_down_every_ten_minutes(alice: User) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        client = signed_in(alice)
        seen = []
        for after in (5, 11, 12):
            clock.move_to(NOON + minutes(after))
            client.get("/me")
            seen.append(SignIn.objects.get().seen_at - NOON)

    assert seen == [minutes(0), minutes(11), minutes(11)]
