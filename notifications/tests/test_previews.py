"""The page that shows how every message reads."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.test.signals import template_rendered

from notifications import previews
from notifications.channels import email, ntfy
from notifications.channels.base import Message, channel_choices
from notifications.models import Notification
from pagerpal.testing import NOON, make_admin, make_user
from schedules.models import User

URL = "/admin/notifications/notification/previews/"


def shown() -> dict[str, list[previews.Preview]]:
    reader = User(name="ann", time_zone="Europe/Berlin")
    return {one.name: one.previews for one in previews.samples(reader, NOON)}


def test_every_kind_shows_a_page() -> None:
    kinds = ", ".join(one.kinds for one in shown()["Page"])

    for _, label in channel_choices():
        assert label in kinds


def test_every_sample_was_put_into_words() -> None:
    for name, previewed in shown().items():
        assert previewed, name
        for one in previewed:
            assert one.message.title
            assert "could not put" not in one.message.body, name


def test_a_text_message_fits_into_one() -> None:
    for name, previewed in shown().items():
        assert all(one.parts <= 1 for one in previewed), name


def test_no_template_is_without_a_preview() -> None:
    seen: set[str] = set()

    def note(template: Any, **_: Any) -> None:
        seen.add(str(template.name))

    template_rendered.connect(note)
    shown()
    template_rendered.disconnect(note)

    folder = settings.BASE_DIR / "templates"
    kinds = [folder / "notifications" / kind for kind, _ in channel_choices()]
    found = [one for at in [*kinds, folder / "notifications" / "default"] for one in at.glob("*")]
    assert {str(one.relative_to(folder)) for one in found} <= seen


def in_tongues(text: str) -> str:
    """The text as in a language that nobody speaks: its places stay, its letters do not."""
    return re.sub(r"%\(\w+\)s|[^\W\d_]", lambda found: found[0] if found[0][1:] else "¤", text)


def texts_of(value: Any) -> set[str]:
    """Every text among these facts but what has words of our own for it."""
    if isinstance(value, dict):
        ours = {"severity", "event", "urgency", "trial"}
        return {text for name, one in value.items() if name not in ours for text in texts_of(one)}
    if isinstance(value, list | tuple):
        return {text for one in value for text in texts_of(one)}
    return {value} if isinstance(value, str) else set()


def said_in(message: Message) -> str:
    """All that people read of it."""
    buttons = [one["label"] for one in json.loads(ntfy.payload(message, "topic"))["actions"]]
    html = re.sub(r"<style.*?</style>|<[^>]*>", " ", message.html, flags=re.DOTALL)
    lines = [message.title, message.body, message.subject, message.sms, unescape(html), *buttons]
    return "\n".join([*lines, email.text_of(message)])


def test_all_texts_are_marked_for_translation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.utils.translation._trans.gettext", in_tongues)
    monkeypatch.setattr(
        "django.utils.translation._trans.ngettext",
        lambda one, more, number: in_tongues(one if number == 1 else more),
    )
    facts = texts_of([context for _, context in previews.facts(NOON).values()])
    own = {"PagerPal", "Europe/Berlin", "CET", "UTC", "all", "Disk", "Disk 96% full on"}
    own |= {f"db-{number}" for number in range(9)}
    known = sorted(facts | own, key=len, reverse=True)

    for name, previewed in shown().items():
        for one in previewed:
            text = re.sub(r"https?://\S+", "", said_in(one.message))
            for fact in known:
                text = text.replace(fact, "").replace(fact.capitalize(), "")
            assert not re.findall(r"[A-Za-z]{2,}", text), (name, one.kinds)


def test_a_room_is_shown_no_link_that_answers() -> None:
    events = [one.event for one in shown()["Page"] if one.event]

    assert events
    assert "/a/" not in "".join(events)


def test_every_purpose_is_shown() -> None:
    names = " ".join(shown())

    for word in (
        "Page",
        "News",
        "Question",
        "Update",
        "Reminder",
        "Hand-over",
        "Gaps",
        "Silent",
        "Code",
    ):
        assert word in names
    assert len(Notification.Purpose.choices) == 9  # show a new one here too


@pytest.mark.django_db
def test_staff_finds_the_page_from_the_admin_and_it_stores_nothing(client: Client) -> None:
    client.force_login(make_admin())

    assert f'href="{URL}"' in client.get("/admin/").content.decode()
    page = client.get(URL).content.decode()

    assert "alice has it: Disk 96% full on db-6 (#412)" in page
    assert "#412 CRIT Disk 96% full on db-6. Answer: http" in page
    assert "&lt;!doctype html&gt;" in page
    assert not Notification.objects.exists()


@pytest.mark.django_db
def test_others_do_not_see_it(client: Client) -> None:
    client.force_login(make_user("bob"))

    assert client.get(URL).status_code == 302
