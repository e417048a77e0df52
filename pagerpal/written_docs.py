"""Pages of docs/ that say what the code says: written from it, so that they cannot differ.

One for each kind of alert source, one for each channel, and the table of all settings. A test
fails when the files are not what is written here; `manage.py write_docs` writes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from django.conf import settings
from django.test.utils import override_settings

from alertsources.setting_up import setup_parts
from alertsources.sources import base as sources
from notifications.address_limits import DEFAULTS
from notifications.channels import base as channels

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
# Folders of which every page is written here.
FOLDERS = ("sources", "channels")

PUBLIC, LOCAL, KEY = "https://pager.example.org", "http://127.0.0.1:8000", "KEY"
MAIL = f"alerts+{KEY}@pager.example.org"
WARNING = "<!-- Written by `manage.py write_docs`: change {of} and run it again. -->"

# Where a general page says more about a kind.
MORE_OF_SOURCES = {
    "generic": "generic-json",
    "cloudwatch": "cloudwatch-through-sns",
    "any-json": "any-json",
    "email": "by-e-mail",
}
MORE_OF_CHANNELS = {
    "sms": "sms-and-whatsapp",
    "whatsapp": "sms-and-whatsapp",
    "ntfy": "phones-that-reach-the-ntfy-server-but-not-pagerpal",
}
TEAM_CHANNELS = "team-channels"
SETTINGS_OF = {
    "ntfy": ("NTFY_",),
    "email": ("SMTP_",),
    "sms": ("TWILIO_", "INFOBIP_", "SMS_", "PHONE_"),
    "whatsapp": ("TWILIO_", "INFOBIP_", "WHATSAPP_", "PHONE_"),
}
# What the provider of one of two kinds is told about the other.
NOT_OF = {"sms": "_WHATSAPP_", "whatsapp": "_SMS_"}


@dataclass(frozen=True)
class Setting:
    """One line of .env.example with the comment above it."""

    name: str
    default: str
    about: str
    section: str


def pages() -> dict[str, str]:
    """Every page that is written here, by its path in docs/."""
    kinds = sorted({channel.kind for channel in channels.registry.values()})
    return {
        "settings.md": settings_page(),
        **{f"sources/{kind}.md": source_page(kind) for kind in sorted(sources.registry)},
        **{f"channels/{kind}.md": channel_page(kind) for kind in kinds},
    }


def write(folder: Path = DOCS) -> list[str]:
    """Write them, and remove what once was one of them; says which files changed."""
    written = pages()
    changed = []
    for name in FOLDERS:
        (folder / name).mkdir(exist_ok=True)
        for path in (folder / name).glob("*.md"):
            if f"{name}/{path.name}" not in written:
                path.unlink()
                changed.append(f"{name}/{path.name}")
    for name, text in written.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            changed.append(name)
    return changed


# --- Alert sources -------------------------------------------------------------------------------
def source_page(kind: str) -> str:
    source = sources.registry[kind]
    module = type(source).__module__.replace(".", "/")
    url = f"{PUBLIC}/api/v1/alerts/{kind}"
    parts = setup_parts(kind, url=url, key=KEY, mail=MAIL)
    return _page(
        f"# {source.label}",
        WARNING.format(of=f"{module}.py"),
        _table(_facts_of_source(kind, url)),
        "## Set up its sender",
        "Make a source of this kind under *Sources*; its page has the same text, with its own "
        f"address and key filled in. `{KEY}` is that key, which is shown once.",
        *(_fenced(part.text) if part.is_snippet else _prose(part.text) for part in parts),
        "## Try it",
        "What it sends, sent from a shell; it pages for real:",
        _trial(kind),
        *_reading(kind),
        _more("../sources.md", MORE_OF_SOURCES.get(kind, "")),
    )


def _facts_of_source(kind: str, url: str) -> Iterator[tuple[str, str]]:
    yield "address", f"`{url}`, or `{PUBLIC}/in/{KEY}`"
    if sources.reads_query(kind):
        yield "by GET", "too, with everything in the query"
    if sources.takes_secret(kind):
        yield "signature", "checked once the source has a signing secret; unsigned is then refused"
    yield "its test button", _about_tests(kind)


def _about_tests(kind: str) -> str:
    if sources.marks_tests(kind):
        return "recognised: it pages the source's test person, or is only recorded"
    return "looks like an alert: press *Take what comes next as a test* on the source's page before"


def _trial(kind: str) -> str:
    example = json.dumps(sources.registry[kind].example, ensure_ascii=False, indent=2)
    line = (
        f"curl {LOCAL}/api/v1/alerts/{kind} \\\n"
        f"  -H 'X-API-Key: {KEY}' -H 'Content-Type: application/json' -d @- <<'END'\n"
        f"{example}\nEND"
    )
    answer = '{"status": "accepted"'
    return f"<!-- run -->\n{_fenced(line, 'sh')}\n\n{_fenced(answer, 'output')}"


def _reading(kind: str) -> Iterator[str]:
    """What PagerPal takes the example for."""
    source = sources.registry[kind]
    for alert in source.parse(source.example):
        if not isinstance(alert, sources.ParsedAlert):
            continue
        facts = (
            ("title", alert.title),
            ("state", alert.status),
            ("severity", alert.severity or "not said: as the source says, high unless changed"),
            ("key", f"`{alert.key}`" if alert.key else "made of the title"),
            ("labels", ", ".join(f"`{name}={value}`" for name, value in alert.labels.items())),
        )
        yield "It is taken for:"
        yield _table((name, value) for name, value in facts if value)
        return


# --- Channels ------------------------------------------------------------------------------------
def channel_page(kind: str) -> str:
    found = channels.kind_of(kind)
    assert found is not None, kind  # noqa: S101  it is one of the registry's own
    needed = [name for group in _named_settings(kind) for name in group]
    about = [
        one
        for one in all_settings()
        if one.name.startswith(SETTINGS_OF.get(kind, ())) and NOT_OF.get(kind, " ") not in one.name
    ]
    more = MORE_OF_CHANNELS.get(kind) or (
        TEAM_CHANNELS if not getattr(found, "is_for_people", True) else ""
    )
    return _page(
        f"# {found.label}",
        WARNING.format(of=f"notifications/channels/ or {Path(__file__).name}"),
        _table(_facts_of_channel(kind, found)),
        *(["## Settings", _settings_table(about, needed)] if about else []),
        _more("../channels.md", more),
    )


def _facts_of_channel(kind: str, found: channels.Kind) -> Iterator[tuple[str, str]]:
    yield "address", f"{found.address_label}, such as `{found.example_address}`"
    yield "for", _about_owners(found)
    yield "at night", _about_waking(found)
    limit = DEFAULTS.get(kind)
    most = f"{limit}, unless `ADDRESS_LIMITS` says otherwise" if limit else "no limit"
    yield "at most, for one address", most
    for channel in (one for one in channels.registry.values() if one.kind == kind):
        yield from _facts_of_provider(kind, channel)
    if extra := getattr(found, "extra", ""):
        yield "installs", f"`.venv/bin/pip install -r {extra}`, where workers run"


def _facts_of_provider(kind: str, channel: channels.Channel) -> Iterator[tuple[str, str]]:
    needs = [name for name in _needs(channel) if name.isupper()]
    said = ", ".join(f"`{name}`" for name in needs) if needs else "no setting"
    within = getattr(channel, "receipt_within", None)
    if within is not None:
        said += f"; without a receipt within {within.seconds} s the person's next way is used"
    name = channel.slug.removeprefix(f"{kind}_")
    yield f"needs{f' ({name.capitalize()})' if name != kind else ''}", said


def _about_owners(found: channels.Kind) -> str:
    if not getattr(found, "is_for_people", True):
        return "teams"
    if getattr(found, "is_for_admins", False):
        return "people and teams; only an admin may enter one"
    return "people and teams"


def _about_waking(found: channels.Kind) -> str:
    if not getattr(found, "is_for_people", True):
        return "nobody is woken: a room is nobody, so a step's next step follows all the same"
    if not getattr(found, "wakes", True):
        return "a phone that sleeps stays silent: have another way before it"
    if getattr(found, "is_push", False):
        return "rings at once, and is answered by its button"
    return "rings as the phone is set to"


def _named_settings(kind: str) -> list[list[str]]:
    return [_needs(one) for one in channels.registry.values() if one.kind == kind]


def _needs(channel: channels.Channel) -> list[str]:
    """Of an installation in which nothing is set."""
    unset = [one.name for one in all_settings() if not one.default]
    blank = {name: "" for name in unset if isinstance(getattr(settings, name, None), str)}
    with override_settings(**blank):
        return channel.needs()


# --- Settings ------------------------------------------------------------------------------------
def settings_page() -> str:
    found = all_settings()
    tables = (
        (f"## {section}", _settings_table([one for one in found if one.section == section], []))
        for section in dict.fromkeys(one.section for one in found)
    )
    return _page(
        "# Settings",
        WARNING.format(of=".env.example"),
        "All of them are optional. They are read from the environment and from `.env` (copy "
        "`.env.example`), at the start; a wrong value stops the start, and says which and what "
        "was expected. Each also works as `NAME_FILE`, a path whose content is the value.",
        *chain.from_iterable(tables),
    )


def all_settings() -> list[Setting]:
    """What .env.example says, in its order; a comment is about all lines up to the next one."""
    found: list[Setting] = []
    section, is_open = "", False
    comment: list[str] = []
    for line in (ROOT / ".env.example").read_text().splitlines():
        if heading := re.fullmatch(r"# --- (.+?) -*", line):
            section, comment, is_open = heading[1].strip(), [], False
        elif line.startswith("#"):
            comment = [*comment, line[1:].strip()] if is_open else [line[1:].strip()]
            is_open = True
        elif line:
            name, _, default = line.partition("=")
            found.append(Setting(name, default, " ".join(comment) if is_open else "", section))
            is_open = False
    return found


def _settings_table(found: list[Setting], needed: list[str]) -> str:
    rows = [
        (
            f"`{one.name}`{' (needed)' if one.name in needed else ''}",
            f"`{one.default}`" if one.default else "",
            _cell(one.about),
        )
        for one in found
    ]
    lines = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join(("| setting | default | |", "| --- | --- | --- |", *lines))


# --- Markdown ------------------------------------------------------------------------------------
def _page(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(rows: Iterator[tuple[str, str]]) -> str:
    lines = (f"| {name} | {_cell(value)} |" for name, value in rows)
    return "\n".join(("| | |", "| --- | --- |", *lines))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _prose(text: str) -> str:
    """Words that are nobody's markup."""
    return re.sub(r"([<*])", r"\\\1", text)


def _fenced(text: str, language: str = "") -> str:
    return f"```{language}\n{text}\n```"


def _more(page: str, heading: str) -> str:
    name = Path(page).stem
    anchor = f"#{heading}" if heading else ""
    return f"More: [{name}]({page}{anchor})."
