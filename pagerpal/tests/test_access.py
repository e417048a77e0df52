"""Signing in and out, the first admin, and create_admin."""

from __future__ import annotations

import io
import logging
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.urls import reverse

from pagerpal import first_run
from pagerpal.testing import NOON, make_admin, make_user
from schedules import zones
from schedules.models import User

PASSWORD = "horse battery staple"


@pytest.fixture(autouse=True)
def _fresh_tries() -> Iterator[None]:
    first_run.tries.forget()
    first_run.log_code.cache_clear()
    yield
    first_run.tries.forget()


def answers(**fields: str) -> dict[str, str]:
    """What a person enters on the first-run screen."""
    return {
        "code": first_run.code(),
        "name": "Ada",
        "email": "Ada@Example.org",
        "password": PASSWORD,
        "time_zone": "Europe/Berlin",
        **fields,
    }


# --- The code -------------------------------------------------------------------------------------


def test_the_code_is_the_same_in_every_process_and_follows_the_secret_key(settings: Any) -> None:
    first, again = first_run.code(), first_run.code()
    settings.SECRET_KEY = "another key of an installation somewhere else"

    assert first == again
    assert first_run.code() != first
    assert re.fullmatch(r"([A-HJKMNP-Z2-9]{4}-){2}[A-HJKMNP-Z2-9]{4}", first)


def test_the_code_may_be_typed_in_small_letters_with_blanks() -> None:
    typed = f"  {first_run.code().lower().replace('-', ' ')} "

    assert first_run.is_right(typed)
    assert not first_run.is_right("")
    assert not first_run.is_right(first_run.code()[:-1])
    assert not first_run.is_right("ÄÖÜ")


def test_wrong_codes_are_used_up_for_ten_minutes() -> None:
    tries = first_run.Tries(most=10, within=timedelta(minutes=10))
    for second in range(10):
        assert not tries.are_used_up(NOON)
        tries.count_wrong(NOON + timedelta(seconds=second))

    assert tries.are_used_up(NOON + timedelta(minutes=9))
    assert not tries.are_used_up(NOON + timedelta(minutes=10))


# --- First run ------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_first_admin_is_made_with_the_code_and_is_signed_in(client: Client) -> None:
    response = client.post("/login", answers())

    ada = User.objects.get()
    assert response.url == reverse("set_up")  # type: ignore[attr-defined]
    assert (ada.email, ada.name, ada.time_zone) == ("ada@example.org", "Ada", "Europe/Berlin")
    assert ada.is_active and ada.is_staff and ada.is_superuser  # noqa: PT018
    assert client.session["_auth_user_id"] == str(ada.pk)


@pytest.mark.django_db
def test_once_an_admin_exists_the_screen_is_gone(client: Client) -> None:
    make_admin(password=PASSWORD)

    shown = client.get("/login").content.decode()
    posted = client.post("/login", answers())

    assert "One-time code" not in shown
    assert posted.status_code == 200
    assert User.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("code", ["", "AAAA-BBBB-CCCC"])
def test_without_the_code_nobody_becomes_an_admin(client: Client, code: str) -> None:
    response = client.post("/login", answers(code=code))

    assert response.status_code == 200
    assert not User.objects.exists()


@pytest.mark.django_db
def test_after_ten_wrong_codes_even_the_right_one_is_refused_for_a_while(client: Client) -> None:
    for _ in range(10):
        page = client.post("/login", answers(code="WRONG")).content.decode()
        assert "That is not the code." in page

    page = client.post("/login", answers()).content.decode()

    assert "Too many wrong codes. Wait 10 minutes" in page
    assert not User.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("password", "short"),
        ("password", "password"),
        ("password", "ada@example.org"),
        ("email", "ada"),
        ("name", ""),
        ("time_zone", "Middle/Earth"),
    ],
)
def test_first_run_answers_are_checked(client: Client, field: str, value: str) -> None:
    response = client.post("/login", answers(**{field: value}))

    assert response.status_code == 200
    assert f'id="id_{field}_error"' in response.content.decode()
    assert not User.objects.exists()


@pytest.mark.django_db
def test_the_zone_is_guessed_once_and_what_was_chosen_stays(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "readlink", lambda _: Path("/usr/share/zoneinfo/Asia/Kolkata"))
    first = client.get("/login").content.decode()
    again = client.post("/login", answers(code="wrong")).content.decode()

    assert '<option value="Asia/Kolkata" selected>' in first
    assert "data-guess-zone" in first
    assert '<option value="Europe/Berlin" selected>' in again
    assert "data-guess-zone" not in again


