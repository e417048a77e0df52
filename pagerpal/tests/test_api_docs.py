"""docs/api.md says what the API does: its examples run, its table names what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from django.conf import settings

from incidents.models import Incident
from pagerpal.api import assembly
from pagerpal.testing import call_api, make_team, make_user

TEXT = (Path(settings.BASE_DIR) / "docs" / "api.md").read_text()


@pytest.mark.django_db
def test_the_examples_run_in_their_order() -> None:
    alice = make_user("alice")
    team = make_team("Platform", alice)
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line)
            method = words[words.index("-X") + 1] if "-X" in words else "GET"
            body = words[words.index("-d") + 1] if "-d" in words else None
            address = next(word for word in words if word.startswith("$PAGERPAL"))
            path = address.removeprefix("$PAGERPAL/api/v1/")
            incident = Incident.objects.first()
            path = path.replace("incidents/42", f"incidents/{incident.pk if incident else 0}")
            body = body.replace('"team": 1', f'"team": {team.pk}') if body else None
            answer = call_api(alice, method, path, body)
            assert answer.status_code in {200, 201}, (line, answer.content)

    assert Incident.objects.get().state == "resolved"


def test_the_table_names_every_part() -> None:
    parts = {
        path.removeprefix(assembly.ROOT).split("/")[0] for path in assembly.document()["paths"]
    }
    named = set(re.findall(r"[a-z]+(?:-[a-z]+)*", TEXT.partition("## What there is")[2]))

    assert parts <= named
