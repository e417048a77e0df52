"""What holds for every page of the admin, whoever adds the next one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteMixin
from django.db import connection
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from alertsources.models import Alert, AlertSource, ReceivedPayload, Silence
from incidents.models import EscalationPolicy, Incident
from notifications.models import InboundMessage, Notification
from pagerpal.api import tokens
from pagerpal.testing import (
    NOON,
    make_admin,
    make_channel,
    make_incident,
    make_policy,
    make_rotation,
    make_source,
    make_team,
    make_user,
)
from schedules.models import Override, Rotation, SettingChange, Team, User

pytestmark = pytest.mark.django_db

# Only what is ours: the queue's own pages are its authors'.
OURS = [model for model in admin.site._registry if model._meta.app_label != "django_q"]


@pytest.fixture
def request_of_admin() -> HttpRequest:
    request = RequestFactory().get("/admin/")
    request.user = make_admin()
    return request


def forms_of(shown: Any, request: HttpRequest) -> Iterator[Any]:
    """The forms of what can be edited: to add one, to change one, and the rows within."""
    if shown.has_add_permission(request):
        yield shown.get_form(request, None, change=False)
    if shown.has_change_permission(request):
        there = shown.model(ends_at=NOON) if shown.model is Override else shown.model()
        yield shown.get_form(request, there, change=True)
    for inline in shown.get_inline_instances(request):
        if inline.has_change_permission(request) or inline.has_add_permission(request, None):
            yield inline.get_formset(request, None).form


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_field_that_can_be_edited_says_what_it_does(
    model: Any, request_of_admin: HttpRequest
) -> None:
    silent = set()
    for form in forms_of(admin.site._registry[model], request_of_admin):
        fields: dict[str, Any] = getattr(form, "base_fields", {})
        silent |= {
            f"{form._meta.model.__name__}.{name}"
            for name, field in fields.items()
            if not field.help_text and not isinstance(field.widget, forms.HiddenInput)
        }

    assert not silent, "say in `help_text` what each of them does"


def test_the_first_page_names_who_is_on_call_what_is_open_and_what_needs_attention(
    client: Client,
) -> None:
    alice = make_user("alice")
    team = make_team("Platform", alice)
    make_rotation(team, alice)
    make_rotation(team, name="second")
    incident = make_incident(team, title="Disk full on db-6")
    make_channel(team, is_on=False, off_reason="30 Nov: it is gone")
    client.force_login(make_admin())

    text = " ".join(client.get("/admin/").content.decode().split())

    assert "<strong><bdi>alice</bdi></strong>" in text
    assert '<strong class="gap">nobody</strong>' in text
    assert f"#{incident.pk} <bdi>Disk full on db-6</bdi>" in text
    assert "it is gone" in text
    assert "No worker has ever run here" in text
    assert "they have not shown yet that messages arrive there" in text


def test_the_sections_stand_in_the_order_of_the_work(request_of_admin: HttpRequest) -> None:
    found = admin.site.get_app_list(request_of_admin)

    names = ["Incidents", "Schedules", "Alert sources", "People", "System"]
    assert [one["name"] for one in found] == names
    assert sum(len(one["models"]) for one in found) == len(admin.site._registry)


def test_the_first_page_costs_the_same_beside_many_teams(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    client.force_login(make_admin())
    for number in range(12):
        alice = make_user(f"alice{number}")
        make_rotation(make_team(f"team {number}", alice), alice)
        make_incident(Team.objects.latest("pk"))

    with django_assert_max_num_queries(60):
        client.get("/admin/")


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_a_list_has_five_columns_at_most(model: Any, request_of_admin: HttpRequest) -> None:
    assert len(admin.site._registry[model].get_list_display(request_of_admin)) <= 5


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_people_teams_and_rotations_are_chosen_by_typing_their_name(
    model: Any, request_of_admin: HttpRequest
) -> None:
    listed = set()
    for form in forms_of(admin.site._registry[model], request_of_admin):
        for name, field in form.base_fields.items():
            chosen = getattr(getattr(field, "queryset", None), "model", None)
            widget = getattr(field.widget, "widget", field.widget)
            if chosen in {User, Team, Rotation} and not isinstance(widget, AutocompleteMixin):
                listed.add(f"{form._meta.model.__name__}.{name}")

    assert not listed, "put them among `autocomplete_fields`"


def test_big_lists_are_not_counted_whole_and_small_ones_say_how_many_there_are() -> None:
    shown = admin.site._registry
    logs = {Incident, Alert, ReceivedPayload, Notification, InboundMessage, SettingChange}
    small = {User, Rotation, EscalationPolicy, AlertSource}

    assert {model for model in OURS if not shown[model].show_full_result_count} == logs
    always = admin.ShowFacets.ALWAYS
    assert {model for model in OURS if shown[model].show_facets is always} == small


def test_what_has_a_page_of_ours_leads_there(client: Client) -> None:
    team = make_team()
    incident, source = make_incident(team), make_source(team)
    client.force_login(make_admin())
    pages = {
        incident: incident.get_absolute_url(),
        source: reverse("alertsources:source", args=[source.pk]),
        team: f"{reverse('schedules:calendar')}?team={team.pk}",
    }

    for thing, page in pages.items():
        at = f"admin:{thing._meta.app_label}_{thing._meta.model_name}_change"
        assert f'href="{page}"' in client.get(reverse(at, args=[thing.pk])).content.decode()


def test_logs_are_listed_by_source_and_name_only_ones_own(client: Client) -> None:
    lead = make_user("lead")
    team = make_team("Mine", leads=(lead,))
    own = [make_source(team, name=name, key=name * 32) for name in ("a", "b")]
    theirs = make_source(make_team("Theirs"), key="t" * 32)

    for user, sources in ((lead, own), (make_admin(), [*own, theirs])):
        client.force_login(user)
        for model in ("alert", "receivedpayload"):
            listed = client.get(reverse(f"admin:alertsources_{model}_changelist")).context["cl"]
            (found,) = [one for one in listed.filter_specs if one.title == "source"]
            assert found.lookup_choices == [(str(one.pk), str(one)) for one in sources]


def add_rows(numbers: range) -> None:
    """One to each list that grows, each of a team of its own."""
    for number in numbers:
        user = make_user(f"user{number}")
        team = make_team(f"team {number}", user)
        rotation = make_rotation(team, user)
        until = NOON + timedelta(hours=1)
        Override.objects.create(rotation=rotation, user=user, starts_at=NOON, ends_at=until)
        make_policy(team, rotation)
        room = make_channel(team)
        source, incident = (
            make_source(team, key=f"{number:032}"),
            make_incident(team, state="acknowledged", owner=user),
        )
        Silence.objects.create(
            **{"team": team, "source": source, "reason": "deploy", "title": "x"},
            **{"starts_at": NOON, "ends_at": until},
        )
        Alert.objects.create(
            **{
                "source": source,
                "incident": incident,
                "key": "a",
                "live_key": f"a{number}",
                "title": "a",
            },
            **{"started_at": NOON, "first_at": NOON, "last_at": NOON},
        )
        ReceivedPayload.objects.create(
            source=source, incident=incident, body=b"{}", received_at=NOON
        )
        Notification.objects.create(
            **{"user": user, "contact_method": user.contact_methods.get(), "channel": "ntfy"},
            **{"team": team, "purpose": "page", "due_at": NOON, "key": f"a{number}"},
        )
        Notification.objects.create(
            **{"team_channel": room, "channel": "ntfy", "team": team},
            **{"purpose": "page", "due_at": NOON, "key": f"b{number}"},
        )
        InboundMessage.objects.create(
            **{"user": user, "channel": "sms", "address": "1", "text": "ok"},
            **{"said_at": NOON, "received_at": NOON, "provider": "x", "provider_id": f"c{number}"},
        )
        tokens.make(user, "x", scope="read", now=NOON)


def queries_of_lists(client: Client) -> dict[str, int]:
    found = {}
    for model in OURS:
        at = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        with CaptureQueriesContext(connection) as captured:
            assert client.get(at).status_code == 200
        found[model.__name__] = len(captured)
    return found


def test_each_list_takes_the_same_queries_for_five_rows_and_for_many(client: Client) -> None:
    client.force_login(make_admin())
    add_rows(range(5))
    few = queries_of_lists(client)

    add_rows(range(5, 16))

    assert queries_of_lists(client) == few
