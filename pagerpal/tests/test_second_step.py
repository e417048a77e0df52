"""The second step of signing in: codes of an app, recovery codes, and admins who must have it."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from pagerpal import second_factor
from pagerpal.models import RecoveryCode, SecondFactor
from pagerpal.testing import NOON, make_admin, make_user, minutes, seconds
from schedules.models import User

pytestmark = pytest.mark.django_db
PASSWORD = "horse battery staple"
# The key of the test vectors in RFC 6238, appendix B.
RFC = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice", password=PASSWORD)


def switch_on(user: User, *, now: datetime = NOON) -> list[str]:
    """With a code of long ago, so that all of now are unused."""
    past = now - minutes(60)
    codes = second_factor.switch_on(user, RFC, code_at(past), now=past)
    assert codes
    return codes


def code_at(now: datetime) -> str:
    return second_factor.code_of(RFC, int(now.timestamp()) // 30)


def give_password(client: Client, user: User, **more: str) -> Any:
    return client.post("/login", {"username": user.email, "password": PASSWORD, **more})


def is_in(client: Client) -> bool:
    return client.get("/me").status_code == 200


@pytest.mark.parametrize(
    ("at", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_standard(at: int, code: str) -> None:
    assert code_at(datetime.fromtimestamp(at, UTC)) == code


# --- Signing in ----------------------------------------------------------------------------------


def test_the_password_alone_opens_nothing(alice: User, client: Client) -> None:
    switch_on(alice)

    response = give_password(client, alice)

    assert response.url == "/login/code"
    assert not is_in(client)


def test_the_code_after_the_password_does_and_leads_where_they_wanted(
    alice: User, client: Client
) -> None:
    with time_machine.travel(NOON, tick=False):
        switch_on(alice)
        give_password(client, alice, next="/incidents")
        code = code_at(NOON)
        response = client.post("/login/code", {"code": f" {code[:3]} {code[3:]} "})
        came_in = is_in(client)

    assert (response.url, came_in) == ("/incidents", True)  # type: ignore[attr-defined]


def test_the_door_of_the_admin_asks_for_it_too(client: Client) -> None:
    root = make_admin(password=PASSWORD)
    switch_on(root)

    door = client.get("/admin/", follow=True)
    response = give_password(client, root, next="/admin/")

    assert door.redirect_chain[-1][0] == "/login?next=/admin/"
    assert response.url == "/login/code"
    assert client.get("/admin/").status_code == 302


def test_without_a_password_before_it_no_code_helps(client: Client) -> None:
    make_admin(password=PASSWORD)

    response = client.post("/login/code", {"code": "123456"}, follow=True)

    assert "That took too long" in response.content.decode()


@pytest.mark.parametrize(
    "then", ["too late", "another password", "switched off"], ids=lambda one: str(one)
)
def test_between_the_steps_nothing_may_change(alice: User, client: Client, then: str) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        switch_on(alice)
        give_password(client, alice)
        if then == "too late":
            clock.move_to(NOON + minutes(11))
        elif then == "another password":
            alice.set_password("correct pony battery")
            alice.save()
        else:
            User.objects.update(is_active=False)
        client.post("/login/code", {"code": code_at(timezone.now())})

        assert not is_in(client)


def test_a_code_works_once_and_its_neighbours_for_clocks_that_differ(alice: User) -> None:
    switch_on(alice)

    def tried(offset: float, at: float) -> bool:
        return second_factor.is_right(
            alice, code_at(NOON + seconds(offset)), now=NOON + seconds(at)
        )

    assert not tried(-60, 0)
    assert tried(-30, 0)
    assert tried(0, 0)
    assert not tried(0, 0)
    assert not tried(-30, 0)
    assert tried(30, 0)
    assert not tried(90, 30)


def test_codes_are_guessed_ten_times_and_no_more(alice: User, client: Client) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        switch_on(alice)
        give_password(client, alice)
        wrong = [client.post("/login/code", {"code": "000000"}).status_code for _ in range(10)]
        right = client.post("/login/code", {"code": code_at(NOON)}).status_code
        clock.move_to(NOON + minutes(15))
        give_password(client, alice)
        later = client.post("/login/code", {"code": code_at(NOON + minutes(15))}).status_code

    assert (set(wrong), right, later) == ({200}, 429, 302)


@pytest.mark.parametrize("junk", ["", "12345", "1234567", "ÄÖÜäöü", "٣٣٣٣٣٣", "x" * 400, "\0"])
def test_junk_is_no_code(alice: User, junk: str) -> None:
    switch_on(alice)

    assert not second_factor.is_right(alice, junk, now=NOON)


def test_a_recovery_code_stands_in_for_the_app_once(alice: User, client: Client) -> None:
    first, *_ = switch_on(alice)
    give_password(client, alice)

    client.post("/login/code", {"code": first.lower()})
    came_in = is_in(client)

    assert came_in
    assert second_factor.codes_left(alice) == 9
    assert not second_factor.is_right(alice, first, now=NOON)
    assert first.replace("-", "") not in str(list(RecoveryCode.objects.values()))


def test_nobody_uses_the_codes_of_another(alice: User) -> None:
    first, *_ = switch_on(alice)
    bob = make_user("bob")
    switch_on(bob)

    assert not second_factor.is_right(bob, first, now=NOON)


# --- Setting it up -------------------------------------------------------------------------------


def test_it_is_set_up_by_scanning_and_a_first_code(alice: User, client: Client) -> None:
    client.force_login(alice)
    page = client.get("/me/account/second-step").content.decode()
    [secret] = re.findall(r"<code>([A-Z2-7]{32})</code>", page)

    wrong = client.post("/me/account/second-step", {"code": "000000"}).content.decode()
    was_on = second_factor.is_on(alice)
    step = int(timezone.now().timestamp()) // 30
    right = client.post(
        "/me/account/second-step", {"code": second_factor.code_of(secret, step)}
    ).content.decode()

    assert "That code is wrong" in wrong
    assert not was_on
    assert SecondFactor.objects.get().secret == secret
    shown = right.partition("<pre>")[2].partition("</pre>")[0]
    assert len(re.findall(r"(?:[A-Z2-9]{4}-){3}[A-Z2-9]{4}", shown)) == 10
    assert "10 recovery codes left" in client.get("/me/account").content.decode()


def test_the_qr_code_is_drawn_of_squares_alone() -> None:
    size, path = second_factor.squares(second_factor.uri(User(email="a@example.org"), RFC))

    assert re.fullmatch(r"(M\d+ \d+h1v1h-1z)+", path)
    assert size in range(33, 60)


def test_it_is_switched_off_and_codes_are_made_anew_with_a_code_only(
    alice: User, client: Client
) -> None:
    codes = switch_on(alice)
    client.force_login(alice)
    change = "/me/account/second-step/change"

    client.post(change, {"then": "off", "code": "000000"})
    still_on = second_factor.is_on(alice)
    client.post(change, {"then": "codes", "code": codes[0]})
    old_works = second_factor.is_right(alice, codes[1], now=NOON)
    client.post(change, {"then": "off", "code": switch_on(alice)[0]})

    assert (still_on, old_works, second_factor.is_on(alice)) == (True, False, False)
    assert not RecoveryCode.objects.exists()


def test_an_admin_switches_it_off_for_somebody_else_not_for_themselves(
    alice: User, client: Client
) -> None:
    root = make_admin()
    switch_on(alice)
    switch_on(root)
    client.force_login(root)

    for user in (alice, root):
        client.post(f"/people/{user.pk}/link", {"second-step-off": ""})

    assert (second_factor.is_on(alice), second_factor.is_on(root)) == (False, True)


def test_the_only_admin_without_phone_and_codes_is_helped_on_the_server(client: Client) -> None:
    root, out = make_admin(password=PASSWORD), io.StringIO()
    switch_on(root)

    call_command("create_admin", email=root.email, without_second_step=True, stdout=out)
    give_password(client, root)

    assert "The second step is off." in out.getvalue()
    assert is_in(client)


# --- Admins who must have it ---------------------------------------------------------------------


def test_an_admin_without_it_gets_no_further_where_it_is_demanded(
    client: Client, settings: Any
) -> None:
    settings.ADMINS_NEED_SECOND_STEP = True
    client.force_login(make_admin())

    pages = [client.get(path) for path in ("/dashboard", "/admin/", "/me")]
    set_up = client.get("/me/account/second-step")

    assert {page.url for page in pages} == {"/me/account/second-step"}  # type: ignore[attr-defined]
    assert "Admins need a second step here" in set_up.content.decode()


def test_with_it_they_do_and_everybody_else_is_not_asked(
    alice: User, client: Client, settings: Any
) -> None:
    settings.ADMINS_NEED_SECOND_STEP = True
    root = make_admin(password=PASSWORD)
    code, *_ = switch_on(root)
    give_password(client, root)
    client.post("/login/code", {"code": code})
    other = Client()
    give_password(other, alice)

    assert client.get("/admin/").status_code == 200
    assert other.get("/dashboard").status_code == 200


def test_a_session_of_before_it_was_demanded_signs_in_once_more(
    client: Client, settings: Any
) -> None:
    root = make_admin()
    client.force_login(root)
    switch_on(root)
    settings.ADMINS_NEED_SECOND_STEP = True

    response = client.get("/dashboard", follow=True)

    assert response.redirect_chain[-1][0] == "/login"
    assert "sign in once more" in response.content.decode()
