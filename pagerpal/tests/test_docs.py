"""The documentation says what is so: its commands run, and what it names exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import Resolver404, resolve
from django.utils import timezone

from alertsources.sources import base as sources
from pagerpal import sample, written_docs
from pagerpal.api import assembly, tokens
from pagerpal.tests.processes import ROOT, Site, get, wait_until
from pagerpal.written_docs import DOCS
from schedules.models import User

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(DOCS.rglob("*.md")),
]
TEXTS = {str(path.relative_to(ROOT)): path.read_text() for path in PAGES}
LOCAL = "http://127.0.0.1:8000"

# Capitals that are no settings of PagerPal's: knobs of make, Compose and the tests are read there.
KNOBS = re.findall(
    r"\b[A-Z]+(?:_[A-Z]+)+\b",
    "".join(
        path.read_text()
        for pattern in ("Makefile", "docker-compose*.yml", "pagerpal/faults/*.py")
        for path in ROOT.glob(pattern)
    ),
)
NOT_SETTINGS = {*KNOBS, "NAME_FILE", "BENCH_PARTS", "PAGERPAL_ENV_FILE"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = re.compile(
    r"^ *<!-- run -->\n *```sh\n(?P<command>.*?)^ *```$"
    r"(?:\n\n *```output\n(?P<output>.*?)^ *```$)?",
    re.MULTILINE | re.DOTALL,
)
# A refusal of the server is a failure, too.
CURL = 'curl() { command curl --silent --show-error --fail-with-body "$@"; }'
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|<(?:img|source)[^>]* (?:src|srcset)=\"([^\"]+)\"")
SETTING = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
ROUTE = re.compile(
    r"(?:127\.0\.0\.1:8000|pager\.example\.org|`(?:[A-Z]+ )?)(/[a-z][^\s`'\"?#)<>&]*)"
)
# What clients put the rest of an address behind.
BASES = {"/opsgenie"}
# Beginnings of paths in the docs that are of somebody else's server, or of a disk.
NOT_OURS = ("/etc/", "/var/", "/opt/", "/data", "/dev/", "/proc/", "/tmp", "/srv/", "/usr/")


@pytest.mark.parametrize("name", sorted(written_docs.pages()))
def test_a_page_about_code_is_what_the_code_says(name: str) -> None:
    path = DOCS / name

    assert path.exists(), f"run manage.py write_docs: there is no docs/{name}"
    assert path.read_text() == written_docs.pages()[name], "run manage.py write_docs"


def test_no_page_is_about_a_kind_that_is_gone() -> None:
    stored = {
        f"{folder}/{one.name}"
        for folder in written_docs.FOLDERS
        for one in (DOCS / folder).iterdir()
    }

    assert stored <= written_docs.pages().keys()


def test_the_pages_are_written_once_and_then_left(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "pigeon.md").write_text("gone")

    changed = written_docs.write(tmp_path)

    assert changed == ["sources/pigeon.md", *written_docs.pages()]
    assert written_docs.write(tmp_path) == []


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_and_picture_is_there(name: str) -> None:
    missing = [link for link in _links(TEXTS[name]) if not _leads_somewhere(name, link)]

    assert missing == []


def test_every_page_is_in_the_index() -> None:
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in _links(TEXTS["docs/README.md"])}

    assert {path for path in DOCS.rglob("*.md") if path.name != "README.md"} <= linked


def test_every_setting_that_is_named_exists() -> None:
    known = {one.name for one in written_docs.all_settings()}
    known |= {f"{name}_FILE" for name in known} | NOT_SETTINGS
    # Those of sources hold other programs' words.
    ours = {name: text for name, text in TEXTS.items() if not name.startswith("docs/sources/")}
    named = {(name, word) for name, text in ours.items() for word in SETTING.findall(text)}

    assert {one for one in named if one[1] not in known} == set()


def test_every_setting_that_is_read_can_be_read_about() -> None:
    code = (ROOT / "pagerpal" / "settings.py").read_text()
    read = set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", code)) | {"SECRET_KEY"}

    assert read - {"PAGERPAL_ENV_FILE"} == {one.name for one in written_docs.all_settings()}
    assert all(
        f"| `{name}` |" in TEXTS["docs/settings.md"] for name in read - {"PAGERPAL_ENV_FILE"}
    )


@pytest.mark.parametrize("name", TEXTS)
def test_every_command_that_is_named_exists(name: str) -> None:
    known = get_commands()

    for command, arguments in re.findall(r"manage\.py ([a-z_]+)([^`\n]*)", TEXTS[name]):
        assert command in known, command
        app = known[command]
        parser = (load_command_class(app, command) if isinstance(app, str) else app).create_parser(
            "manage.py", command
        )
        flags = {flag for action in parser._actions for flag in action.option_strings}
        assert set(re.findall(r"(?<= )--[a-z-]+", arguments)) <= flags, command


@pytest.mark.parametrize("name", TEXTS)
def test_every_target_of_make_that_is_named_exists(name: str) -> None:
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"`make ([a-z-]+)", TEXTS[name])) <= known


@pytest.mark.parametrize("name", TEXTS)
def test_every_route_that_is_named_exists(name: str) -> None:
    assert [route for route in _routes(TEXTS[name]) if not _resolves(route)] == []


def test_every_metric_that_is_named_exists() -> None:
    code = (ROOT / "pagerpal" / "metrics.py").read_text()
    told = {
        *re.findall(r"\"(pagerpal_\w+)\"", code),
        *(f"pagerpal_{name}" for name in re.findall(r"_one\(\"(\w+)\"", code)),
    }

    named = set(re.findall(r"`(pagerpal_\w+)`", TEXTS["docs/operations.md"]))

    assert named
    assert named <= told


@pytest.mark.parametrize("kind", sorted(sources.registry))
def test_every_kind_of_source_is_tried(kind: str) -> None:
    assert RUN.search(TEXTS[f"docs/sources/{kind}.md"])


def test_nothing_that_is_not_there_is_looked_for_in_vain() -> None:
    assert not _resolves("/such/a/route")
    assert not _resolves("/api/v1/pigeons")
    assert _resolves("/api/v1/incidents/1")
    assert not _leads_somewhere("README.md", "docs/README.md#no-such-heading")
    assert _routes("see `GET /health` at http://127.0.0.1:8000/me?x=1") == ["/health", "/me"]
    assert _routes("in `/etc/nginx/conf.d`, by `/incidents/NUMBER/report`") == [
        "/incidents/1/report"
    ]


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_that_are_marked_so_run(site: Site, tmp_path: Path) -> None:
    """In order, page by page, on one installation with the sample team of `demo`."""
    site.environment = {"NOTIFICATION_SENDING_ENABLED": "false"}
    made = sample.make(timezone.now())
    admin = User.objects.get(email=made["admin"]["email"])
    token = tokens.make(admin, "docs", scope="write", now=timezone.now())[1]
    serve = site.manage("serve")
    wait_until(lambda: get(f"{site.url}/health")[0] == 200, seconds=40, why=serve)
    filled = {LOCAL: site.url, "KEY": made["sources"][0]["key"], "TOKEN": token}

    said = {block: _run(block, filled, site, _clone(tmp_path)) for block in _blocks()}
    failed = [
        (block, *what)
        for block, what in said.items()
        if what[0] != 0 or not what[1].startswith(block.output)
    ]

    assert len(said) > len(sources.registry)
    assert failed == []


# --- Reading the pages ---------------------------------------------------------------------------
@dataclass(frozen=True)
class Block:
    page: str
    command: str
    output: str


def _blocks() -> Iterator[Block]:
    for name, text in TEXTS.items():
        for found in RUN.finditer(text):
            yield Block(name, dedent(found["command"]), (found["output"] or "").strip())


def _clone(folder: Path) -> Path:
    """What a clone has that commands name; what they write lands here."""
    clone = folder / "clone"
    if not clone.exists():
        clone.mkdir()
        (clone / "manage.py").symlink_to(ROOT / "manage.py")
        (clone / ".venv").symlink_to(sys.prefix)
    return clone


def _run(block: Block, filled: dict[str, str], site: Site, folder: Path) -> tuple[int, str, str]:
    """How it ended, what it printed, and what it complained of."""
    command = block.command
    for name, value in filled.items():
        pattern = re.escape(name) if "/" in name else rf"(?<!\$)\b{name}\b"
        command = re.sub(pattern, value, command)
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", f"{CURL}\n{command}"],
        cwd=folder,
        env=site._environ() | {"PAGERPAL": site.url, "TOKEN": filled["TOKEN"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def _links(text: str) -> list[str]:
    """Those to files; what stands in code is none."""
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))
    found = [one or other for one, other in LINK.findall(prose)]
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def _leads_somewhere(page: str, link: str) -> bool:
    name, _, heading = link.partition("#")
    path = (ROOT / page).parent / name if name else ROOT / page
    if not path.exists():
        return False
    return not heading or heading in _anchors(path.read_text())


def _anchors(text: str) -> set[str]:
    """As the pages of a repository make them of headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def _routes(text: str) -> list[str]:
    """Each as it could be called: what is in capitals or in brackets is a number or a word."""
    found = [route.rstrip(".,;:/") for route in ROUTE.findall(text)]
    ours = (one for one in found if not one.startswith(NOT_OURS) and "..." not in one)
    return [re.sub(r"[A-Z]{2,}", "1", one) for one in ours]


def _resolves(route: str) -> bool:
    for one in (route, f"{route}/"):
        try:
            found = resolve(one)
        except Resolver404:
            continue
        return found.url_name != "api" or _is_of_api(route)
    return route in BASES


def _is_of_api(route: str) -> bool:
    """The door to the API takes any address; its document says which there are."""
    paths = [*assembly.document()["paths"], "/api/v1", "/api/v1/openapi.json"]
    return any(re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", path), route) for path in paths)
