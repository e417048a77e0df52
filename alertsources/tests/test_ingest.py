"""The view that receives: keys, addresses, answers."""

from __future__ import annotations

import base64
import io
import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alertsources import intake
from alertsources.keys import ALPHABET, give_key, new_key
from alertsources.models import Alert, AlertSource, ReceivedPayload
from alertsources.tests import bodies
from alertsources.tests.bodies import KEY, post
from incidents.models import Incident
from pagerpal.testing import make_policy, make_source, make_team

pytestmark = pytest.mark.django_db

ADDRESSES = ["/api/v1/alerts", "/api/v1/alerts/alertmanager", f"/in/{KEY}"]
DISK = {"title": "Disk full", "severity": "critical"}


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), name="prod")


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_an_alert_opens_an_incident_and_says_which(source: AlertSource) -> None:
    answer = post(DISK)

    incident = Incident.objects.get()
    assert answer.status_code == 202
    assert answer.json() == {
        "status": "accepted",
        "incident": incident.pk,
        "incidents": [incident.pk],
        "alerts": 1,
        "note": f"Opened #{incident.pk}.",
    }
    assert (incident.title, incident.urgency, incident.team) == ("Disk full", "high", source.team)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("address", ["/api/v1/alerts", "/api/v1/alerts/generic", f"/in/{KEY}"])
def test_every_address_works_with_and_without_a_slash(
    source: AlertSource, address: str, slash: str
) -> None:
    assert post(DISK, address + slash).json()["status"] == "accepted"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": KEY},
        {"X-API-Key": f" {KEY} "},
        {"X-Alert-Source-Key": KEY},
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer  {KEY}"},
        {"Authorization": f"GenieKey {KEY}"},
        {"Authorization": KEY},
        {"Authorization": basic("pagerpal", KEY)},
        {"Authorization": basic(KEY, "")},
        {"Authorization": basic("proxy", "other"), "X-API-Key": KEY},
    ],
)
def test_the_key_may_come_in_any_of_these_places(
    source: AlertSource, headers: dict[str, str]
) -> None:
    assert post(DISK, key="", **headers).status_code == 202


@pytest.mark.parametrize(
    "address",
    [
        *(f"/api/v1/alerts?{name}={KEY}" for name in ("key", "api_key", "apiKey", "token")),
        f"/api/v1/alerts/generic/?auth_token={KEY}",
        f"/api/v1/alerts/{KEY}",
        f"/in/{KEY}/",
    ],
)
def test_the_key_may_be_part_of_the_address(source: AlertSource, address: str) -> None:
    answer = post(DISK, address, key="")

    assert answer.json()["status"] == "accepted"
    assert KEY not in answer.content.decode()
    assert KEY not in ReceivedPayload.objects.get().note


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": " "}, {"Authorization": "Basic !"}])
def test_without_a_key_the_sender_is_asked_for_one(
    source: AlertSource, headers: dict[str, str]
) -> None:
    answer = post(DISK, key="", **headers)

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Basic realm="PagerPal"'
    assert "key" in answer.json()["error"]


@pytest.mark.parametrize("key", ["wrong", "\xe4" * 32, "k" * 33])
def test_a_wrong_key_is_refused(source: AlertSource, key: str) -> None:
    answer = post(DISK, key=key)

    assert answer.status_code == 403
    assert "error" in answer.json()
    assert not ReceivedPayload.objects.exists()


def test_a_source_that_is_off_is_refused(source: AlertSource) -> None:
    AlertSource.objects.update(is_active=False)

    answer = post(DISK)

    assert (answer.status_code, answer.json()["error"]) == (
        403,
        "This alert source is switched off.",
    )


def test_after_a_change_both_keys_work_until_the_old_one_ends(source: AlertSource) -> None:
    key = give_key(source, now=timezone.now(), overlap=timedelta(hours=1))

    assert (post(DISK, key=key).status_code, post(DISK).status_code) == (202, 202)

    AlertSource.objects.update(old_key_until=timezone.now())
    assert (post(DISK, key=key).status_code, post(DISK).status_code) == (202, 403)


def test_a_key_is_32_small_letters_and_digits() -> None:
    key = new_key()

    assert len(key) == 32
    assert set(key) <= set(ALPHABET)
    assert key != new_key()


@pytest.mark.parametrize("method", ["get", "head", "delete", "options", "patch"])
@pytest.mark.parametrize("address", ["/api/v1/alerts", f"/in/{KEY}", f"/api/v1/alerts?key={KEY}"])
def test_only_post_and_put_send_alerts(source: AlertSource, method: str, address: str) -> None:
    answer = getattr(Client(), method)(address)

    assert (answer.status_code, answer["Allow"]) == (405, "POST, PUT")


