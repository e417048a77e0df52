"""The API's door: tokens, sessions, what is refused and how, calls that come twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from incidents.models import Incident
from pagerpal.api import once, rates, tokens
from pagerpal.logs import mask
from pagerpal.models import ApiToken, GivenAnswer
from pagerpal.testing import call_api as call
from pagerpal.testing import make_admin, make_incident, make_source, make_team, make_user
from schedules import people
from schedules.models import Team, User

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/"


@pytest.fixture(autouse=True)
def fresh_counts() -> Iterator[None]:
    rates.forget()
    yield
    rates.forget()


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def team(alice: User) -> Team:
    return make_team("Platform", alice)


def token_for(user: User, scope: str = "write", days: int = 9) -> str:
    return tokens.make(user, "test", scope=scope, days=days, now=timezone.now())[1]


def raised(team: Team, **fields: Any) -> dict[str, Any]:
    return {"team": team.pk, "title": "Disk full", **fields}


# --- Tokens --------------------------------------------------------------------------------------


def test_a_token_lets_its_person_in_and_notes_that_it_was_used(alice: User, team: Team) -> None:
    token = token_for(alice, "read")

    said = call(token, "GET", "teams")

    assert [one["name"] for one in said.json()["items"]] == ["Platform"]
    assert ApiToken.objects.get().last_used_at is not None


def test_only_the_hash_of_a_token_is_stored(alice: User) -> None:
    token = token_for(alice)

    assert token not in str(ApiToken.objects.values())
    assert ApiToken.objects.get().token_hash == tokens.hashed(token)


def test_a_token_that_only_reads_changes_nothing(alice: User, team: Team) -> None:
    said = call(token_for(alice, "read"), "POST", "incidents", raised(team))

    assert (said.status_code, Incident.objects.count()) == (403, 0)
    assert "only reads" in said.json()["detail"]


@pytest.mark.parametrize("what", ["expired", "revoked", "unknown", "person off"])
def test_a_token_that_has_ended_is_401_with_a_sentence(alice: User, what: str) -> None:
    token = token_for(alice)
    match what:
        case "expired":
            past = timezone.now() - timedelta(days=2)
            ApiToken.objects.update(created_at=past, expires_at=past + timedelta(days=1))
        case "revoked":
            tokens.revoke(alice, ApiToken.objects.get().pk)
        case "person off":
            people.switch_off(alice, make_admin(), now=timezone.now())
        case _:
            token = f"{token[:-1]}-"

    said = call(token, "GET", "teams")

    assert said.status_code == 401
    assert said.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    assert said.json()["detail"].startswith("This token")


def test_a_person_who_comes_back_has_no_tokens_left(alice: User) -> None:
    token_for(alice)
    people.switch_off(alice, make_admin(), now=timezone.now())

    assert not ApiToken.objects.exists()


def test_a_token_is_masked_in_the_log(alice: User) -> None:
    token = token_for(alice)

    for line in (f"Authorization: Bearer {token}", f"of {token}!", f"{{'token': '{token}'}}"):
        assert token[3:] not in mask(line)


def test_a_failure_does_not_tell_the_token(
    alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    token = token_for(alice)
    seen: list[Any] = []

    def fail(request: Any, rest: str) -> Any:
        seen.append(str(request.META) + str(request.headers))
        raise RuntimeError("broken")

    monkeypatch.setattr("pagerpal.api.assembly.answer", fail)

    said = call(token, "GET", "teams")

    assert (said.status_code, said.json()["status"]) == (500, 500)
    assert token not in seen[0] + caplog.text


def test_a_token_made_with_a_token_ends_no_later(alice: User) -> None:
    token = token_for(alice, days=3)

    made = call(token, "POST", "account/tokens", {"name": "two", "scope": "write", "days": 90})

    assert made.status_code == 201
    first, second = ApiToken.objects.order_by("pk")
    assert second.expires_at <= first.expires_at
    assert call(made.json()["token"], "GET", "me").json()["name"] == "alice"


def test_a_person_makes_a_token_on_their_account_page_and_sees_it_once(
    client: Client, alice: User
) -> None:
    client.force_login(alice)

    page = client.post("/me/account/tokens", {"name": "backup", "scope": "read", "days": "30"})

    text = page.context["new_token"]
    assert text in page.content.decode()
    assert call(text, "GET", "me").status_code == 200
    assert text not in client.get("/me/account").content.decode()
    client.post(f"/me/account/tokens/{ApiToken.objects.get().pk}/revoke")
    assert call(text, "GET", "me").status_code == 401


def test_nobody_revokes_the_token_of_another(client: Client, alice: User) -> None:
    token = token_for(alice)
    pk = ApiToken.objects.get().pk
    client.force_login(make_user("bob"))

    client.post(f"/me/account/tokens/{pk}/revoke")
    said = call(token_for(User.objects.get(name="bob")), "DELETE", f"account/tokens/{pk}")

    assert said.status_code == 404
    assert call(token, "GET", "me").status_code == 200


def test_an_admin_without_the_second_step_that_is_asked_for_gets_no_further(
    settings: Any, client: Client
) -> None:
    settings.ADMINS_NEED_SECOND_STEP = True
    admin = make_admin()
    client.force_login(admin)

    by_token, by_session = call(token_for(admin), "GET", "teams"), client.get(f"{ROOT}teams")

    assert (by_token.status_code, by_session.status_code) == (403, 403)


# --- Sessions ------------------------------------------------------------------------------------


def test_a_session_reads_and_needs_its_csrf_token_to_write(alice: User, team: Team) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    client.cookies["csrftoken"] = "t" * 32

    def post(**headers: str) -> Any:
        return client.post(
            f"{ROOT}incidents", raised(team), content_type="application/json", headers=headers
        )

    assert client.get(f"{ROOT}teams").status_code == 200
    assert post().status_code == 403
    assert post(X_CSRFToken="t" * 32).status_code == 201


# --- Problems ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nowhere", None, 404),
        ("GET", "incidents/9", None, 404),
        ("GET", f"incidents/{'9' * 30}", None, 404),
        ("DELETE", "teams", None, 405),
        ("POST", "incidents", "{", 400),
        ("POST", "incidents", "[]", 400),
        ("POST", "incidents", "NaN", 400),
        ("POST", "incidents", '{"team": NaN}', 400),
        ("POST", "incidents", '{"a":' * 500 + "1" + "}" * 500, 400),
        ("POST", "incidents", '{"team": 1, "title": "\\u0000"}', 400),
        ("POST", "incidents", '{"team": 1, "title": "\\ud800"}', 400),
        ("POST", "incidents", b"\xff\xfe".decode("latin-1"), 400),
        ("POST", "incidents", {}, 422),
        ("POST", "incidents", {"team": "x", "title": 1}, 422),
        ("POST", "incidents", {"team": 2**70, "title": "x"}, 422),
        ("POST", "incidents", {"team": 1, "title": "x", "colour": "red"}, 422),
        ("POST", "incidents", json.dumps({"title": "x" * 1_100_000}), 413),
        ("GET", "incidents?colour=red", None, 422),
        ("GET", "incidents?limit=0", None, 422),
        ("GET", "incidents?after=x", None, 422),
        ("GET", "incidents?severity=pink", None, 422),
        ("GET", "incidents?q=%00", None, 400),
        ("GET", "teams?after=-1", None, 422),
    ],
)
def test_what_is_wrong_is_told_as_a_problem(
    alice: User, team: Team, method: str, path: str, body: Any, status: int
) -> None:
    said = call(token_for(alice), method, path, body)

    assert said.status_code == status, said.content
    assert said.headers["Content-Type"] == "application/problem+json"
    told = said.json()
    assert (told["status"], told["type"]) == (status, "about:blank")
    assert (told["title"] and told["detail"].endswith((".", "docs", "?"))) or "errors" in told
    if status == 405:
        assert said.headers["Allow"] == "GET, POST"


def test_whoever_has_no_token_is_told_how_to_get_one() -> None:
    said = call(None, "GET", "teams")

    assert said.status_code == 401
    assert said.headers["WWW-Authenticate"] == "Bearer"
    assert "/me/account" in said.json()["detail"]


def test_a_misspelled_field_is_named(alice: User, team: Team) -> None:
    said = call(token_for(alice), "POST", "incidents", raised(team, titel="x"))

    assert said.json()["errors"][0]["field"] == "titel"


# --- Calls that come twice -----------------------------------------------------------------------


def test_a_call_with_a_key_is_done_once_and_answered_the_same(alice: User, team: Team) -> None:
    token = token_for(alice)

    first, second = (
        call(token, "POST", "incidents", raised(team), Idempotency_Key="abc") for _ in range(2)
    )

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert Incident.objects.count() == 1


def test_the_same_key_with_another_body_is_refused(alice: User, team: Team) -> None:
    token = token_for(alice)
    call(token, "POST", "incidents", raised(team), Idempotency_Key="abc")

    said = call(token, "POST", "incidents", raised(team, detail="x"), Idempotency_Key="abc")

    assert (said.status_code, Incident.objects.count()) == (422, 1)


def test_what_failed_may_be_sent_again_with_its_key(alice: User, team: Team) -> None:
    token = token_for(alice)

    wrong = call(token, "POST", "incidents", {"team": team.pk}, Idempotency_Key="abc")
    right = call(token, "POST", "incidents", raised(team), Idempotency_Key="abc")

    assert (wrong.status_code, right.status_code) == (422, 201)


def test_a_key_is_of_one_person_and_one_address(alice: User, team: Team) -> None:
    bob = make_user("bob")
    make_team("Web", bob)
    call(token_for(alice), "POST", "incidents", raised(team), Idempotency_Key="abc")
    pk = Incident.objects.get().pk

    noted = call(
        token_for(alice), "POST", f"incidents/{pk}/notes", {"text": "x"}, Idempotency_Key="abc"
    )
    theirs = call(token_for(bob), "POST", "incidents", raised(team), Idempotency_Key="abc")

    assert (noted.status_code, theirs.status_code) == (201, 422)


def test_a_key_is_forgotten_after_a_day(alice: User, team: Team) -> None:
    token = token_for(alice)
    call(token, "POST", "incidents", raised(team), Idempotency_Key="abc")
    GivenAnswer.objects.update(at=timezone.now() - once.KEPT - timedelta(minutes=1))

    call(token, "POST", "incidents", raised(team), Idempotency_Key="abc")

    assert Incident.objects.count() == 2


def test_an_answer_with_a_secret_is_not_kept_in_the_clear(team: Team) -> None:
    token = token_for(make_admin())
    body = {"team": team.pk, "name": "prod"}

    first, second = (
        call(token, "POST", "alert-sources", body, Idempotency_Key="abc") for _ in range(2)
    )

    assert first.status_code == 201, first.content
    assert first.json()["key"] == second.json()["key"]
    assert first.json()["key"] not in str(GivenAnswer.objects.values())
    assert "X-Holds-Secret" not in {**first.headers, **second.headers}


# --- How often -----------------------------------------------------------------------------------


def test_too_many_calls_are_429_but_an_incident_can_always_be_answered(
    alice: User, team: Team, settings: Any
) -> None:
    settings.API_CALLS_PER_MINUTE = 2
    incident, token = make_incident(team), token_for(alice)

    first = call(token, "GET", "me")
    call(token, "GET", "me")
    refused = call(token, "GET", "me")
    acknowledged = call(token, "POST", f"incidents/{incident.pk}/acknowledge", {})

    assert first.headers["RateLimit"].startswith('"person";r=1;t=')
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert (acknowledged.status_code, acknowledged.json()["changed"]) == (200, True)


def test_counts_begin_anew_each_minute() -> None:
    taken = [rates.take("x", is_free=False, clock=at) for at in (0.0, 59.9, 60.0)]

    assert [one.left for one in taken] == [599, 598, 599]
    assert [one.again_in for one in taken] == [60, 1, 60]


# --- Pages of other origins ----------------------------------------------------------------------


def test_pages_of_allowed_origins_may_call_with_a_token_only(alice: User, settings: Any) -> None:
    settings.ALLOWED_ORIGINS = ["https://wall.example.org"]
    ours, theirs = "https://wall.example.org", "https://evil.example.org"

    asked = call(None, "OPTIONS", "teams", Origin=ours)
    allowed = call(token_for(alice), "GET", "teams", Origin=ours)
    not_allowed = call(token_for(alice), "GET", "teams", Origin=theirs)

    assert (asked.status_code, allowed.status_code) == (204, 200)
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
    assert allowed.headers["Access-Control-Allow-Origin"] == ours
    for answer in (asked, allowed, not_allowed):
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Access-Control-Allow-Origin" not in not_allowed.headers


# --- The document --------------------------------------------------------------------------------


def test_the_document_is_open_and_the_page_is_made_from_it(client: Client, alice: User) -> None:
    document = client.get(f"{ROOT}openapi.json").json()
    client.force_login(alice)

    page = client.get(f"{ROOT}docs").content.decode()

    assert document["openapi"].startswith("3.")
    for path, calls in document["paths"].items():
        assert path in page
        assert all("default" in one["responses"] for one in calls.values())
    assert "http://" not in page
    assert "https://" not in page


def test_the_page_needs_a_sign_in(client: Client) -> None:
    assert client.get(f"{ROOT}docs").headers["Location"].startswith("/login")


def test_the_intake_stays_apart_from_it(client: Client, team: Team) -> None:
    make_source(team)

    taken = client.post(
        f"{ROOT}alerts", {"title": "x"}, "application/json", headers={"X-API-Key": "k" * 32}
    )

    assert taken.status_code == 202 or taken.status_code == 200


def test_nothing_of_it_is_loaded_before_the_first_call() -> None:
    """A worker, and a web process that nobody calls, do without it."""
    code = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'pagerpal.test_settings'; "
        "import django; django.setup(); from pagerpal import warming; "
        "from django.urls import reverse; reverse('answer', args=['x']); "
        "print([one for one in sys.modules if one.startswith(('ninja', 'pydantic'))])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_no_two_shapes_share_a_name() -> None:
    """The document would hold one of them only."""
    from ninja import Schema

    from pagerpal.api import assembly

    def below(kind: type) -> Iterator[type]:
        found: list[type] = kind.__subclasses__()
        for one in found:
            yield one
            yield from below(one)

    ours = [one for one in below(Schema) if ".api." in one.__module__ and "[" not in one.__name__]
    names = [one.__name__ for one in set(ours)]

    assert assembly.document()
    assert sorted(names) == sorted(set(names))
