"""The set-up texts: words, and snippets that work when they are copied."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.test import Client

from alertsources.setting_up import Part, setup_parts, shell_line
from alertsources.sources.base import registry
from incidents.models import Incident
from pagerpal.testing import make_source, make_team

URL, KEY = "https://pager.example.org/api/v1/alerts/x", "k" * 32


def snippets(kind: str) -> list[str]:
    parts = setup_parts(kind, url=URL, key=KEY, mail=f"prod+{KEY}@example.org")
    return [part.text for part in parts if part.is_snippet]


def values(found: Any) -> list[Any]:
    """Every single value in it, however deep."""
    if isinstance(found, dict):
        return [one for value in found.values() for one in values(value)]
    return [one for value in found for one in values(value)] if isinstance(found, list) else [found]


@pytest.mark.parametrize("kind", registry)
def test_no_placeholder_is_left(kind: str) -> None:
    text = "".join(part.text for part in setup_parts(kind, url=URL, key=KEY, mail="a@b"))

    assert not [name for name in ("url", "key", "mail") if f"{{{{ {name} }}}}" in text]
    assert URL in text


@pytest.mark.parametrize("kind", registry)
def test_each_kind_has_its_key_in_snippets_to_copy_and_nowhere_else(kind: str) -> None:
    parts = list(setup_parts(kind, url=URL, key=KEY, mail=f"prod+{KEY}@example.org"))

    assert any(KEY in part.text for part in parts if part.is_snippet)
    assert not any(KEY in part.text or URL in part.text for part in parts if not part.is_snippet)


@pytest.mark.parametrize("kind", registry)
def test_every_line_for_a_shell_can_be_pasted_into_one(kind: str) -> None:
    for text in snippets(kind):
        if text.startswith(("curl", "aws", "amtool", "printf")):
            assert subprocess.run(["bash", "-n", "-c", text], check=False).returncode == 0


@pytest.mark.django_db
def test_the_mail_that_is_sent_by_hand_opens_an_incident() -> None:
    make_source(make_team(), key=KEY, kind="email")
    [text] = [text for text in snippets("email") if text.startswith("printf")]
    mail = subprocess.run(
        ["bash", "-c", text.partition("|")[0]], capture_output=True, check=True
    ).stdout

    answer = Client().post(
        "/api/v1/alerts/email", mail, content_type="message/rfc822", headers={"X-API-Key": KEY}
    )

    assert answer.json()["status"] == "accepted"
    assert Incident.objects.get().title == "PROBLEM: test of PagerPal"


def test_a_kind_that_is_gone_says_so() -> None:
    [part] = setup_parts("gone", url=URL, key=KEY)

    assert part == Part("This kind of source is not installed.")


@pytest.mark.parametrize("kind", ["alertmanager", "grafana", "grafana-legacy"])
def test_configuration_files_are_yaml_with_address_and_key(kind: str) -> None:
    files = [yaml.safe_load(text) for text in snippets(kind) if "\n" in text]
    [configuration] = [found for found in files if isinstance(found, dict)]

    assert URL in values(configuration)
    assert KEY in values(configuration)


@pytest.mark.parametrize("kind", ["generic", "uptime-kuma", "healthchecks", "checkly"])
def test_bodies_and_headers_can_be_copied(kind: str) -> None:
    found = snippets(kind)

    assert any(KEY in text for text in found)
    for text in found:
        if text.startswith("{"):
            json.loads(text.replace("$NAME_JSON", '"name"'))
        if text.startswith("curl"):
            words = shlex.split(text)
            assert f"X-API-Key: {KEY}" in words
            json.loads(words[-1])


def test_the_body_for_checkly_is_understood_once_it_is_filled_in() -> None:
    [template] = [text for text in snippets("checkly") if text.startswith("{")]
    filled = template.replace("{{ALERT_TYPE}}", "ALERT_FAILURE").replace("{{CHECK_ID}}", "c1")

    [alert] = registry["checkly"].parse(json.loads(filled))

    assert alert.key == "check:c1"  # type: ignore[union-attr]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", sorted(registry))
def test_the_line_for_a_shell_sends_what_its_source_understands(kind: str) -> None:
    source = make_source(make_team(), key=KEY, kind=kind)
    curl = shlex.split(shell_line(source, KEY))

    path = curl[3].removeprefix(settings.PAGERPAL_BASE_URL)
    answer = Client().post(
        path, curl[-1], content_type="application/json", headers={"X-API-Key": KEY}
    )

    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    assert curl[5] == f"X-API-Key: {KEY}"
    assert Incident.objects.exists()
