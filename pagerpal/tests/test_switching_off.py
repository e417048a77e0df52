"""Before a setting goes, its page says where it is used, and what would change there."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from alertsources.models import Alert
from incidents.models import EscalationPolicy
from pagerpal import uses
from pagerpal.api import tokens
from pagerpal.models import ApiToken
from pagerpal.testing import (
    make_admin,
    make_channel,
    make_incident,
    make_policy,
    make_rotation,
    make_source,
    make_team,
    make_user,
)
from schedules.models import Override, ScheduleChange, User
from schedules.recorded import Recorded
from schedules.tests.pages import form_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client: Client) -> User:
    root = make_admin()
    client.force_login(root)
    return root


def page_of(thing: Any) -> str:
    meta = thing._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_delete", args=[thing.pk])


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_a_policy_that_is_deleted_says_which_sources_run_another_one(
    client: Client, root: User
) -> None:
    team = make_team("Platform", make_user("alice"))
    make_policy(team, "team")
    nights = make_policy(team, "team", name="nights", is_default=False)
    source = make_source(team, name="Grafana", policy=nights)
    source.rules.create(policy=nights)
    incident = make_incident(team, policy=nights)

    asked = words(client.get(page_of(nights)))
    client.post(page_of(nights), {"post": "yes"})

    assert "the source Grafana (Platform)</bdi></a>: without it, runs Platform: default." in asked
    assert "rule 1 of the source Grafana (Platform)" in asked
    assert f"open incident #{incident.pk} Disk full" in asked
    assert not EscalationPolicy.objects.filter(name="nights").exists()


def test_a_rotation_is_switched_off_after_its_page_said_which_steps_name_it(
    client: Client, root: User
) -> None:
    alice = make_user("alice")
    rotation = make_rotation(make_team("Platform", alice), alice)
    make_policy(rotation.team, rotation)
    form = reverse("admin:schedules_rotation_change", args=[rotation.pk])

    offered = words(client.get(form))
    asked = words(client.get(page_of(rotation)))
    client.post(page_of(rotation))

    assert page_of(rotation) in offered
    assert "never deleted" in asked
    assert "step 1 of the policy Platform: default" in asked
    rotation.refresh_from_db()
    assert not rotation.is_active
    assert ScheduleChange.objects.filter(rotation=rotation, actor=root).exists()
    assert page_of(rotation) not in words(client.get(form))


def test_a_room_and_a_source_are_switched_off_likewise(client: Client, root: User) -> None:
    team = make_team("Platform", make_user("alice"))
    room, source = make_channel(team), make_source(team)
    make_policy(team, room)
    incident, now = make_incident(team), timezone.now()
    Alert.objects.create(
        source=source,
        incident=incident,
        key="a",
        live_key="a",
        title="a",
        first_at=now,
        last_at=now,
    )

    of_room, of_source = words(client.get(page_of(room))), words(client.get(page_of(source)))
    for thing in (room, source):
        client.post(page_of(thing))
        thing.refresh_from_db()

    assert "step 1 of the policy Platform: default" in of_room
    assert "pages on until somebody resolves it" in of_source
    assert (room.is_on, source.is_active) == (False, False)


def test_a_team_that_is_needed_stays_on_and_says_why(client: Client, root: User) -> None:
    team = make_team("Platform", make_user("alice"))
    make_source(team)

    answer = client.post(page_of(team), follow=True)

    team.refresh_from_db()
    assert team.is_active
    assert "source" in " ".join(str(one) for one in answer.context["messages"])


def test_a_person_is_switched_off_by_the_page_that_asks_who_takes_over(
    client: Client, root: User
) -> None:
    alice = make_user("alice")
    rotation = make_rotation(make_team("Platform", alice), alice)
    make_policy(rotation.team, alice)

    asked = words(client.get(page_of(alice)))

    assert "the rotation Platform: primary" in asked
    assert "step 1 of the policy" in asked
    assert '<input type="hidden" name="action" value="switch_off">' in asked
    assert client.get(page_of(root)).status_code == 403


def test_the_box_that_switches_off_says_what_names_it_before_it_is_unticked(
    client: Client, root: User
) -> None:
    alice = make_user("alice")
    rotation = make_rotation(make_team("Platform <b>", alice), alice)
    for number in range(6):
        make_policy(rotation.team, rotation, name=f"policy {number}", is_default=not number)
    unused = make_rotation(rotation.team, alice, name="unused")

    form = words(client.get(reverse("admin:schedules_rotation_change", args=[rotation.pk])))
    other = words(client.get(reverse("admin:schedules_rotation_change", args=[unused.pk])))

    assert "Switched off, it is still named by step 1 of the policy Platform &lt;b&gt;: " in form
    assert "and 1 more." in form
    assert "still named by" not in other


def test_unticking_the_box_in_the_form_says_what_still_names_it(client: Client, root: User) -> None:
    alice = make_user("alice")
    rotation = make_rotation(make_team("Platform", alice), alice)
    make_policy(rotation.team, rotation)
    form = reverse("admin:schedules_rotation_change", args=[rotation.pk])
    values = {**form_of(client.get(form))}
    values.pop("is_active", None)

    answer = client.post(form, values, follow=True)

    said = " ".join(str(one) for one in answer.context["messages"])
    assert "Still named by step 1 of the policy Platform: default" in said


def test_what_nothing_names_says_so(client: Client, root: User) -> None:
    assert uses.of(make_channel(make_team())) == []


def test_a_token_that_is_revoked_says_when_it_was_last_used(client: Client, root: User) -> None:
    token, _ = tokens.make(root, "ci", scope="read", now=timezone.now())
    never = words(client.get(page_of(token)))
    tokens.used(token, now=timezone.now())

    asked = words(client.get(page_of(token)))

    assert "comes with ci of root is refused at once: never used so far." in never
    assert "is refused at once: last used" in asked


# Their pages say it in words of their own; the rows of the queue are no settings.
SAYS_ITSELF = {Override, ApiToken}


def test_every_setting_that_can_be_deleted_says_what_would_change(root: User) -> None:
    request = RequestFactory().get("/admin/")
    request.user = root
    silent = {
        model
        for model, shown in admin.site._registry.items()
        if shown.has_delete_permission(request) and issubclass(model, Recorded)
    }

    assert silent - uses.FINDERS.keys() <= SAYS_ITSELF
