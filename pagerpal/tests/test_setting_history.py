"""Who changed which setting, as the admin shows it, and to whom."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from notifications.models import ContactMethod, NotificationRule
from pagerpal import second_factor
from pagerpal.models import ApiToken, SecondFactor, TeamToken
from pagerpal.testing import make_admin, make_rotation, make_source, make_team, make_user
from schedules.models import SettingChange, User
from schedules.recorded import Recorded
from schedules.tests.pages import form_of

pytestmark = pytest.mark.django_db


def as_admin() -> HttpRequest:
    request = RequestFactory().get("/admin/")
    request.user = make_admin()
    return request


# Settings of people that their own pages change, not the admin's.
BESIDE_THE_ADMIN: set[type[Model]] = {ApiToken, SecondFactor, TeamToken, NotificationRule}


def test_every_model_that_somebody_can_change_is_recorded() -> None:
    request = as_admin()
    missing: set[type[Model]] = {
        model for model in BESIDE_THE_ADMIN if not issubclass(model, Recorded)
    }
    for model, shown in admin.site._registry.items():
        if model._meta.app_label == "django_q":
            continue
        may = (shown.has_add_permission, shown.has_change_permission, shown.has_delete_permission)
        if any(asked(request) for asked in may):
            missing |= {model} if not issubclass(model, Recorded) else set()
        for inline in shown.get_inline_instances(request):
            if inline.has_change_permission(request) or inline.has_add_permission(request, None):
                missing |= {inline.model} if not issubclass(inline.model, Recorded) else set()

    assert not missing, "make them Recorded, so that it is known who changed what"


def test_the_history_of_a_rotation_says_who_changed_what(client: Client) -> None:
    root, alice = make_admin(), make_user("alice")
    rotation = make_rotation(make_team("Platform", alice), alice)
    client.force_login(root)
    address = reverse("admin:schedules_rotation_change", args=[rotation.pk])
    values = form_of(client.get(address))

    saved = client.post(address, {**values, "handover_time": "10:30"})
    text = client.get(reverse("admin:schedules_rotation_history", args=[rotation.pk])).content

    assert saved.status_code == 302
    assert b"hand-over time from 09:00 to 10:30" in text
    change = SettingChange.objects.latest("pk")
    assert (change.actor, change.via) == (root, "admin")


def test_what_a_page_changes_is_of_whoever_is_signed_in(client: Client) -> None:
    alice = make_user("alice")
    method = ContactMethod.objects.get()
    client.force_login(alice)

    client.post(reverse("notifications:method", args=[method.pk, "off"]))

    change = SettingChange.objects.latest("pk")
    assert change.changes == {"is_on": [True, False]}
    assert (change.actor, change.via) == (alice, "page")


def test_an_alert_that_comes_in_changes_no_setting(client: Client) -> None:
    make_source(make_team("Platform", make_user()))
    before = SettingChange.objects.count()

    answer = client.post(
        "/api/v1/alerts",
        {"title": "Disk full"},
        content_type="application/json",
        headers={"X-API-Key": "k" * 32},
    )

    assert answer.status_code < 300
    assert SettingChange.objects.count() == before


def test_what_lets_people_and_their_programs_in_is_recorded_without_its_secrets(
    client: Client,
) -> None:
    root, alice, secret = make_admin(), make_user("alice"), second_factor.new_secret()
    client.force_login(alice)
    client.post(reverse("make_token"), {"name": "ci", "scope": "read", "days": "90"})
    token = ApiToken.objects.get()
    now = timezone.now()
    code = second_factor.code_of(secret, int(now.timestamp()) // second_factor.STEP)
    codes = second_factor.switch_on(alice, secret, code, now=now)
    second_factor.switch_off(alice)
    client.post(reverse("revoke_token", args=[token.pk]))

    client.force_login(root)
    text = client.get(reverse("admin:schedules_user_history", args=[alice.pk])).content.decode()

    told = SettingChange.objects.filter(model__startswith="pagerpal.").order_by("pk")
    assert [(one.model, one.act) for one in told] == [
        ("pagerpal.apitoken", "added"),
        ("pagerpal.secondfactor", "added"),
        ("pagerpal.secondfactor", "removed"),
        ("pagerpal.apitoken", "removed"),
    ]
    assert (told[0].actor, told[0].via, told[3].actor) == (alice, "page", alice)
    assert "added API token ci of alice" in text
    assert "removed second factor" in text
    assert codes
    for hidden in (secret, token.token_hash, *codes):
        assert hidden not in text + str([one.changes for one in told])


@pytest.fixture
def lena(client: Client) -> User:
    lena = make_user("lena")
    make_team("Platform", leads=(lena,))
    client.force_login(lena)
    return lena


def test_leads_read_what_changed_in_their_teams_alone(client: Client, lena: User) -> None:
    make_source(lena.teams.get(), name="Grafana")
    make_source(make_team("Web"), name="Kuma", key="j" * 32)

    text = client.get(reverse("admin:schedules_settingchange_changelist")).content.decode()

    assert "Grafana" in text
    assert "Kuma" not in text


def test_how_people_are_reached_is_read_by_admins_alone(client: Client, lena: User) -> None:
    address = reverse("admin:schedules_user_history", args=[lena.pk])

    hers = client.get(address).content.decode()
    client.force_login(make_admin())
    theirs = client.get(address).content.decode()

    assert "contact method" not in hers
    assert "added contact method ntfy" in theirs


def test_the_list_costs_the_same_however_long_it_is(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    client.force_login(make_admin())
    for number in range(30):
        make_team(f"team {number}")

    with django_assert_max_num_queries(9):
        client.get(reverse("admin:schedules_settingchange_changelist"))
