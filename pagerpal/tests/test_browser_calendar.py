"""The calendar in a real browser: covers in two taps, on a phone, on a desk, on paper."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from pagerpal.testing import NOON, at, make_rotation, make_team, make_user
from pagerpal.tests.browsing import FAINT, NARROW, PHONE, SCHEMES, Visit, flaws
from schedules.models import CalendarFeed, Override, Rotation, RotationWindow, Team, User

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

DESK = {"width": 1280, "height": 900}
PAPER = {"width": 718, "height": 1000}
# What sticks out of its bar, and bars that lie upon each other.
CUT_OFF = """() => [...document.querySelectorAll('.line .shift')]
    .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"""
OVERLAPPING = """() => [...document.querySelectorAll('.line')].flatMap(line => {
    const boxes = [...line.querySelectorAll('.shift')].map(e => e.getBoundingClientRect());
    return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b =>
        a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1
    ).map(b => [a.left, b.left]));
})"""


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON):
        yield


@pytest.fixture
def alice() -> User:
    return make_user("alice", time_zone="Europe/Berlin")


@pytest.fixture
def team(alice: User) -> Team:
    """Every kind of shift: weeks, days, hours, covers, gaps, and a very long name."""
    bob, carol = make_user("bob"), make_user("carol", time_zone="Asia/Kolkata")
    long = make_user("Maximilian-Ferdinand von Mustermann-Musterfrau", address="max@example.org")
    team = make_team("Platform", alice, bob, carol, long)
    primary = make_rotation(team, bob, alice, carol, starts_on=date(2026, 11, 9))
    make_rotation(team, long, bob, name="second", position=1, unit="days")
    windowed = make_rotation(team, alice, long, name="by day", position=2, unit="days")
    RotationWindow.objects.create(rotation=windowed, days="01234", starts=time(9), ends=time(17))
    make_rotation(team, bob, name="pilot", position=3, starts_on=date(2026, 12, 24))
    make_rotation(team, bob, alice, name="quick", position=4, unit="hours", every=6)
    for user, start, end in (
        (carol, "2026-12-03 09:00", "2026-12-05 09:00"),
        (None, "2026-12-10 09:00", "2026-12-11 09:00"),
        (long, "2026-12-17 12:00", "2026-12-17 13:00"),
    ):
        Override.objects.create(
            rotation=primary, user=user, starts_at=at(start), ends_at=at(end), created_at=NOON
        )
    return team


@pytest.fixture
def rotation(alice: User) -> Rotation:
    """Weeks from Mondays 09:00 UTC, 10:00 for alice; the one that holds now is bob's."""
    bob = make_user("bob")
    return make_rotation(make_team("Web", alice, bob), bob, alice, starts_on=date(2026, 11, 9))


def shifts(page: Page, who: str) -> Locator:
    """The shifts of this person that are to be seen, in the grid or the agenda."""
    return page.locator("a.shift:visible", has=page.locator("b", has_text=who))


@pytest.mark.parametrize("with_script", [True, False])
@pytest.mark.parametrize("size", [PHONE, DESK])
def test_a_shift_is_covered_in_two_taps(
    visit: Visit, alice: User, rotation: Rotation, size: dict[str, int], with_script: bool
) -> None:
    page = visit("/calendar", alice, viewport=size, java_script_enabled=with_script)

    shifts(page, "bob").last.click()
    page.get_by_role("button", name="Save the cover").click()
    page.get_by_text("You cover Web: primary from").wait_for()

    override = Override.objects.get()
    assert (override.user, override.ends_at - override.starts_at) == (alice, timedelta(days=7))
    assert override.starts_at.weekday() == 0
    assert page.locator("a.shift.cover:visible").first.is_visible()
    assert "for bob" in page.locator("a.shift.cover:visible").first.inner_text()


def test_my_own_shift_is_handed_on(visit: Visit, alice: User, rotation: Rotation) -> None:
    page = visit("/calendar", alice)

    shifts(page, "alice").first.click()
    page.get_by_role("button", name="Save the cover").click()
    page.get_by_text("Choose who takes it.").wait_for()
    page.get_by_label("Who").select_option("bob")
    page.get_by_role("button", name="Save the cover").click()
    page.get_by_text("bob covers Web: primary").wait_for()

    assert str(Override.objects.get().user) == "bob"


