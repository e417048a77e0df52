"""Tests of the files around the container; `make container-check` does what the Dockerfile says."""

from __future__ import annotations

import re
import socket
from configparser import ConfigParser
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management.base import CommandError
from django.utils import timezone

from pagerpal import healthcheck
from pagerpal.management.commands import serve
from pagerpal.models import WorkerHeartbeat
from pagerpal.supervisor import GRACE
from pagerpal.tests import dockerfile
from pagerpal.tests.dockerfile import ROOT, Stage
from pagerpal.tests.processes import free_port, url_of_test_database

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ["pagerpal", "web", "worker"]
NAMES = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    return dockerfile.parse((ROOT / "Dockerfile").read_text())


# --- The image -----------------------------------------------------------------------------------
def test_the_image_is_made_in_two_stages_and_runs_as_nobody(stages: list[Stage]) -> None:
    build, final = stages

    assert build.base.endswith("-slim AS build")
    assert final.base.endswith("-slim")
    assert final.all("USER") == ["pagerpal"]
    assert final.command("CMD") == ["python", "manage.py", "serve"]
    assert final.command("HEALTHCHECK") == ["python", "-m", "pagerpal.healthcheck"]
    assert any("collectstatic" in step for step in build.all("RUN"))
    assert final.environment["PAGERPAL_BIND"] == "0.0.0.0"


def test_no_layer_has_a_secret(stages: list[Stage]) -> None:
    given = {name for stage in stages for name in stage.environment}
    asked = [text for stage in stages for text in stage.all("ARG")]

    assert not [name for name in given if re.search("KEY|TOKEN|PASSWORD|SECRET", name)]
    assert [text.partition("=")[0] for text in asked] == ["EXTRA"]


@pytest.mark.parametrize(
    ("path", "goes"),
    [
        ("manage.py", True),
        ("pagerpal/settings.py", True),
        ("templates/base.html", True),
        ("alertsources/sources/grafana.py", True),
        (".env", False),
        (".git/config", False),
        ("data/secret_key", False),
        ("data/pagerpal.sqlite3", False),
        ("pagerpal/.env.local", False),
        ("pagerpal/tests/test_container.py", False),
        ("pagerpal/testing.py", False),
        (".venv/bin/python", False),
    ],
)
def test_only_what_runs_goes_into_the_image(path: str, goes: bool) -> None:
    assert dockerfile.is_ignored(path, dockerfile.rules()) is not goes


# --- Compose -------------------------------------------------------------------------------------
@pytest.mark.parametrize("service", OURS)
def test_compose_passes_every_setting_on(service: str) -> None:
    given = SERVICES[service]["environment"]
    fixed = {name for name, value in given.items() if value is not None}

    assert set(NAMES) - set(given) == set()
    assert set(given) - set(NAMES) == set()
    assert fixed - {"DATABASE_URL"} == {"PAGERPAL_BIND", "PAGERPAL_DATA_DIR", "INBOUND_SMTP_HOST"}


@pytest.mark.parametrize(
    "file", sorted(ROOT.glob("docker-compose*.yml")), ids=lambda file: file.name
)
def test_no_name_is_said_twice_in_one_place(file: Path) -> None:
    """Compose refuses such a file."""
    open_nodes = [yaml.compose(file.read_text())]
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, yaml.MappingNode):
            names = [key.value for key, _ in node.value if key.value != "<<"]
            assert sorted(set(names)) == sorted(names)
            open_nodes += [value for _, value in node.value]