def test_put_is_as_good_as_post(source: AlertSource) -> None:
    answer = Client().put(f"/in/{KEY}", DISK, content_type="application/json")

    assert answer.json()["status"] == "accepted"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_a_query_says_is_read_and_kept_without_its_key(
    source: AlertSource, method: str
) -> None:
    answer: Any = Client().generic(method, f"/api/v1/alerts?title=Disk+full%21&token={KEY}")

    assert answer.json()["status"] == "accepted"
    assert Incident.objects.get().title == "Disk full!"
    assert bytes(ReceivedPayload.objects.get().body) == b"title=Disk+full%21"


def test_a_query_says_nothing_to_kinds_that_never_send_one() -> None:
    make_source(make_team(), kind="alertmanager")

    answer = Client().get(f"/in/{KEY}?title=x")

    assert answer.status_code == 400
    assert not ReceivedPayload.objects.exists()


def test_a_query_of_very_many_fields_does_no_harm(source: AlertSource) -> None:
    answer = post(DISK, f"/in/{KEY}?{'a&' * 3000}")

    assert answer.json()["status"] == "accepted"


def test_an_empty_body_is_an_error(source: AlertSource) -> None:
    answer = post(b"")

    assert answer.status_code == 400
    assert "empty" in answer.json()["error"]


def test_a_body_of_one_mebibyte_is_taken_and_one_byte_more_is_not(source: AlertSource) -> None:
    rest = 1024 * 1024 - len(json.dumps(DISK | {"description": ""}))

    fits = post(DISK | {"description": "x" * rest})
    too_large = post(DISK | {"description": "x" * (rest + 1)})

    assert (fits.status_code, too_large.status_code) == (202, 413)
    assert "1048576" in too_large.json()["error"]
    assert len(Incident.objects.get().detail) == 20_000


def test_the_address_names_the_kind_whatever_the_source_is(source: AlertSource) -> None:
    answer = post(bodies.alertmanager("firing_three"), "/api/v1/alerts/alertmanager")

    assert answer.json()["alerts"] == 3
    assert Alert.objects.count() == 3


@pytest.mark.parametrize("address", ["/api/v1/alerts", f"/in/{KEY}"])
def test_generic_json_is_understood_with_any_sources_key(address: str) -> None:
    make_source(make_team(), kind="alertmanager")

    answer = post(DISK, address)

    assert answer.json()["status"] == "accepted"
    assert answer.json()["note"].startswith("Read as generic")
    assert Incident.objects.get().title == "Disk full"


@pytest.mark.parametrize(
    ("body", "address"),
    [
        (DISK, "/api/v1/alerts/alertmanager"),  # whoever names a kind means it
        ({"alerts": "?", "title": "x", "status": "resolved"}, "/api/v1/alerts"),
        ({"alerts": [1], "title": "x", "status": "resolved"}, "/api/v1/alerts"),
        ([], "/api/v1/alerts"),
        (b"hello", "/api/v1/alerts"),
    ],
)
def test_what_is_broken_in_the_sources_own_format_is_unreadable(body: Any, address: str) -> None:
    make_source(make_team(), kind="alertmanager", name="prod")

    answer = post(body, address)

    assert answer.json()["status"] == "unreadable"
    assert Incident.objects.get().title == "Unreadable alert from prod"


def test_an_unknown_kind_is_read_as_the_sources_own_and_says_so(source: AlertSource) -> None:
    answer = post(DISK, "/api/v1/alerts/nagios")

    assert answer.status_code == 202
    assert "There is no kind 'nagios'; read as generic." in answer.json()["note"]
    assert Incident.objects.get().title == "Disk full"


def test_the_raw_body_is_kept_with_what_became_of_it(source: AlertSource) -> None:
    body = b'{"title":  "Disk\\u0000 full"}'

    post(body)

    payload = ReceivedPayload.objects.get()
    assert bytes(payload.body) == body
    assert (payload.result, payload.content_type) == ("taken", "application/json")
    assert payload.incident == Incident.objects.get()


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("name", bodies.NASTY)
def test_a_nasty_body_gets_a_clear_answer_and_is_never_lost(
    source: AlertSource, name: str, address: str
) -> None:
    body = bodies.nasty(name)

    answer = post(body, address)

    if not body:
        assert answer.status_code == 400
        return
    assert answer.status_code == 202
    assert answer.json()["note"]
    payload = ReceivedPayload.objects.get()
    assert bytes(payload.body) == body
    if answer.json()["status"] == "unreadable":
        assert Incident.objects.get().title == "Unreadable alert from prod"
        assert "Not understood: " in answer.json()["note"]


@pytest.mark.parametrize(
    ("name", "title"),
    [("nul_char", "a b"), ("lone_surrogate", "\ufffd"), ("invalid_utf8", "\ufffd\ufffd")],
)
def test_texts_are_cleaned_before_they_are_stored(
    source: AlertSource, name: str, title: str
) -> None:
    post(bodies.nasty(f"{name}.txt"))

    assert Incident.objects.get().title == title


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
def test_any_unicode_encoding_is_read(source: AlertSource, encoding: str) -> None:
    post('{"title": "Größe"}'.encode(encoding))

    assert Incident.objects.get().title == "Größe"


