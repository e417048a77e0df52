"""Incidents in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from incidents import lifecycle
from pagerpal.testing import (
    NOON,
    make_admin,
    make_incident,
    make_team,
    make_user,
    minutes,
)

pytestmark = pytest.mark.django_db
LIST = "/admin/incidents/incident/"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def bulk(admin: Client, word: str, *ids: int) -> str:
    chosen = {"action": word, "_selected_action": ids}
    return admin.post(LIST, chosen, follow=True).content.decode()


def test_a_bulk_acknowledgement_counts_what_it_changed(admin: Client) -> None:
    fresh = [make_incident() for _ in range(3)]
    taken = make_incident()
    lifecycle.acknowledge(taken.pk, lifecycle.Actor.person(make_user(), "page"), now=NOON)

    text = bulk(admin, "acknowledge", taken.pk, *(one.pk for one in fresh))

    assert "3 acknowledged, 1 had already been." in text
    for incident in fresh:
        incident.refresh_from_db()
        assert incident.state == "acknowledged"
        assert incident.timeline.get().via == "admin"


def test_a_refused_reopen_does_not_stop_the_others(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make_incident(state="resolved"), make_incident(state="resolved")
    reopen = lifecycle.reopen

    def refuse_first(pk: int, *args: Any, **fields: Any) -> lifecycle.Moved:
        if pk == first.pk:
            raise lifecycle.Refused("A newer incident is open.")
        return reopen(pk, *args, **fields)

    monkeypatch.setattr(lifecycle, "reopen", refuse_first)

    text = bulk(admin, "reopen", first.pk, second.pk)

    assert f"#{first.pk}: A newer incident is open." in text
    assert "1 reopened." in text


def test_each_button_of_an_incident_acts_through_lifecycle(admin: Client) -> None:
    incident = make_incident()

    page = admin.get(f"{LIST}{incident.pk}/change/").content.decode()
    response = admin.post(f"{LIST}{incident.pk}/act/resolve/", follow=True)

    incident.refresh_from_db()
    assert f"{LIST}{incident.pk}/act/acknowledge/" in page
    assert incident.state == "resolved"
    assert "1 resolved." in response.content.decode()


@pytest.mark.parametrize("word", ["acknowledge", "nonsense"])
def test_looking_at_an_act_does_nothing(admin: Client, word: str) -> None:
    incident = make_incident()

    response = admin.get(f"{LIST}{incident.pk}/act/{word}/")

    incident.refresh_from_db()
    assert response.status_code == 405
    assert incident.state == "triggered"


def test_an_incident_cannot_be_added_edited_or_deleted(admin: Client) -> None:
    incident = make_incident(title="As it was")

    added = admin.get(f"{LIST}add/")
    deleted = admin.post(f"{LIST}{incident.pk}/delete/", {"post": "yes"})
    changed = admin.post(f"{LIST}{incident.pk}/change/", {"title": "Another", "state": "resolved"})

    incident.refresh_from_db()
    assert [added.status_code, deleted.status_code, changed.status_code] == [403, 403, 403]
    assert (incident.title, incident.state) == ("As it was", "triggered")
    assert "delete_selected" not in admin.get(LIST).content.decode()


def test_an_incident_shows_its_history_newest_first(admin: Client) -> None:
    incident = make_incident()
    by = lifecycle.Actor.person(make_user(), "page")
    lifecycle.add_note(incident.pk, by, "first words", now=NOON)
    lifecycle.add_note(incident.pk, by, "later <b>words</b>", now=NOON + minutes(1))

    text = admin.get(f"{LIST}{incident.pk}/change/").content.decode()

    assert "later &lt;b&gt;words&lt;/b&gt;" in text
    assert text.index("later &lt;b&gt;") < text.index("first words")


def test_people_who_are_no_admins_stay_out(client: Client) -> None:
    incident = make_incident()
    client.force_login(make_user("bob", is_staff=True))

    response = client.post(f"{LIST}{incident.pk}/act/resolve/")

    incident.refresh_from_db()
    assert response.status_code == 403
    assert incident.state == "triggered"


def test_the_list_of_incidents_costs_few_queries(
    admin: Client, django_assert_num_queries: Any
) -> None:
    team = make_team("Platform")
    for number in range(12):
        owner = make_user(f"user{number}")
        make_incident(team, state="acknowledged", owner=owner)

    # Session, person, count, rows, and the choices of two filters.
    with django_assert_num_queries(6):
        admin.get(LIST)


def test_the_admin_wears_pagerpals_skin(admin: Client) -> None:
    text = admin.get("/admin/").content.decode()

    assert "pagerpal/admin.css" in text


def test_paging_someone_else_leads_to_the_open_form_of_the_incidents_page(admin: Client) -> None:
    incident, over = make_incident(), make_incident(state="resolved")

    page = admin.get(f"{LIST}{incident.pk}/change/").content.decode()
    at = f"{incident.get_absolute_url()}?more=page"
    form = admin.get(at).content.decode()

    assert f'<a href="{at}#more-page">Page someone else</a>' in page
    assert '<details id="more-page" open>' in form
    assert '<details id="more-page">' in admin.get(incident.get_absolute_url()).content.decode()
    assert "Page someone else" not in admin.get(f"{LIST}{over.pk}/change/").content.decode()


def test_the_counts_beside_the_filters_are_those_of_the_lists_they_lead_to(admin: Client) -> None:
    ours, other = make_team("Platform"), make_team("Other")
    make_incident(ours, severity="critical", source_label="grafana")
    make_incident(ours, severity="high", source_label="grafana")
    make_incident(other, severity="high", state="resolved")

    page = admin.get(LIST, {"_facets": "True", "team__id__exact": str(ours.pk)})
    counted = {
        (spec.title, choice["display"]): choice["query_string"]
        for spec in page.context["cl"].filter_specs
        for choice in spec.choices(page.context["cl"])
        if choice["display"].endswith(")")
    }

    assert {name for name in counted if not name[1].endswith("(0)")} == {
        *[("state", "triggered (2)"), ("severity", "critical (1)"), ("severity", "high (1)")],
        *[("team", "Platform (2)"), ("team", "Other (1)"), ("source label", "grafana (2)")],
    }
    for (_, text), address in counted.items():
        listed = admin.get(f"{LIST}{address}").context["cl"].result_count
        assert text.endswith(f"({listed})"), text
