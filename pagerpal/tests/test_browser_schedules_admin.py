"""The schedules' admin in a real browser: preview, order, hours, who takes over."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils import timezone

from pagerpal.testing import make_admin, make_rotation, make_team, make_user
from pagerpal.tests.browsing import PHONE, Visit, faint
from schedules.models import Rotation, RotationWindow, ScheduleChange, User

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

DESK = {"width": 1280, "height": 900}
SCREENS = pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])


@pytest.fixture
def root() -> User:
    return make_admin()


@pytest.fixture
def rotation() -> Rotation:
    people = [make_user(name) for name in ("alice", "bob", "carol")]
    team = make_team("Platform", *people, time_zone="Europe/Berlin")
    monday = timezone.now().date() - timedelta(days=timezone.now().weekday() + 7)
    return make_rotation(team, *people, starts_on=monday, time_zone="Europe/Berlin")


def change_page(rotation: Rotation) -> str:
    return reverse("admin:schedules_rotation_change", args=[rotation.pk])


def preview(page: Page) -> None:
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("heading", name="Preview: nothing is saved yet").wait_for()


def sticks_out(page: Page) -> int:
    wider: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return wider


def order(rotation: Rotation) -> list[str]:
    return [member.user.name for member in rotation.members.select_related("user")]


@SCREENS
@pytest.mark.parametrize("with_script", [True, False], ids=["script", "no script"])
def test_a_change_is_previewed_edited_further_and_then_saved(
    visit: Visit, root: User, rotation: Rotation, viewport: Any, with_script: bool
) -> None:
    page = visit(change_page(rotation), root, viewport=viewport, java_script_enabled=with_script)

    page.get_by_label("Custom").check()
    page.locator("input[name=every]").fill("3")
    page.locator("select[name=unit]").select_option("days")
    preview(page)
    section = page.locator("#preview")
    words = section.inner_text()
    rotation.refresh_from_db()
    stored_by_the_preview = (rotation.every, ScheduleChange.objects.count())

    page.locator("input[name=every]").fill("4")
    section.get_by_role("button", name="Save").click()
    page.locator(".messagelist").wait_for()

    rotation.refresh_from_db()
    assert "a new person every 3 days at 09:00 (Europe/Berlin)" in words
    assert "What changes against today" in words
    assert "instead of" in page.locator(".messagelist").inner_text()
    assert stored_by_the_preview == (1, 0)
    assert (rotation.every, rotation.unit) == (4, "days")


def test_a_preview_can_be_read_and_does_not_stick_out(
    visit: Visit, root: User, rotation: Rotation
) -> None:
    page = visit(change_page(rotation), root)

    def check_width(size: Any) -> None:
        page.set_viewport_size(size)
        assert sticks_out(page) == 0

    check_width(DESK)
    check_width(PHONE)
    page.get_by_label("Biweekly").check()
    preview(page)

    for size in (PHONE, DESK):
        check_width(size)
        assert page.locator("#preview").bounding_box()["width"] <= size["width"]  # type: ignore[index]
        assert [text for text in faint(page) if "preview" not in text] == []


def test_the_length_of_a_turn_is_asked_for_only_where_it_counts(
    visit: Visit, root: User, rotation: Rotation
) -> None:
    page = visit(change_page(rotation), root, viewport=DESK)
    number = page.locator("input[name=every]")

    hidden = number.is_visible()
    page.get_by_label("Custom").check()
    shown = number.is_visible()
    number.fill("5")
    page.get_by_label("Weekly", exact=True).check()
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator(".messagelist").wait_for()

    rotation.refresh_from_db()
    assert (hidden, shown) == (False, True)
    assert (rotation.every, rotation.unit) == (1, "weeks")


@SCREENS
def test_a_rotation_is_made_with_hours_and_members_and_previewed_first(
    visit: Visit, root: User, rotation: Rotation, viewport: Any
) -> None:
    page = visit(reverse("admin:schedules_rotation_add"), root, viewport=viewport)

    choose(page, "#select2-id_team-container", "Platform")
    page.locator("#id_name").fill("day shift")
    choose(page, "#select2-id_members-0-user-container", "alice")
    choose(page, "#select2-id_members-1-user-container", "bob")
    page.locator("#windows-0").get_by_role("button", name="Mon-Fri").click()
    preview(page)
    words = page.locator("#preview").inner_text()
    there_before_the_save = Rotation.objects.filter(name="day shift").exists()
    page.locator("#preview").get_by_role("button", name="Save").click()
    page.locator(".messagelist").wait_for()

    made = Rotation.objects.get(name="day shift")
    assert "only Mon-Fri 09:00-17:00" in words
    assert "outside its hours" in words
    assert not there_before_the_save
    assert order(made) == ["alice", "bob"]
    assert made.time_zone == "Europe/Berlin"
    assert RotationWindow.objects.get().days == "01234"


def choose(page: Page, box: str, name: str) -> None:
    """As a hand does it: open, type, take what is found."""
    page.locator(box).locator("..").click()
    page.locator(".select2-search__field").fill(name)
    page.locator(".select2-results__option--highlighted", has_text=name).click()


def test_arrows_move_members_up_and_down(visit: Visit, root: User, rotation: Rotation) -> None:
    page = visit(change_page(rotation), root, viewport=DESK)

    page.locator("#members-2").get_by_role("button", name="Move up").click()
    page.locator("#members-0").get_by_role("button", name="Move down").click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator(".messagelist").wait_for()

    assert order(rotation) == ["carol", "alice", "bob"]


@SCREENS
def test_whoever_switches_off_a_scheduled_person_says_who_takes_over(
    visit: Visit, root: User, rotation: Rotation, viewport: Any
) -> None:
    alice, bob = User.objects.get(name="alice"), User.objects.get(name="bob")
    page = visit(reverse("admin:schedules_user_change", args=[alice.pk]), root, viewport=viewport)

    page.locator("#id_is_active").uncheck()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_label("Who takes over from alice?").select_option(label="bob")
    too_wide = sticks_out(page)
    page.get_by_role("button", name="Go on and save").click()
    page.locator(".messagelist").wait_for()

    alice.refresh_from_db()
    assert too_wide == 0
    assert not alice.is_active
    assert order(rotation) == [bob.name, "bob", "carol"]