def test_json_is_read_whatever_the_content_type_says(source: AlertSource) -> None:
    answer = Client().post(
        "/api/v1/alerts",
        '{"title": "x"}',
        content_type="application/x-www-form-urlencoded",
        headers={"X-API-Key": KEY},
    )

    assert answer.json()["status"] == "accepted"


def test_unreadable_bodies_share_one_incident_until_a_human_closes_it(
    source: AlertSource,
) -> None:
    first = post(b"hello").json()["incident"]
    second = post(b"world").json()["incident"]

    assert first == second
    assert Alert.objects.get().count == 2
    assert "hello" in Incident.objects.get().detail


def test_markup_and_right_to_left_marks_do_no_harm(source: AlertSource) -> None:
    post(bodies.alertmanager("unicode_and_control_chars"), "/api/v1/alerts/alertmanager")

    incident = Incident.objects.get()
    assert incident.title.startswith("Диск переполнен — 磁盘已满 🔥 <script>")
    assert incident.labels["path"] == 'C:\\temp\\"q" 2nd line'


def test_only_web_addresses_become_links(source: AlertSource) -> None:
    links = ["javascript:alert(1)", "https://ok.example.com/a", "http://", "https://[", "x y"]

    post(DISK | {"links": links})

    assert Incident.objects.get().links == [{"label": "link", "url": "https://ok.example.com/a"}]


@pytest.mark.parametrize("team_id", [999, "Other", {"a": 1}])
def test_a_foreign_team_pages_the_sources_own_and_says_so(
    source: AlertSource, team_id: Any
) -> None:
    make_team("Other")

    answer = post(DISK | {"team_id": team_id})

    incident = Incident.objects.get()
    assert incident.team == source.team
    assert "Platform is paged" in answer.json()["note"]
    assert "Platform is paged" in incident.timeline.get().text


def test_the_sources_own_team_may_be_named(source: AlertSource) -> None:
    answer = post([DISK | {"team_id": source.team_id}, DISK | {"team_id": "platform"}])

    assert "is paged" not in answer.json()["note"]


def test_trouble_in_the_database_asks_the_sender_to_come_again(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any, **__: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(intake, "insert", down)

    answer = post(DISK)

    assert answer.status_code == 503
    assert "again" in answer.json()["error"]
    assert not Incident.objects.exists()


def test_a_key_never_reaches_the_log(source: AlertSource, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    old = handler.setStream(written)
    try:
        post(DISK, f"/in/{KEY}")
        post(b"", f"/in/{KEY}")
        post(DISK, f"/in/{'w' * 32}")
        post(DISK, f"/in/{KEY}/more")
        Client().get(f"/in/{KEY}")
        monkeypatch.setattr(intake, "take", lambda *_, **__: 1 / 0)
        post(DISK, f"/in/{KEY}")
    finally:
        handler.setStream(old)

    assert "/in/***" in written.getvalue()
    assert KEY not in written.getvalue()
    assert "w" * 32 not in written.getvalue()


def test_one_alert_takes_few_queries(
    source: AlertSource, django_assert_max_num_queries: Any
) -> None:
    make_policy(source.team)

    with django_assert_max_num_queries(11 + 2):  # two are the savepoint that a test adds
        post(DISK)


def test_the_settings_of_the_source_are_in_force(source: AlertSource) -> None:
    AlertSource.objects.update(group_by="labels", group_labels=["host"], default_severity="warning")

    answer = post([{"title": title, "labels": {"host": "db1"}} for title in "ab"])

    incident = Incident.objects.get()
    assert answer.json()["incidents"] == [incident.pk]
    assert (incident.severity, incident.policy) == ("warning", None)


@pytest.mark.parametrize("is_own", [True, False])
def test_the_policy_is_the_sources_own_or_the_teams_default(
    source: AlertSource, is_own: bool
) -> None:
    default = make_policy(source.team)
    own = make_policy(source.team, name="own", is_default=False)
    AlertSource.objects.update(policy=own if is_own else None)

    post(DISK)

    assert Incident.objects.get().policy == (own if is_own else default)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
FIELDS = st.sampled_from(
    [
        *("title", "alerts", "status", "labels", "links", "severity", "external_id", "url"),
        *("annotations", "startsAt", "fingerprint", "groupKey", "truncatedAlerts", "team_id"),
    ]
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELDS, inner, max_size=6),
    max_leaves=20,
)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    body=st.binary(min_size=1, max_size=200) | JSON.map(lambda value: json.dumps(value).encode()),
    address=st.sampled_from(ADDRESSES),
)
def test_no_body_at_all_is_answered_with_an_error(
    source: AlertSource, body: bytes, address: str
) -> None:
    answer = post(body, address)

    assert answer.status_code == 202
    assert bytes(ReceivedPayload.objects.latest("pk").body) == body