def test_a_cover_is_moved_and_removed(visit: Visit, alice: User, rotation: Rotation) -> None:
    override = Override.objects.create(
        rotation=rotation,
        user=alice,
        starts_at=at("2026-11-24 09:00"),
        ends_at=at("2026-11-25 09:00"),
    )
    page = visit("/calendar", alice)

    page.locator("a.shift.cover:visible").click()
    page.get_by_label("Until").fill("2026-11-25T18:00")
    page.get_by_role("button", name="Save the change").click()
    page.get_by_text("to Wed 25 Nov 18:00").wait_for()
    override.refresh_from_db()
    page.locator("a.shift.cover:visible").click()
    page.get_by_text("Remove this cover").click()
    page.get_by_role("button", name="Yes, remove it").click()
    page.get_by_text("Removed: alice from").wait_for()

    assert override.ends_at == at("2026-11-25 17:00")
    assert not Override.objects.exists()


def test_a_phone_gets_the_agenda_with_now_on_top(visit: Visit, alice: User, team: Team) -> None:
    page = visit("/calendar", alice)

    now = page.locator(".on-now").bounding_box()
    first = page.locator(".agenda li:visible").first.bounding_box()

    assert page.locator(".grid").is_hidden()
    assert now is not None
    assert first is not None
    assert now["y"] + now["height"] < first["y"]
    assert page.locator("b:visible", has_text="NOBODY").first.is_visible()
    assert page.get_by_role("heading", name="December 2026").is_visible()


def test_a_desk_gets_weeks_in_which_every_name_stands(
    visit: Visit, alice: User, team: Team
) -> None:
    page = visit("/calendar", alice, viewport=DESK)

    boxes = page.evaluate(
        "[...document.querySelectorAll('.line .shift')].map(e => [e.querySelector('b').textContent,"
        " e.getBoundingClientRect().width])"
    )

    assert page.locator(".agenda").is_hidden()
    assert page.locator(".week").count() == 13
    assert len(boxes) > 300
    assert all(name and width > 15 for name, width in boxes)
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate(OVERLAPPING) == []
    assert page.locator(".days .today").inner_text() == "Mon 23"


def test_no_screen_is_too_narrow_and_no_text_too_faint(
    visit: Visit, alice: User, team: Team, live_server: Any
) -> None:
    CalendarFeed.objects.create(user=alice)
    CalendarFeed.objects.create(team=team)
    cover = Override.objects.order_by("pk")[0]
    rotation = cover.rotation_id
    page = visit("/no/such/page", alice)

    for path in (
        "/calendar?subscribe=1",
        "/calendar?team=mine",
        f"/calendar/cover?rotation={rotation}&from=2026-12-01T09:00Z&until=2026-12-15T09:00Z",
        f"/calendar/covers/{cover.pk}",
        "/calendar/cover",
    ):
        page.goto(live_server.url + path)

        assert flaws(page, NARROW, PHONE, DESK, {"width": 900, "height": 700}) == []
        assert page.locator("script:not([src]), style, [style], [onclick]").count() == 0, path


def test_paper_gets_the_weeks_without_buttons_and_in_black(
    visit: Visit, alice: User, team: Team
) -> None:
    page = visit("/calendar", alice, viewport=PAPER)
    page.emulate_media(media="print")

    assert page.locator(".grid").is_visible()
    assert page.locator(".tools").first.is_hidden()
    assert page.locator("#subscribe").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER["width"]
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
        assert page.evaluate(FAINT) == []
    spelled_out = "getComputedStyle(document.querySelector('a.shift'), '::after').content"
    assert page.evaluate(spelled_out) == "none"


@pytest.mark.parametrize("with_script", [True, False])
def test_a_link_for_my_calendar_is_made_and_made_anew(
    visit: Visit, alice: User, rotation: Rotation, with_script: bool
) -> None:
    page = visit("/calendar", alice, java_script_enabled=with_script)

    page.get_by_role("link", name="Subscribe").click()
    page.get_by_role("button", name="Make a link").first.click()
    page.get_by_text("The link is made.").wait_for()
    first = page.get_by_label("Link").input_value()
    page.locator("#subscribe").get_by_text("New link", exact=True).click()
    page.get_by_role("button", name="Make a new link").click()
    page.get_by_text("The old one no longer works").wait_for()
    second = page.get_by_label("Link").input_value()

    assert first != second
    assert page.get_by_role("link", name="Add to my calendar").get_attribute("href") == (
        second.replace("http://", "webcal://")
    )
    assert page.get_by_role("button", name="Print").count() == 0


def test_keys_lead_to_the_calendar(visit: Visit, alice: User, rotation: Rotation) -> None:
    page = visit("/incidents", alice, viewport=DESK)

    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url("**/calendar")

    assert page.get_by_role("button", name="Print").is_visible()