@pytest.mark.parametrize("service", OURS)
def test_a_container_may_do_no_more_than_it_must(service: str) -> None:
    made = SERVICES[service]

    assert made["init"] is True
    assert made["read_only"] is True
    assert made["cap_drop"] == ["ALL"]
    assert made["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in made
    assert [mount.split(":")[0] for mount in made["tmpfs"]] == ["/tmp"]
    assert made["volumes"] == ["data:/data"]
    assert int(made["stop_grace_period"].rstrip("s")) > GRACE


def test_without_a_profile_one_container_runs_all_of_it() -> None:
    started = [name for name, made in SERVICES.items() if "profiles" not in made]

    assert started == ["pagerpal"]
    assert "command" not in SERVICES["pagerpal"]
    assert "DATABASE_URL" not in {
        name for name, value in SERVICES["pagerpal"]["environment"].items() if value
    }


def test_the_profile_runs_both_halves_on_postgresql() -> None:
    started = {name: made for name, made in SERVICES.items() if "profiles" in made}

    assert list(started) == ["db", "web", "worker"]
    for half in ("web", "worker"):
        made = started[half]
        assert made["command"] == ["python", "manage.py", "serve", half]
        assert made["environment"]["DATABASE_URL"].startswith("postgres://")
        assert made["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert started["worker"]["healthcheck"]["test"][-2:] == ["pagerpal.healthcheck", "worker"]
    assert "container_name" not in started["worker"]


def test_the_port_of_the_host_is_that_of_the_settings() -> None:
    for service in ("pagerpal", "web"):
        [port] = SERVICES[service]["ports"]
        assert port == ("${PAGERPAL_BIND:-127.0.0.1}:${PAGERPAL_PORT:-8000}:${PAGERPAL_PORT:-8000}")


def test_the_example_with_tls_names_services_that_exist() -> None:
    class Loader(yaml.SafeLoader):
        """Knows the word with which Compose takes a list away."""

    Loader.add_constructor("!reset", lambda loader, node: None)
    text = (ROOT / "docker-compose.traefik.yml").read_text()
    example = yaml.load(text, Loader)
    proxy = example["services"].pop("proxy")
    address = proxy["networks"]["edge"]["ipv4_address"]

    assert set(example["services"]) <= set(SERVICES)
    for made in example["services"].values():
        assert made["ports"] is None
        assert made["environment"]["TRUSTED_PROXIES"] == address
        checked = "traefik.http.services.pagerpal.loadbalancer.healthcheck.path"
        assert made["labels"][checked] == "/health/live"


# --- systemd -------------------------------------------------------------------------------------
def unit(name: str) -> ConfigParser:
    read = ConfigParser(interpolation=None, strict=False)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(ROOT / "deploy" / name)
    return read


@pytest.mark.parametrize(
    ("name", "command"),
    [("pagerpal.service", "serve"), ("pagerpal@.service", "serve %i")],
)
def test_a_unit_stops_gently_and_always_starts_again(name: str, command: str) -> None:
    service = unit(name)["Service"]

    assert service["ExecStart"].endswith(f"manage.py {command}")
    assert service["KillMode"] == "mixed"
    assert int(service["TimeoutStopSec"]) > GRACE
    assert service["Restart"] == "always"
    assert service["NoNewPrivileges"] == "true"
    assert service["CapabilityBoundingSet"] == ""


# --- What is asked and what runs -----------------------------------------------------------------
def test_serve_runs_what_is_named_and_all_when_nothing_is(settings: Any) -> None:
    settings.INBOUND_SMTP_PORT, settings.IMAP_HOST = 0, ""

    assert serve.chosen([]) == ["web", "worker"]
    assert serve.chosen(["worker", "web"]) == ["web", "worker"]
    assert serve.chosen(["web"]) == ["web"]
    for wrong in ("mail", "everything"):
        with pytest.raises(CommandError):
            serve.chosen([wrong])
    settings.INBOUND_SMTP_PORT = 2525
    assert serve.chosen([]) == ["web", "worker", "mail"]
    assert serve.chosen(["mail"]) == ["mail"]


def test_a_web_process_that_is_not_there_is_unhealthy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PAGERPAL_PORT", str(free_port()))
    monkeypatch.setenv("PAGERPAL_ENV_FILE", str(tmp_path / "none"))

    assert healthcheck.main([]) == 1
    assert "does not answer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("age", "trouble"),
    [(5, ""), (90, "the worker's row is 9"), (None, "no worker of this machine")],
)
def test_a_worker_is_well_while_it_writes_its_row(
    age: int | None, trouble: str, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    WorkerHeartbeat.objects.create(name="elsewhere:1", started_at=now, beat_at=now)
    if age is not None:
        beat_at = now - timedelta(seconds=age)
        name = f"{socket.gethostname()[:100]}:7"
        WorkerHeartbeat.objects.create(name=name, started_at=beat_at, beat_at=beat_at)
    monkeypatch.setenv("DATABASE_URL", url_of_test_database())

    said = healthcheck.worker()

    assert said.startswith(trouble) if trouble else said == ""
