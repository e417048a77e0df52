"""The page that shows how every message reads."""

from __future__ import annotations

import pytest
from django.test import Client

from notifications import previews
from notifications.channels.base import channel_choices
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


def test_a_room_is_shown_no_link_that_answers() -> None:
    events = [one.event for one in shown()["Page"] if one.event]

    assert events
    assert "/a/" not in "".join(events)


def test_every_purpose_is_shown() -> None:
    names = " ".join(shown())

    for word in ("Page", "News", "Question", "Update", "Reminder", "Hand-over", "Gaps", "Code"):
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
