"""A program that knows nothing but the OpenAPI document raises an incident and sees it through."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from incidents.models import Incident
from pagerpal.api import assembly, tokens
from pagerpal.testing import make_policy, make_rotation, make_team, make_user

httpx = pytest.importorskip("httpx")
NAME = "generated_client"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client package made from the document by a tool that has never seen PagerPal."""
    pytest.importorskip("openapi_python_client")
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_text(json.dumps(assembly.document()))
    (folder / "config.yml").write_text("post_hooks: []\n")
    program = Path(sys.executable).parent / "openapi-python-client"
    what = ["generate", "--path", "openapi.json", "--config", "config.yml", "--meta", "none"]
    done = subprocess.run(
        [program, *what, "--output-path", NAME, "--fail-on-warning"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    sys.path.insert(0, str(folder))
    yield importlib.import_module(NAME)
    sys.path.remove(str(folder))
    for module in [one for one in sys.modules if one.split(".")[0] == NAME]:
        del sys.modules[module]


def part(path: str) -> Any:
    return importlib.import_module(f"{NAME}.{path}")


def served(request: Any) -> Any:
    """By PagerPal in this process, through all of its middleware."""
    answer = Client(raise_request_exception=True).generic(
        request.method,
        request.url.raw_path.decode(),
        request.content,
        content_type=request.headers.get("content-type", ""),
        headers={"Authorization": request.headers["authorization"]},
    )
    return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)


@pytest.mark.django_db
def test_a_generated_client_raises_takes_notes_and_resolves(generated: Any) -> None:
    alice = make_user("alice")
    team = make_team("Platform", alice)
    make_policy(team, make_rotation(team, alice))
    token = tokens.make(alice, "story", scope="write", days=1, now=timezone.now())[1]
    models = part("models")
    client = generated.AuthenticatedClient("http://localhost", token=token)
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.MockTransport(served)
    client.set_httpx_client(
        httpx.Client(transport=transport, base_url="http://localhost", headers=headers)
    )

    def call(name: str, *args: Any, **kwargs: Any) -> Any:
        return part(f"api.incidents.incidents_{name}").sync(*args, client=client, **kwargs)

    raised = call("raise_incident", body=models.IncidentNew(team=team.pk, title="Disk full"))
    assert not isinstance(raised, models.Problem), raised
    taken = call("acknowledge", raised.id, body=models.Acknowledgement())
    call("note", raised.id, body=models.Note(text="the log rotates again"))
    done = call("resolve", raised.id, body=models.Resolution(text="freed 40 GB"))
    told = call("show_timeline", raised.id)

    assert (raised.state, raised.acts) == ("triggered", ["acknowledge", "resolve", "escalate"])
    assert (taken.changed, taken.incident.owner.name) == (True, "alice")
    assert (done.changed, done.incident.state) == (True, "resolved")
    assert told.items[-1].kind == "opened"
    assert {"acknowledged", "note", "resolved"} <= {one.kind for one in told.items}
    assert {one.via for one in told.items if one.kind == "acknowledged"} == {"api"}
    assert Incident.objects.get().state == "resolved"