@pytest.mark.parametrize(
    ("linked", "zone"),
    [
        ("/usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin"),
        ("../usr/share/zoneinfo/Etc/UTC", "UTC"),
        ("/usr/share/zoneinfo/Middle/Earth", "UTC"),
        ("/elsewhere", "UTC"),
    ],
)
def test_the_machines_zone_is_one_that_we_know(
    monkeypatch: pytest.MonkeyPatch, linked: str, zone: str
) -> None:
    monkeypatch.setattr(Path, "readlink", lambda _: Path(linked))

    assert zones.of_this_machine() == zone


@pytest.mark.django_db
def test_people_without_a_password_do_not_hide_the_first_run_screen(client: Client) -> None:
    make_user("alice")
    make_user("bob", password=PASSWORD, is_active=False)

    response = client.get("/login")

    assert "One-time code" in response.content.decode()


@pytest.mark.django_db
def test_somebody_known_who_cannot_sign_in_becomes_the_first_admin(client: Client) -> None:
    ada = make_user("ada", is_active=False)

    client.post("/login", answers())

    ada.refresh_from_db()
    assert ada.is_active
    assert ada.is_superuser
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_first_admins_at_once_one_is_made() -> None:
    begin = threading.Barrier(2)
    made: list[User | None] = []

    def run(name: str) -> None:
        begin.wait()
        facts = {"email": f"{name}@example.org", "name": name, "time_zone": "UTC"}
        made.append(first_run.make_first_admin(password=PASSWORD, **facts))
        connections.close_all()

    threads = [threading.Thread(target=run, args=[name]) for name in ("ada", "bea")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(user is not None for user in made) == 1
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_the_slower_of_two_is_told_to_sign_in(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_run, "make_first_admin", lambda **_: None)

    response = client.post("/login", answers(), follow=True)

    assert "Somebody else made the first admin a moment ago." in response.content.decode()


@pytest.mark.django_db
def test_the_code_is_announced_only_while_it_is_needed(settings: Any) -> None:
    settings.PAGERPAL_BASE_URL = "https://pager.example.org"
    needed: list[str] = []
    not_needed: list[str] = []

    first_run.announce(needed.append)
    make_admin(password=PASSWORD)
    first_run.announce(not_needed.append)

    assert needed == [
        f"First run: open https://pager.example.org/login and enter the code {first_run.code()}"
    ]
    assert not_needed == []


@pytest.mark.django_db
def test_the_screen_puts_the_code_into_the_log_once(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="pagerpal.first_run"):
        pages = [client.get("/login").content.decode() for _ in range(3)]

    lines = [record.getMessage() for record in caplog.records]
    assert [first_run.code() in line for line in lines] == [True]
    assert not any(first_run.code() in page for page in pages)


# --- Signing in and out ---------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_person_signs_in_with_e_mail_in_any_letters_and_password(client: Client) -> None:
    alice = make_user("alice", password=PASSWORD)

    response = client.post("/login", {"username": "Alice@Example.org", "password": PASSWORD})

    assert response.url == reverse("dashboard")  # type: ignore[attr-defined]
    assert client.session["_auth_user_id"] == str(alice.pk)


@pytest.mark.django_db
@pytest.mark.parametrize("is_active", [True, False])
def test_a_wrong_password_or_a_person_switched_off_gets_the_same_answer(
    client: Client, is_active: bool
) -> None:
    make_admin(password=PASSWORD)
    make_user("alice", password=PASSWORD, is_active=is_active)
    password = "wrong" if is_active else PASSWORD

    response = client.post("/login", {"username": "alice@example.org", "password": password})

    assert "No active person has this e-mail address and password." in response.content.decode()
    assert "_auth_user_id" not in client.session


@pytest.mark.django_db
def test_the_login_page_lets_password_managers_and_the_locked_out_through(client: Client) -> None:
    make_admin(password=PASSWORD)

    page = client.get("/login").content.decode()

    assert re.search(r'<input type="email" name="username"[^>]*autocomplete="username"', page)
    assert re.search(r'<input type="password"[^>]*autocomplete="current-password"', page)
    assert "Use the link in the message: it needs no login." in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("/incidents", "/incidents"),
        ("https://evil.example.org/", "/dashboard"),
        ("//evil.example.org/", "/dashboard"),
    ],
)
def test_after_signing_in_the_wanted_page_is_shown_if_it_is_ours(
    client: Client, wanted: str, given: str
) -> None:
    make_user("alice", password=PASSWORD)

    response = client.post(
        "/login", {"username": "alice@example.org", "password": PASSWORD, "next": wanted}
    )

    assert response.url == given  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_pages_send_a_stranger_to_login_and_login_does_not_send_them_on(client: Client) -> None:
    response = client.get("/dashboard", follow=True)

    assert response.redirect_chain == [("/login?next=/dashboard", 302)]
    assert response.status_code == 200


