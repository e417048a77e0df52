"""How often somebody may try: limits hold against many at once, and end."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.http import HttpRequest
from django.test import Client

from pagerpal import peers, throttle
from pagerpal.models import TryCount
from pagerpal.testing import NOON, make_user, minutes
from pagerpal.throttle import PER_ACCOUNT, PER_ADDRESS, Limit

PASSWORD = "horse battery staple"
FIVE = Limit("test", 5, minutes(15))


@pytest.mark.django_db
def test_a_window_ends_and_gives_as_many_tries_again() -> None:
    taken = [throttle.take(FIVE, "ann", now=NOON + minutes(n)) for n in range(31)]

    assert [n for n, one in enumerate(taken) if one] == [0, 1, 2, 3, 4, 15, 16, 17, 18, 19, 30]


@pytest.mark.django_db
def test_one_key_uses_up_no_try_of_another() -> None:
    for _ in range(6):
        throttle.take(FIVE, "ann", now=NOON)

    assert not throttle.take(FIVE, "ANN", now=NOON)
    assert throttle.take(FIVE, "bob", now=NOON)
    assert throttle.take(Limit("other", 5, minutes(15)), "ann", now=NOON)


@pytest.mark.django_db
def test_what_was_right_does_not_count() -> None:
    for _ in range(20):
        assert throttle.take(FIVE, "ann", now=NOON)
        throttle.give_back(FIVE, "ann")


@pytest.mark.django_db
def test_counts_of_yesterday_are_swept_away() -> None:
    throttle.take(FIVE, "ann", now=NOON)
    throttle.take(FIVE, "bob", now=NOON + timedelta(days=1, minutes=1))

    assert TryCount.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_tries_at_once_no_more_are_taken_than_there_are() -> None:
    begin = threading.Barrier(4)
    taken: list[bool] = []

    def run() -> None:
        begin.wait()
        taken.extend(throttle.take(FIVE, "ann", now=NOON) for _ in range(4))
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(taken) == 5


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("accounts", "addresses", "most"), [(1, 1, 10), (1, 150, 10), (150, 1, 100)]
)
def test_of_150_quick_guesses_few_are_looked_at(accounts: int, addresses: int, most: int) -> None:
    """What counts is for how many of them a password is compared."""
    looked_at = 0
    for n in range(150):
        if throttle.take(PER_ADDRESS, f"address {n % addresses}", now=NOON):
            looked_at += throttle.take(PER_ACCOUNT, f"a{n % accounts}@example.org", now=NOON)

    assert looked_at == most


@pytest.mark.django_db
def test_of_10_000_guesses_in_a_day_10_are_looked_at_in_each_quarter_of_an_hour() -> None:
    """From as many addresses as there are guesses; a refused one writes nothing."""
    taken = [
        throttle.take(PER_ACCOUNT, "alice@example.org", now=NOON + n * timedelta(days=1) / 10_000)
        for n in range(10_000)
    ]

    assert sum(taken) <= 96 * 10
    assert throttle.take(PER_ACCOUNT, "alice@example.org", now=NOON + timedelta(days=1, minutes=15))


# --- On the login page ---------------------------------------------------------------------------


def sign_in(client: Client, password: str, **headers: str) -> int:
    form = {"username": "alice@example.org", "password": password}
    return client.post("/login", form, **headers).status_code  # type: ignore[arg-type]


@pytest.mark.django_db
def test_after_ten_wrong_passwords_even_the_right_one_waits() -> None:
    make_user("alice", password=PASSWORD)
    stranger = Client()

    codes = [sign_in(stranger, "wrong") for _ in range(11)]

    assert codes == [200] * 10 + [429]
    assert sign_in(stranger, PASSWORD) == 429


@pytest.mark.django_db
def test_who_was_signed_in_here_before_is_not_locked_out_by_strangers() -> None:
    make_user("alice", password=PASSWORD)
    own, stranger = Client(), Client()
    sign_in(own, PASSWORD)
    own.post("/logout")
    for _ in range(12):
        sign_in(stranger, "wrong", REMOTE_ADDR="203.0.113.9")

    assert sign_in(stranger, PASSWORD, REMOTE_ADDR="203.0.113.9") == 429
    assert sign_in(own, PASSWORD) == 302


@pytest.mark.django_db
def test_the_cookie_of_one_account_opens_no_tries_for_another() -> None:
    make_user("alice", password=PASSWORD)
    make_user("mallory", password=PASSWORD)
    mallory = Client()
    mallory.post("/login", {"username": "mallory@example.org", "password": PASSWORD})
    mallory.post("/logout")

    codes = [sign_in(mallory, "wrong") for _ in range(11)]

    assert codes[-1] == 429


@pytest.mark.django_db
def test_one_address_tries_many_accounts_no_more_than_its_limit() -> None:
    make_user("alice", password=PASSWORD)
    client = Client()

    codes = [
        client.post("/login", {"username": f"u{n}@example.org", "password": "x"}).status_code
        for n in range(101)
    ]

    assert (codes.count(200), codes[-1]) == (100, 429)


# --- Whose tries ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusted", "peer", "claimed", "found"),
    [
        ([], "198.51.100.7", "10.0.0.1", "198.51.100.7"),
        (["127.0.0.1"], "127.0.0.1", "203.0.113.5", "203.0.113.5"),
        (["127.0.0.1"], "127.0.0.1", "6.6.6.6, 203.0.113.5", "203.0.113.5"),
        (["127.0.0.1", "10.0.0.0/8"], "127.0.0.1", "6.6.6.6, 203.0.113.5, 10.2.3.4", "203.0.113.5"),
        (["127.0.0.1"], "127.0.0.1", "junk", "127.0.0.1"),
        (["127.0.0.1"], "127.0.0.1", "", "127.0.0.1"),
        (["*"], "198.51.100.7", "203.0.113.5", "198.51.100.7"),
        (["127.0.0.1"], "::ffff:127.0.0.1", "203.0.113.5", "203.0.113.5"),
        ([], "", "203.0.113.5", ""),
    ],
)
def test_only_trusted_proxies_are_believed(
    settings: object, trusted: list[str], peer: str, claimed: str, found: str
) -> None:
    settings.TRUSTED_PROXIES = trusted  # type: ignore[attr-defined]
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": claimed}

    assert peers.address_of(request) == found


def test_all_of_an_ipv6_network_is_one_attacker() -> None:
    assert peers.network_of("2001:db8::1:2") == peers.network_of("2001:db8::ffff")
    assert peers.network_of("192.0.2.1") != peers.network_of("192.0.2.2")
