"""What browsers are told of every answer, and that no page needs more than they are told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as configured
from django.test import Client

from pagerpal import password_links
from pagerpal.headers import CONTENT_SECURITY_POLICY
from pagerpal.testing import (
    make_admin,
    make_incident,
    make_policy,
    make_rotation,
    make_source,
    make_team,
    make_user,
)  # fmt: skip
from pagerpal.tests.browsing import Visit

if TYPE_CHECKING:
    from schedules.models import User


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status"), [("/login", 200), ("/dashboard", 302), ("/nowhere", 404), ("/a/x", 404)]
)
def test_every_answer_has_the_headers(client: Client, path: str, status: int) -> None:
    make_admin(password="horse battery staple")

    response = client.get(path)

    assert response.status_code == status
    assert response["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] in {"same-origin", "no-referrer"}


def test_the_policy_allows_no_inline_code_and_no_eval() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/dashboard", "/me", "/admin/", "/admin/jsi18n/", "/nowhere"])
def test_nothing_behind_the_sign_in_is_kept_by_anybody(client: Client, path: str) -> None:
    client.force_login(make_admin())

    assert "no-store" in client.get(path)["Cache-Control"]


@pytest.mark.django_db
def test_addresses_with_a_token_send_no_referrer(client: Client) -> None:
    token = password_links.make(make_user(), password_links.INVITATION).rpartition("/")[2]

    for path in (f"/password/{token}", "/password/junk", "/a/junk", "/me/got-it/junk"):
        assert client.get(path)["Referrer-Policy"] == "no-referrer"


@pytest.mark.django_db
def test_browsers_are_told_to_come_by_https_only_once_they_did(
    client: Client, settings: Any
) -> None:
    settings.SECURE_HSTS_SECONDS = 31_536_000

    assert "Strict-Transport-Security" not in client.get("/health/live")
    by_https = client.get("/health/live", secure=True)
    assert by_https["Strict-Transport-Security"] == "max-age=31536000"


def test_no_template_has_code_or_styles_of_its_own() -> None:
    inline = re.compile(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=\"|javascript:")
    mails = {"message.html"}

    found = [
        f"{path.name}: {match[0]}"
        for path in Path(configured.BASE_DIR, "templates").rglob("*.html")
        if path.name not in mails
        for match in inline.finditer(path.read_text())
    ]

    assert not found


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_no_page_asks_a_browser_for_what_the_policy_forbids(visit: Visit) -> None:
    root: User = make_admin()
    team = make_team("Platform", make_user("bob"), leads=(root,))
    rotation = make_rotation(team, root)
    policy = make_policy(team, rotation)
    incident, source = make_incident(team), make_source(team)
    page = visit("/dashboard", root)
    base = page.url.removesuffix("/dashboard")
    broken: list[str] = []
    page.on(
        "console",
        lambda said: broken.append(f"{page.url}: {said.text}") if _is_refusal(said.text) else None,
    )

    for path in (
        *("/dashboard", "/incidents", f"/incidents/{incident.pk}", "/incidents/raise", "/calendar"),
        *(
            "/alert-sources",
            f"/alert-sources/{source.pk}",
            "/me",
            "/me/account",
            "/me/account/second-step",
            "/setup/phone",
            "/setup/test",
        ),
        *(
            "/admin/",
            f"/people/{root.pk}/link",
            "/admin/schedules/team/",
            "/admin/schedules/override/add/",
        ),
        f"/admin/schedules/team/{team.pk}/change/",
        f"/admin/schedules/user/{root.pk}/change/",
        f"/admin/schedules/rotation/{rotation.pk}/change/",
        f"/admin/incidents/escalationpolicy/{policy.pk}/change/",
        f"/admin/alertsources/alertsource/{source.pk}/change/",
        "/admin/notifications/notification/previews/",
    ):
        page.goto(f"{base}{path}")
    page.goto(f"{base}/admin/schedules/override/add/")
    page.locator(".select2-selection").first.click()
    page.locator(".select2-search__field").fill("pri")
    page.locator(".select2-results__option", has_text="primary").wait_for()

    assert not broken


def _is_refusal(text: str) -> bool:
    return "Content Security Policy" in text or "Refused to" in text
