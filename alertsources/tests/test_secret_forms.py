"""Signing secrets, flapping and silence in the forms of a source."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from alertsources.models import AlertSource
from alertsources.tests.test_admin import LIST, fields
from alertsources.tests.test_source_pages import fields as page_fields
from pagerpal.testing import make_admin, make_source, make_team

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), name="prod", kind="grafana", signing_secret="stored")


def save(client: Client, source: AlertSource, **changed: Any) -> str:
    """What the page says then; the source as it is stored after."""
    sent = fields(team=source.team_id, kind=source.kind, **changed)
    page = client.post(f"{LIST}{source.pk}/change/", sent | {"_continue": "1"}, follow=True)
    source.refresh_from_db()
    return page.content.decode()


def test_a_secret_is_set_and_forgotten_and_never_shown(admin: Client, source: AlertSource) -> None:
    assert "stored" not in save(admin, source, signing_secret="")
    assert source.signing_secret == "stored"
    assert "n3w" not in save(admin, source, signing_secret="n3w")
    assert source.signing_secret == "n3w"

    save(admin, source, forget_secret="on")

    assert source.signing_secret == ""


@pytest.mark.parametrize("kind", ["generic", "alertmanager", "cloudwatch", "uptime-kuma"])
def test_a_kind_that_is_not_signed_takes_no_secret(
    admin: Client, source: AlertSource, kind: str
) -> None:
    AlertSource.objects.update(kind=kind, signing_secret="")
    source.refresh_from_db()

    page = save(admin, source, signing_secret="useless")

    assert "a secret would protect nothing" in page
    assert source.signing_secret == ""


def test_who_changes_the_kind_has_the_secret_forgotten_first(
    admin: Client, source: AlertSource
) -> None:
    source.kind = "generic"
    assert "PagerPal checks no signatures of Generic JSON" in save(admin, source)

    source.kind = "generic"
    save(admin, source, forget_secret="on")

    assert (source.kind, source.signing_secret) == ("generic", "")


def test_the_sources_own_page_goes_by_the_same_rules(admin: Client, source: AlertSource) -> None:
    url = f"/alert-sources/{source.pk}/edit"

    assert "stored" not in admin.get(url).content.decode()
    refused = admin.post(url, page_fields(source.team, signing_secret="x")).content.decode()
    admin.post(url, page_fields(source.team, kind="checkly", signing_secret="y"))

    assert "PagerPal checks no signatures of Generic JSON" in refused
    source.refresh_from_db()
    assert (source.kind, source.signing_secret) == ("checkly", "y")
    AlertSource.objects.update(kind="generic", signing_secret="")
    assert "Signing secret" not in admin.get(url).content.decode()


def test_what_flaps_and_when_to_warn_is_set_in_the_form(admin: Client, source: AlertSource) -> None:
    save(
        admin,
        source,
        flapping_times="0",
        flapping_within="01:00:00",
        warn_if_silent_for="1 00:00:00",
    )

    assert (source.flapping_times, source.flapping_within) == (0, timedelta(hours=1))
    assert source.flapping_quiet_for == timedelta(minutes=10)
    assert source.warn_if_silent_for == timedelta(days=1)
    save(admin, source, flapping_times="", flapping_within="")
    assert (source.flapping_times, source.flapping_within) == (3, timedelta(minutes=15))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"warn_if_silent_for": "00:04:59"}, "5 minutes is the least."),
        ({"warn_if_silent_for": "91 00:00:00"}, "90 days is the most."),
        ({"flapping_times": "101"}, "100 is the most."),
        ({"flapping_within": "00:00:30"}, "A minute is the least."),
        ({"flapping_quiet_for": "2 00:00:00"}, "A day is the most."),
    ],
)
def test_what_is_out_of_bounds_is_said(
    admin: Client, source: AlertSource, changed: dict[str, str], said: str
) -> None:
    assert said in save(admin, source, **changed)