@pytest.mark.django_db
def test_somebody_signed_in_is_never_sent_in_circles(client: Client) -> None:
    client.force_login(make_user("alice", password=PASSWORD))

    response = client.get("/login?next=/login", follow=True)
    admin = client.get("/admin/", follow=True)

    assert response.redirect_chain == [("/dashboard", 302)]
    assert (response.status_code, admin.status_code) == (200, 403)
    assert "Admins and leads of a team may open the admin." in admin.content.decode()


@pytest.mark.django_db
def test_signing_out_is_a_post(client: Client) -> None:
    client.force_login(make_user("alice", password=PASSWORD))

    shown = client.get("/logout")
    still_in = "_auth_user_id" in client.session
    posted = client.post("/logout")

    assert (shown.status_code, still_in) == (405, True)
    assert posted.url == "/login"  # type: ignore[attr-defined]
    assert "_auth_user_id" not in client.session


@pytest.mark.django_db
def test_signing_in_needs_the_token_of_the_form() -> None:
    make_user("alice", password=PASSWORD)
    browser = Client(enforce_csrf_checks=True)

    response = browser.post("/login", {"username": "alice@example.org", "password": PASSWORD})

    assert response.status_code == 403


# --- create_admin ---------------------------------------------------------------------------------


def create_admin(*args: str) -> str:
    out = io.StringIO()
    call_command("create_admin", *args, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_a_new_admin_gets_a_password_that_is_printed_once() -> None:
    text = create_admin("--email", "Ada@Example.org")

    ada = User.objects.get()
    [password] = re.findall(r"Password, shown this once: (\S+)", text)
    assert ada.check_password(password)
    assert (ada.email, ada.name, ada.is_staff, ada.is_superuser) == (
        "ada@example.org",
        "ada",
        True,
        True,
    )


@pytest.mark.django_db
def test_a_password_from_standard_input_is_used_and_not_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))

    text = create_admin("--email", "ada@example.org", "--name", "Ada L.", "--password-stdin")

    ada = User.objects.get()
    assert ada.check_password(PASSWORD)
    assert ada.name == "Ada L."
    assert PASSWORD not in text


@pytest.mark.django_db
@pytest.mark.parametrize("typed", ["", "short\n", "password\n"])
def test_a_weak_password_from_standard_input_makes_nobody(
    monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))

    with pytest.raises(CommandError, match="--password-stdin"):
        create_admin("--email", "ada@example.org", "--password-stdin")

    assert not User.objects.exists()


@pytest.mark.django_db
def test_a_known_person_becomes_an_admin_and_keeps_name_and_password() -> None:
    alice = make_user("alice", password=PASSWORD, is_active=False)

    text = create_admin("--email", "ALICE@example.org")

    alice.refresh_from_db()
    assert alice.is_active
    assert alice.is_superuser
    assert alice.name == "alice"
    assert alice.check_password(PASSWORD)
    assert "is an admin now" in text
    assert "Password" not in text


@pytest.mark.django_db
def test_an_admin_who_forgot_the_password_gets_a_new_one_when_asked_for() -> None:
    root = make_admin(password=PASSWORD)

    text = create_admin("--email", root.email, "--generate-password")

    root.refresh_from_db()
    [password] = re.findall(r"Password, shown this once: (\S+)", text)
    assert root.check_password(password)
    assert "was an admin already" in text


@pytest.mark.django_db
def test_an_admin_without_a_password_is_told_how_to_get_one() -> None:
    make_user("alice")

    text = create_admin("--email", "alice@example.org")

    assert "run this again with --generate-password" in text


@pytest.mark.django_db
def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="is not an e-mail address"):
        create_admin("--email", "ada")
