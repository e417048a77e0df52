"""Links, tokens and cookies that somebody has changed: each is refused and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.conf import settings as configured
from django.core import signing
from django.test import Client
from django.utils import timezone

from incidents.answers import token_for
from incidents.models import Incident
from notifications import bundles, trials
from notifications.models import Notification
from pagerpal import known_browsers, password_links, team_tokens
from pagerpal.testing import make_incident, make_team, make_user
from schedules import feeds
from schedules.models import CalendarFeed, User

pytestmark = pytest.mark.django_db
REFUSED = {400, 403, 404, 410}


@pytest.fixture
def alice() -> User:
    alice = make_user("alice", password="horse battery staple")
    make_incident(make_team("Platform", leads=(alice,)))
    return alice


def changed(token: str, other: str) -> list[str]:
    """What somebody might make of a token that they have, or of nothing."""
    swapped = token.translate(str.maketrans("abcXYZ019", "bcaYZX190"))
    first, last = ("A" if token[at] != "A" else "B" for at in (0, -1))
    return [
        f"{token[:-1]}{last}", f"{first}{token[1:]}", token[:-1], f"{token}a", token.swapcase(),
        swapped, token[::-1], "a", "-", "..", "0", "\0", f"{token}\0", "ä" * 20, "a" * 3000,
        f"{token[: len(token) // 2]}{other[len(other) // 2 :]}", signing.dumps([1, "x"]), other,
    ]  # fmt: skip


def tried_by(user: User) -> Notification:
    trials.page_now(user, now=timezone.now())
    return Notification.objects.filter(purpose="test")[0]


def bundle_of(user: User) -> str:
    threads = [f"incident:{Incident.objects.get().pk}"]
    return bundles.token_for(
        tried_by(user).bundles.create(threads=threads, created_at=timezone.now())
    )


def feed_of(user: User) -> str:
    feeds.renew({"user": user})
    return feeds.token_for(CalendarFeed.objects.get())


LINKS: dict[str, Callable[[User], str]] = {
    "answer": lambda user: f"/a/{token_for(Incident.objects.get().pk, user.pk)}",
    "answer all": lambda user: f"/a/all-{bundle_of(user)}",
    "got it": lambda user: str(tried_by(user).context["answer_path"]),
    "password": lambda user: urlsplit(password_links.make(user, password_links.RESET)).path,
    "team": lambda user: (
        urlsplit(team_tokens.make(user.teams.get(), user, days=1, now=timezone.now())).path
    ),
    "calendar": lambda user: f"/ical/{feed_of(user)}.ics",
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_that_was_changed_is_refused(alice: User, kind: str) -> None:
    path, client = LINKS[kind](alice), Client()
    before, _, token = path.rpartition("/")
    head, end = "all-" if token.startswith("all-") else "", ".ics" if ".ics" in token else ""
    other = signing.dumps([alice.pk, "reset", "x"], salt="pagerpal.password_links")
    assert client.get(path).status_code == 200

    for one in changed(token.removeprefix(head).removesuffix(end), other):
        address = f"{before}/{head}{quote(one, safe='')}{end}"
        for answer in (client.get(address), client.post(address, {"act": "resolve", "name": "A"})):
            assert answer.status_code in REFUSED | {405}, (one, answer.status_code)

    assert Incident.objects.get().state == "triggered"
    assert configured.TEAM_COOKIE_NAME not in client.cookies


def test_a_session_cookie_that_was_changed_is_nobodys(alice: User) -> None:
    client = Client()
    client.force_login(alice)
    name = configured.SESSION_COOKIE_NAME
    key = client.cookies[name].value

    for one in changed(key, "x" * len(key)):
        client.cookies[name] = one
        assert client.get("/dashboard").status_code == 302, one


def test_a_cookie_of_a_known_browser_that_was_changed_gives_no_count_of_its_own(
    alice: User, rf: Any
) -> None:
    name, client = configured.KNOWN_BROWSER_COOKIE_NAME, Client()
    client.post("/login", {"username": alice.email, "password": "horse battery staple"})
    token, request = client.cookies[name].value, rf.get("/login")
    request.COOKIES[name] = token
    assert known_browsers.number_of(request, alice.email)

    for one in changed(token, signing.dumps(["x", "y"], salt="pagerpal.team_tokens")):
        request.COOKIES[name] = one
        assert not known_browsers.number_of(request, alice.email), one
