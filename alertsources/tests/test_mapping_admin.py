"""A mapping in the admin: tried on what really came, saved, and messages taken in once more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from alertsources.models import AlertSource, ReceivedPayload
from alertsources.reprocessing import NotNow, reprocess
from alertsources.tests.bodies import KEY, post
from incidents.models import Incident
from pagerpal.testing import NOON, make_admin, make_source, make_team, make_user
from schedules.models import User

pytestmark = pytest.mark.django_db

TANK = {"event": "tank.low", "site": "Berlin", "litres": 12}
URL = f"/in/{KEY}"


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(make_admin())
    return client


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), kind="any-json", name="tanks")


def page_of(source: AlertSource) -> str:
    return reverse("admin:alertsources_alertsource_mapping", args=[source.pk])


def send(message: Any = TANK) -> ReceivedPayload:
    post(message, URL, key="")
    return ReceivedPayload.objects.first() or pytest.fail("nothing was stored")


def staff(*codes: str) -> Client:
    user = make_user("lena", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    client = Client()
    client.force_login(user)
    return client


def test_the_page_shows_what_the_last_message_is_read_as(
    admin: Client, source: AlertSource
) -> None:
    send()

    page = admin.get(page_of(source)).content.decode()

    assert "<td>tank.low</td><td>guessed</td>" in page
    assert "&quot;litres&quot;: 12" in page
    assert 'hx-target="#mapping-preview"' in page


def test_without_messages_the_page_says_so(admin: Client, source: AlertSource) -> None:
    assert "Nothing has come yet" in admin.get(page_of(source)).content.decode()


def test_trying_shows_the_outcome_and_stores_nothing(admin: Client, source: AlertSource) -> None:
    send()
    fields = {"title": "join(' in ', [event, site])", "key": "site", "state": "to_string(litres)"}

    page = admin.post(page_of(source), {**fields, "resolved_words": "12", "_try": "1"})

    text = page.content.decode()
    assert "<td>tank.low in Berlin</td><td>mapped</td>" in text
    assert "<td>Berlin</td><td>mapped</td>" in text
    assert "<td>resolved</td><td>mapped</td>" in text
    assert 'value="join(&#x27; in &#x27;, [event, site])"' in text
    source.refresh_from_db()
    assert source.settings == {}
    assert Incident.objects.count() == 1


def test_htmx_gets_the_fragment_alone(admin: Client, source: AlertSource) -> None:
    send()

    answer = admin.post(page_of(source), {"title": "site"}, headers={"HX-Request": "true"})

    text = answer.content.decode().strip()
    assert text.startswith('<section id="mapping-preview"')
    assert "<td>Berlin</td><td>mapped</td>" in text


def test_another_of_the_last_messages_can_be_chosen(admin: Client, source: AlertSource) -> None:
    first = send()
    send({"event": "tank.high", "site": "Bonn"})

    text = admin.post(page_of(source), {"title": "site", "payload": first.pk}).content.decode()

    assert "<td>Berlin</td><td>mapped</td>" in text
    assert f'<option value="{first.pk}" selected>' in text


def test_messages_of_other_sources_are_not_shown(admin: Client, source: AlertSource) -> None:
    other = make_source(source.team, key="x" * 32, kind="any-json")
    post({"event": "secret"}, f"/in/{'x' * 32}", key="")

    page = admin.post(page_of(source), {"payload": other.payloads.get().pk}).content.decode()

    assert "secret" not in page


def test_a_wrong_expression_is_told_in_one_sentence_and_not_saved(
    admin: Client, source: AlertSource
) -> None:
    send()

    page = admin.post(page_of(source), {"title": "a b", "key": "site", "_save": "1"})

    text = page.content.decode()
    assert "It goes wrong at character 3: &#x27;b&#x27;." in text
    assert "<td>Berlin</td><td>mapped</td>" in text
    source.refresh_from_db()
    assert source.settings == {}


def test_an_expression_that_finds_nothing_says_why(admin: Client, source: AlertSource) -> None:
    send()

    text = admin.post(page_of(source), {"key": "length(litres)"}).content.decode()

    assert "guessed: the expression found nothing, length() cannot take number" in text


def test_saving_changes_how_new_messages_are_read_and_nothing_else(
    admin: Client, source: AlertSource
) -> None:
    AlertSource.objects.update(settings={"recovery_words": ["x"]})

    answer = admin.post(
        page_of(source), {"title": "site", "ignored_words": "Note, hint", "_save": "1"}
    )
    send()

    source.refresh_from_db()
    assert answer.status_code == 302
    assert source.settings == {
        "recovery_words": ["x"],
        "mapping": {"title": "site", "ignored_words": ["note", "hint"]},
    }
    assert Incident.objects.get().title == "Berlin"
    page = admin.get(page_of(source)).content.decode()
    assert 'value="note, hint"' in page
    shown = admin.get(f"/admin/alertsources/alertsource/{source.pk}/change/").content.decode()
    assert "Expressions for: title." in shown


def test_a_message_that_cannot_be_read_says_so(admin: Client, source: AlertSource) -> None:
    send(b"no JSON at all")

    assert "opens “Unreadable alert”" in admin.get(page_of(source)).content.decode()


def test_hostile_text_is_escaped(admin: Client, source: AlertSource) -> None:
    send({"title": "<script>alert(1)</script>"})

    assert "<script>alert(1)" not in admin.get(page_of(source)).content.decode()


def test_only_sources_of_any_json_have_the_page(admin: Client) -> None:
    source = make_source(make_team(), kind="generic")

    assert admin.get(page_of(source)).status_code == 404


def test_whoever_may_only_look_has_no_page(source: AlertSource) -> None:
    assert staff("view_alertsource").get(page_of(source)).status_code == 403


# Once more.


def test_a_message_taken_in_once_more_is_read_as_the_source_reads_now(
    source: AlertSource,
) -> None:
    payload = send()
    AlertSource.objects.update(settings={"mapping": {"title": "site"}})
    payload.source.refresh_from_db()

    taken = reprocess(payload, make_user("ben"), NOON + timedelta(days=400))

    again = ReceivedPayload.objects.exclude(pk=payload.pk).get()
    assert Incident.objects.get(pk=taken.incidents[0]).title == "Berlin"
    assert again.reprocessed_from == payload
    assert again.note.startswith(f"Message {payload.pk} once more, by ben.")
    assert bytes(again.body) == bytes(payload.body)


def test_a_source_that_is_off_takes_nothing_in_once_more(source: AlertSource) -> None:
    payload = send()
    payload.source.is_active = False

    with pytest.raises(NotNow, match="switched off"):
        reprocess(payload, make_user("ben"), NOON)


def button(payload: ReceivedPayload) -> str:
    return reverse("admin:alertsources_receivedpayload_reprocess", args=[payload.pk])


def test_the_button_takes_one_message_in_once_more(admin: Client, source: AlertSource) -> None:
    payload = send()
    change = f"/admin/alertsources/receivedpayload/{payload.pk}/change/"
    assert button(payload) in admin.get(change).content.decode()

    answer = admin.post(button(payload), follow=True)

    assert "once more, by root" in answer.content.decode()
    assert ReceivedPayload.objects.count() == 2
    assert admin.get(button(payload)).status_code == 405


def test_the_action_takes_several_in_in_their_order(admin: Client, source: AlertSource) -> None:
    first, second = send(), send({"event": "tank.high"})

    admin.post(
        "/admin/alertsources/receivedpayload/",
        {"action": "reprocess_selected", "_selected_action": [second.pk, first.pk]},
    )

    again = ReceivedPayload.objects.filter(reprocessed_from__isnull=False).order_by("pk")
    assert [one.reprocessed_from for one in again] == [first, second]


def test_whoever_may_only_look_takes_nothing_in(source: AlertSource) -> None:
    payload = send()
    client = staff("view_receivedpayload")

    page = client.get(f"/admin/alertsources/receivedpayload/{payload.pk}/change/")

    assert button(payload) not in page.content.decode()
    assert client.post(button(payload)).status_code == 403


# The settings of CloudWatch.


def form_of(source: AlertSource, **changed: Any) -> dict[str, Any]:
    return {
        **{"team": source.team_id, "name": source.name, "kind": source.kind},
        **{"default_severity": "high", "group_by": "sender", "group_labels": "[]"},
        **{"is_active": "on", "limit_per_minute": 30000, "keep_days": 14},
        **{"rules-TOTAL_FORMS": 0, "rules-INITIAL_FORMS": 0},
        **changed,
    }


def test_the_settings_of_cloudwatch_are_kept_beside_others(admin: Client) -> None:
    source = make_source(make_team(), kind="cloudwatch", settings={"mapping": {"title": "x"}})
    url = f"/admin/alertsources/alertsource/{source.pk}/change/"
    assert "None yet: the first topic" in admin.get(url).content.decode()

    admin.post(url, form_of(source, insufficient_data="fire", sns_signature="required"))

    source.refresh_from_db()
    assert source.settings == {
        "mapping": {"title": "x"},
        "insufficient_data": "fire",
        "sns_signature": "required",
    }


def test_a_form_without_those_fields_leaves_them(admin: Client) -> None:
    source = make_source(make_team(), kind="generic", settings={"insufficient_data": "fire"})

    admin.post(f"/admin/alertsources/alertsource/{source.pk}/change/", form_of(source, name="new"))

    source.refresh_from_db()
    assert (source.name, source.settings) == ("new", {"insufficient_data": "fire"})


def test_a_topic_can_be_given_up(admin: Client) -> None:
    source = make_source(make_team(), kind="cloudwatch", topic_arn="arn:aws:sns:x:1:y")

    admin.post(
        "/admin/alertsources/alertsource/",
        {"action": "forget_topic", "_selected_action": [source.pk]},
    )

    source.refresh_from_db()
    assert source.topic_arn == ""
    assert User.objects.filter(name="root").exists()
