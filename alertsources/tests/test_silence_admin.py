"""The admin of silences and of routing rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alertsources import silences
from alertsources.models import Alert, AlertSource, RoutingRule, Silence
from alertsources.tests.test_silences import fire, look, open_titles, send
from pagerpal.testing import make_admin, make_source, make_team

pytestmark = pytest.mark.django_db

LIST = "/admin/alertsources/silence/"


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), name="prod")


@pytest.fixture
def root(client: Client) -> Client:
    client.force_login(make_admin())
    return client


def form(**fields: Any) -> dict[str, Any]:
    now = timezone.now()
    return {
        "reason": "deploying",
        "labels": "job=backup\nhost=~web-.*",
        "starts_at": f"{now:%Y-%m-%dT%H:%M}",
        "ends_at": f"{now + timedelta(hours=2):%Y-%m-%dT%H:%M}",
        "zone": "UTC",
        **fields,
    }


def test_a_silence_is_created_from_what_people_type(root: Client, source: AlertSource) -> None:
    asked = form(team=source.team.pk, severities=["warning"], days=["5", "6"])
    answer = root.post(f"{LIST}add/", asked | {"opens": "22:00", "closes": "06:00"})

    assert answer.status_code == 302, answer.content.decode()
    one = Silence.objects.get()
    assert (one.days, one.severities, one.created_label) == ("56", ["warning"], "root")
    assert one.labels == [
        {"label": "job", "is": "=", "value": "backup"},
        {"label": "host", "is": "=~", "value": "web-.*"},
    ]
    page = root.get(f"{LIST}{one.pk}/change/").content.decode()
    assert "host=~web-.*" in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": ""},
        {"labels": "job"},
        {"labels": "job=~("},
        {"ends_at": ""},
        {"ends_at": "2020-01-01T00:00"},
        {"days": ["1"]},
        {"days": ["9"]},
        {"severities": ["awful"]},
        {"zone": "Mars"},
    ],
)
def test_what_cannot_be_is_said_beside_the_form(root: Client, wrong: dict[str, Any]) -> None:
    answer = root.post(f"{LIST}add/", form(**wrong))

    assert answer.status_code == 200
    assert b"errornote" in answer.content
    assert not Silence.objects.exists()


def test_a_changed_silence_is_judged_anew(root: Client, source: AlertSource) -> None:
    now = timezone.now()
    ends_at = now + timedelta(hours=1)
    one = silences.create(reason="x", starts_at=now, ends_at=ends_at, now=now, label="alice")
    send(source, fire("disk"), now=now)
    assert Alert.objects.get().look_at == ends_at

    answer = root.post(f"{LIST}{one.pk}/change/", form(labels="", title="network"))
    assert answer.status_code == 302, answer.content.decode()
    look(timezone.now())

    assert open_titles() == ["disk"]


def test_the_list_ends_silences_and_tells_them_apart(
    root: Client, source: AlertSource, django_assert_max_num_queries: Any
) -> None:
    now = timezone.now()
    hour = timedelta(hours=1)
    for number in range(3):
        silences.create(
            reason=f"reason {number}", starts_at=now, ends_at=now + hour, now=now, label="alice"
        )

    with django_assert_max_num_queries(10):
        page = root.get(f"{LIST}?when=now").content.decode()
    assert all(f"reason {number}" in page for number in range(3))
    chosen = list(Silence.objects.values_list("pk", flat=True))
    root.post(LIST, {"action": "end_now", "_selected_action": chosen})

    assert set(Silence.objects.values_list("ended_label", flat=True)) == {"root"}
    assert "reason 1" in root.get(f"{LIST}?when=over").content.decode()
    assert "reason 1" not in root.get(f"{LIST}?when=now").content.decode()
    one = root.get(f"{LIST}{chosen[0]}/change/").content.decode()
    assert "_save" not in one


def source_form(source: AlertSource, **rule: Any) -> dict[str, Any]:
    fields = {
        "team": source.team_id,
        "name": source.name,
        "kind": source.kind,
        "default_severity": "high",
        "group_by": "sender",
        "group_labels": "[]",
        "is_active": "on",
        "limit_per_minute": "100",
        "keep_days": "14",
        "wait_for": "00:05:00",
        "rules-TOTAL_FORMS": "1",
        "rules-INITIAL_FORMS": "0",
        "rules-0-position": "0",
        "rules-0-is_active": "on",
        "rules-0-then": "page",
    }
    return fields | {f"rules-0-{name}": value for name, value in rule.items()}


def test_a_rule_is_written_beside_its_source_and_tried_on_what_came(
    root: Client, source: AlertSource
) -> None:
    send(source, fire("switch 7 is down"))
    url = f"/admin/alertsources/alertsource/{source.pk}/change/"

    answer = root.post(url, source_form(source, title="switch", severity="warning", days=["0"]))

    assert answer.status_code == 302, answer.content.decode()
    one = RoutingRule.objects.get()
    assert (one.title, one.severity, one.days, one.source) == ("switch", "warning", "0", source)
    source.refresh_from_db()
    assert (source.limit_per_minute, source.wait_for) == (100, timedelta(minutes=5))
    RoutingRule.objects.update(days="")
    page = root.get(url).content.decode()
    assert "Rule 1: page, severity warning." in page


@pytest.mark.parametrize(
    "wrong",
    [{"title": "("}, {"labels": "x"}, {"opens": "22:00"}, {"then": "fly"}],
)
def test_a_rule_that_cannot_be_read_is_not_saved(
    root: Client, source: AlertSource, wrong: dict[str, Any]
) -> None:
    url = f"/admin/alertsources/alertsource/{source.pk}/change/"

    assert root.post(url, source_form(source, **wrong)).status_code == 200
    assert not RoutingRule.objects.exists()


def test_a_rule_that_waits_beyond_all_bounds_is_refused(root: Client, source: AlertSource) -> None:
    url = f"/admin/alertsources/alertsource/{source.pk}/change/"

    answer = root.post(url, source_form(source, wait_for="999999999 00:00:00"))

    assert "90 days is the most." in answer.content.decode()
    assert not RoutingRule.objects.exists()
