"""What the logs say of each line, and what they never show."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from pagerpal import logs
from pagerpal.logs import MaskSecrets, mask
from pagerpal.request_ids import RequestIds
from pagerpal.testing import make_admin, make_incident
from schedules import about


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Not Found: /ical/12-3.Ab_c-9.ics", "Not Found: /ical/***"),
        ("Not Found: /a/12-3.Ab_c-9", "Not Found: /a/***"),
        ("Gone: /me/got-it/12-3f.Ab_c-9", "Gone: /me/got-it/***"),
        ("Forbidden: /in/0123456789abcdef", "Forbidden: /in/***"),
        ("Forbidden: /hooks/infobip/receipts/Ab_c-9", "Forbidden: /hooks/infobip/receipts/***"),
        ("Not Found: /calendar", "Not Found: /calendar"),
    ],
)
def test_secret_parts_of_an_address_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


KEY = "k3y" * 10 + "00"


@pytest.mark.parametrize(
    "text",
    [
        f"POST /in/{KEY}/ failed",
        f"Not Found: /api/v1/alerts/{KEY}",
        f"GET /api/v1/alerts?msg=x&key={KEY} HTTP/1.1",
        f"GET /api/v1/alerts?apiKey={KEY}&msg=x",
        f"/x?auth_token={KEY}",
        f"{{'X-Api-Key': '{KEY}'}}",
        f"HTTP_X_API_KEY={KEY}",
        f"x-alert-source-key: {KEY}",
        f"Authorization: Bearer {KEY}",
        f"{{'HTTP_AUTHORIZATION': 'GenieKey {KEY}'}}",
        f"'Authorization': b'Token {KEY}'",
        f"sent Basic cGFnZXJwYWw6{KEY}==",
        f"https://pagerpal:{KEY}@pager.example.org/in",
        f"https://{KEY}@pager.example.org/v2/alerts",
        f"Mail to platform+{KEY}@pager.example.org",
    ],
)
def test_a_key_is_masked_wherever_it_stands(text: str) -> None:
    assert KEY not in mask(text)
    assert "***" in mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "Basic authentication is used",
        "The key of Platform was replaced",
        "https://pager.example.org/a@b",
        "Unreadable alert from source 7: it has no title",
    ],
)
def test_plain_words_stay(text: str) -> None:
    assert mask(text) == text


def test_an_exception_is_masked_like_its_message() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(MaskSecrets())
    logger = logging.Logger("one")
    logger.addHandler(handler)

    try:
        raise ValueError(f"no route for /in/{KEY}")
    except ValueError:
        logger.exception("It failed at /in/%s", KEY)

    assert KEY not in written.getvalue()
    assert "ValueError: no route for /in/***" in written.getvalue()


def written(form: str, say: Callable[[logging.Logger], object]) -> str:
    """What one logger writes in this form, through the handler that the settings describe."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(MaskSecrets())
    handler.setFormatter(logs.Json() if form == "json" else logs.Text())
    logger = logging.Logger("pagerpal.some")
    logger.addHandler(handler)
    say(logger)
    return stream.getvalue()


def fail_with(text: str) -> Callable[[logging.Logger], None]:
    def say(logger: logging.Logger) -> None:
        try:
            raise ValueError(text)
        except ValueError:
            logger.exception("it failed")

    return say


def test_a_line_of_json_says_when_what_who_and_about_which_incident() -> None:
    token = about.request_id.set("r-1234")
    with about.about("incident:412"):
        line = json.loads(written("json", lambda logger: logger.warning("paged %s", "ann")))
    about.request_id.reset(token)

    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line.pop("pid") == os.getpid()
    assert line == {
        "level": "warning",
        "logger": "pagerpal.some",
        "message": "paged ann",
        "role": "command",
        "request_id": "r-1234",
        "incident": 412,
    }


def test_an_error_is_one_line_of_json_without_its_secrets() -> None:
    text = written("json", fail_with(f"no route for /in/{KEY}\n\udc80"))

    assert text.count("\n") == 1
    assert KEY not in text
    assert "ValueError: no route for /in/***" in json.loads(text)["error"]


def test_a_line_of_text_names_the_incident_at_its_end() -> None:
    with about.about("incident:412"):
        about_it = written("text", lambda logger: logger.info("paged"))
    about_nothing = written("text", lambda logger: logger.info("idle"))

    assert about_it.endswith("INFO pagerpal.some paged [incident=412]\n")
    assert about_nothing.endswith("INFO pagerpal.some idle\n")


def test_what_is_about_no_incident_is_named_by_its_thread() -> None:
    with about.about("person:7"):
        line = json.loads(written("json", lambda logger: logger.info("x")))

    assert line["about"] == "person:7"
    assert "incident" not in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_settings_write_the_form_that_is_asked_for(form: str) -> None:
    made = logs.config(form, "INFO")
    logs.config("text", "INFO")

    assert made["handlers"]["console"]["formatter"] == form
    assert made["handlers"]["console"]["filters"] == ["masked"]


class TestRequestIds:
    @pytest.fixture(autouse=True)
    def proxies(self, settings: Any) -> None:
        settings.TRUSTED_PROXIES = ["10.0.0.1"]

    @pytest.mark.parametrize(
        ("peer", "given", "is_kept"),
        [
            ("10.0.0.1", "1-5759e988-bd862e3fe1be46a994272793", True),
            ("10.0.0.1", "a" * 101, False),
            ("10.0.0.1", 'x"}\n{', False),
            ("192.0.2.9", "1-5759e988-bd862e3fe1be46a994272793", False),
        ],
    )
    def test_only_a_trusted_proxy_names_a_request(
        self, peer: str, given: str, is_kept: bool
    ) -> None:
        seen: list[str] = []

        def answer(request: HttpRequest) -> HttpResponse:
            seen.append(about.request_id.get())
            return HttpResponse()

        request = RequestFactory().get("/", REMOTE_ADDR=peer, headers={"X-Request-Id": given})
        response = RequestIds(answer)(request)

        assert (response["X-Request-Id"] == given) is is_kept
        assert seen == [response["X-Request-Id"]]
        assert about.request_id.get() == ""

    @pytest.mark.django_db
    def test_an_uncaught_error_is_logged_once_and_by_its_request(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("pagerpal.health.database_answers", lambda: 1 / 0)
        client.raise_request_exception = False

        response = client.get("/health/live")

        assert response.status_code == 500
        [record] = [one for one in caplog.records if one.exc_info]
        assert logs.context(record) == {"request_id": response["X-Request-Id"]}

    @pytest.mark.django_db
    def test_what_a_page_of_an_incident_logs_is_about_it(
        self, client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said: list[str] = []
        incident = make_incident()
        client.force_login(make_admin())
        monkeypatch.setattr(
            "incidents.timeline.write", lambda *args, **kwargs: said.append(about.thread.get())
        )

        client.post(f"/incidents/{incident.pk}/acknowledge")

        assert said
        assert set(said) == {f"incident:{incident.pk}"}
