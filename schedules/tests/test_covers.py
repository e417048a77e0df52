"""Covering from the calendar: the form filled in, saved, refused, changed, removed."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from pagerpal.testing import NOON, at, make_admin, make_rotation, make_team, make_user
from schedules.models import Membership, Override, Rotation, User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("monday_noon")]


@pytest.fixture
def rotation(alice: User, bob: User) -> Rotation:
    """Weeks from Mondays 09:00 UTC; the one that holds now is bob's."""
    team = make_team("Platform", alice, bob)
    return make_rotation(team, bob, alice, starts_on=date(2026, 11, 9))


@pytest.fixture
def page(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


def form(rotation: Rotation, who: User | str, start: str, end: str, **more: str) -> dict[str, Any]:
    who = who if isinstance(who, str) else str(who.pk)
    return {"rotation": rotation.pk, "who": who, "starts_at": start, "ends_at": end, **more}


def address(rotation: Rotation, start: str, end: str) -> str:
    return f"/calendar/cover?rotation={rotation.pk}&from={start}&until={end}"


def make_cover(rotation: Rotation, user: User | None, start: str, end: str) -> Override:
    return Override.objects.create(
        rotation=rotation, user=user, starts_at=at(start), ends_at=at(end)
    )


def times(override: Override) -> tuple[datetime, datetime]:
    override.refresh_from_db()
    return override.starts_at, override.ends_at


def test_the_form_comes_filled_in_with_the_shift_and_myself(
    page: Client, rotation: Rotation, alice: User
) -> None:
    text = words(page.get(address(rotation, "2026-11-24T09:00:00Z", "2026-11-26T09:00:00Z")))

    assert "Cover this shift" in text
    assert f'<option value="{alice.pk}" selected>alice (you)</option>' in text
    assert 'value="2026-11-24T10:00"' in text
    assert 'value="2026-11-26T10:00"' in text
    assert "Times are in your zone, Europe/Berlin" in text
    assert "<bdi>bob</bdi></b> (09:00 there), Mon 23 Nov 10:00 to Mon 30 Nov 10:00" in text


def test_my_own_shift_is_handed_to_somebody_i_choose(page: Client, rotation: Rotation) -> None:
    text = words(page.get(address(rotation, "2026-11-30T09:00:00Z", "2026-12-07T09:00:00Z")))

    assert "Hand this shift over" in text
    assert '<option value="" selected>Choose who takes it</option>' in text


def test_the_second_tap_saves_in_my_zone_and_says_so(
    page: Client, rotation: Rotation, alice: User
) -> None:
    response = page.post(
        address(rotation, "x", "y"), form(rotation, alice, "2026-11-24T10:00", "2026-11-25T10:00")
    )
    text = words(page.get(response["Location"]))

    override = Override.objects.get()
    assert times(override) == (at("2026-11-24 09:00"), at("2026-11-25 09:00"))
    assert (override.user, override.created_by) == (alice, alice)
    assert response["Location"] == f"/calendar?team={rotation.team_id}"
    assert "You cover Platform: primary from Tue 24 Nov 10:00 to Wed 25 Nov 10:00." in text


@pytest.mark.parametrize("start", ["2026-11-24T10:00", "2026-11-23T11:00"])
def test_two_hasty_taps_make_one_cover(
    page: Client, rotation: Rotation, alice: User, start: str
) -> None:
    data = form(rotation, alice, start, "2026-11-25T10:00")

    first = page.post("/calendar/cover", data)
    with time_machine.travel(NOON + timedelta(seconds=1), tick=False):
        second = page.post("/calendar/cover", data)

    assert Override.objects.count() == 1
    assert second["Location"] == first["Location"]


def test_a_cover_far_ahead_leads_to_the_page_that_shows_it(
    page: Client, rotation: Rotation, bob: User
) -> None:
    response = page.post(
        "/calendar/cover", form(rotation, bob, "2027-06-01T10:00", "2027-06-02T10:00")
    )

    assert response["Location"] == f"/calendar?team={rotation.team_id}&from=2027-06-01"


def test_nobody_can_be_put_on_purpose(page: Client, rotation: Rotation) -> None:
    page.post("/calendar/cover", form(rotation, "nobody", "2026-12-24T10:00", "2026-12-27T10:00"))

    assert Override.objects.get().user is None


def test_what_was_not_touched_is_saved_to_the_second_and_to_the_right_hour(
    page: Client, rotation: Rotation, alice: User
) -> None:
    # 00:30 UTC and 01:30 UTC on this day are both shown as 02:30 in Berlin.
    for start in ("2027-10-31T00:30:20Z", "2027-10-31T01:30:20Z"):
        got = page.get(address(rotation, start, "2027-10-31T09:00:00Z"))
        [exact] = [
            line.split('value="')[1].split('"')[0]
            for line in got.content.decode().split("<input")
            if "starts_at_exact" in line
        ]
        data = form(rotation, alice, "2027-10-31T02:30", "2027-10-31T10:00", starts_at_exact=exact)
        page.post("/calendar/cover", data)

    starts = [override.starts_at for override in Override.objects.order_by("pk")]
    assert starts == [at("2027-10-31 00:30:20"), at("2027-10-31 01:30:20")]


def test_a_time_that_the_clocks_skip_is_the_first_one_after(
    page: Client, rotation: Rotation, alice: User
) -> None:
    page.post("/calendar/cover", form(rotation, alice, "2027-03-28T02:30", "2027-03-28T10:00"))

    assert Override.objects.get().starts_at == at("2027-03-28 01:00")


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("", "2026-11-25T10:00", "Say from when."),
        ("2026-11-25T10:00", "", "Say until when."),
        ("junk", "2026-11-25T10:00", "Give a day and a time, such as 2026-11-30 09:00."),
        ("2026-13-45T10:00", "2026-11-25T10:00", "Give a day and a time"),
        ("9999-12-31T10:00", "9999-12-31T23:00", "Give a day between 2000 and 2100."),
        ("0001-01-01T00:00", "2026-11-25T10:00", "Give a day between 2000 and 2100."),
        ("2026-11-25T10:00", "2026-11-25T10:00", "It must end after it starts."),
        ("2026-11-25T10:00", "2026-11-24T10:00", "It must end after it starts."),
        ("2026-11-20T10:00", "2026-11-21T10:00", "This time is over already"),
        ("2026-11-25T10:00", "2028-11-25T10:00", "366 days is the most."),
    ],
)
def test_wrong_times_are_refused_with_one_sentence(
    page: Client, rotation: Rotation, alice: User, start: str, end: str, said: str
) -> None:
    response = page.post("/calendar/cover", form(rotation, alice, start, end))

    assert response.status_code == 200
    assert said in words(response)
    assert not Override.objects.exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"who": ""}, "Choose who takes it."),
        ({"who": "77"}, "Select a valid choice"),
        ({"rotation": ""}, "Choose the rotation."),
        ({"rotation": "77"}, "Select a valid choice"),
        ({"rotation": "x"}, "Select a valid choice"),
    ],
)
def test_wrong_choices_are_refused(
    page: Client, rotation: Rotation, alice: User, changed: dict[str, str], said: str
) -> None:
    data = form(rotation, alice, "2026-11-24T10:00", "2026-11-25T10:00") | changed

    response = page.post("/calendar/cover", data)

    assert said in words(response)
    assert not Override.objects.exists()


def test_what_covering_refuses_stands_in_the_form(
    page: Client, rotation: Rotation, bob: User
) -> None:
    strangers = make_rotation(make_team("Web", User.objects.get(name="alice")), name="web")
    data = form(strangers, bob, "2026-11-24T10:00", "2026-11-25T10:00")

    response = page.post("/calendar/cover", data)

    assert "bob is not in team Web." in words(response)


@pytest.mark.parametrize(
    "query", ["", "?rotation=x", "?rotation=99999999999", "?from=junk&until=1"]
)
def test_junk_in_the_address_gives_an_empty_form(
    page: Client, rotation: Rotation, query: str
) -> None:
    make_rotation(rotation.team, name="second")

    response = page.get(f"/calendar/cover{query}")

    assert response.status_code == 200
    assert "Choose" in words(response)


def test_an_overlap_is_shown_before_saving_and_said_after(
    page: Client, rotation: Rotation, alice: User, bob: User
) -> None:
    make_cover(rotation, bob, "2026-11-24 12:00", "2026-11-24 18:00")

    before = words(page.get(address(rotation, "2026-11-24T09:00Z", "2026-11-25T09:00Z")))
    saved = page.post(
        "/calendar/cover", form(rotation, alice, "2026-11-24T10:00", "2026-11-25T10:00")
    )
    after = words(page.get(saved["Location"]))

    assert "bob from Tue 24 Nov 13:00 to Tue 24 Nov 19:00" in before
    assert "It overlaps with another cover" in after
    assert Override.objects.count() == 2


def test_a_cover_can_be_changed(page: Client, rotation: Rotation, alice: User, bob: User) -> None:
    override = make_cover(rotation, alice, "2026-11-24 09:00", "2026-11-25 09:00")
    path = f"/calendar/covers/{override.pk}"

    shown = words(page.get(path))
    page.post(path, form(rotation, bob, "2026-11-24T10:00", "2026-11-25T18:00"))

    assert "Change a cover" in shown
    assert f'<option value="{alice.pk}" selected>' in shown
    assert times(override) == (at("2026-11-24 09:00"), at("2026-11-25 17:00"))
    assert override.user == bob


def test_a_cover_can_be_removed_and_a_second_tap_is_no_error(
    page: Client, rotation: Rotation, alice: User
) -> None:
    override = make_cover(rotation, alice, "2026-11-24 09:00", "2026-11-25 09:00")
    path = f"/calendar/covers/{override.pk}"

    first = page.post(path, {"act": "remove"})
    second = page.post(path, {"act": "remove"})
    text = words(page.get(second["Location"]))

    assert first["Location"] == f"/calendar?team={rotation.team_id}"
    assert not Override.objects.exists()
    assert "Removed: alice from Tue 24 Nov 10:00 to Wed 25 Nov 10:00." in text
    assert "That cover is gone already." in text


def test_a_cover_that_is_over_cannot_be_changed(
    page: Client, rotation: Rotation, alice: User
) -> None:
    override = make_cover(rotation, alice, "2026-11-20 09:00", "2026-11-21 09:00")

    response = page.post(f"/calendar/covers/{override.pk}", {"act": "remove"})

    assert Override.objects.filter(pk=override.pk).exists()
    assert "That cover is over" in words(page.get(response["Location"]))


def test_whoever_left_the_team_stays_a_choice_in_their_cover(
    page: Client, rotation: Rotation
) -> None:
    carol = make_user("carol")
    override = make_cover(rotation, carol, "2026-11-24 09:00", "2026-11-25 09:00")

    text = words(page.get(f"/calendar/covers/{override.pk}"))

    assert f'<option value="{carol.pk}" selected>carol</option>' in text


def test_an_observer_is_told_why_not(
    client: Client, rotation: Rotation, bob: User, alice: User
) -> None:
    Membership.objects.filter(user=bob).update(role=Membership.Role.OBSERVER)
    other = make_team("Web", bob)
    make_rotation(other, bob, name="web")
    override = make_cover(rotation, alice, "2026-11-24 09:00", "2026-11-25 09:00")
    client.force_login(bob)

    asked = client.get(f"/calendar/cover?rotation={rotation.pk}")
    posted = client.post(f"/calendar/covers/{override.pk}", {"act": "remove"})

    for response in (asked, posted):
        assert response.status_code == 403
        assert "You are an observer of Platform: observers look" in words(response)
    assert Override.objects.count() == 1


def test_whoever_covers_nowhere_is_told_whom_to_ask(client: Client, rotation: Rotation) -> None:
    client.force_login(make_user("dave"))

    response = client.get("/calendar/cover")

    assert response.status_code == 403
    assert "Only responders and leads of a team cover there." in words(response)


def test_another_teams_cover_is_not_there(client: Client, rotation: Rotation, alice: User) -> None:
    override = make_cover(rotation, alice, "2026-11-24 09:00", "2026-11-25 09:00")
    carol = make_user("carol")
    make_team("Web", carol)
    client.force_login(carol)

    assert client.get(f"/calendar/covers/{override.pk}").status_code == 404
    assert client.get("/calendar/covers/9999999999999999999999").status_code == 404
    assert str(rotation) not in words(client.get(f"/calendar/cover?rotation={rotation.pk}"))


def test_an_admin_covers_anywhere(client: Client, rotation: Rotation, bob: User) -> None:
    client.force_login(make_admin())

    client.post("/calendar/cover", form(rotation, bob, "2026-11-24T10:00", "2026-11-25T10:00"))

    assert Override.objects.get().user == bob


def test_a_shift_that_has_begun_is_covered_from_now(
    page: Client, rotation: Rotation, alice: User
) -> None:
    page.post("/calendar/cover", form(rotation, alice, "2026-11-23T11:00", "2026-11-23T18:00"))

    assert times(Override.objects.get()) == (NOON, NOON + timedelta(hours=5))


def test_the_form_costs_few_queries(
    page: Client, rotation: Rotation, django_assert_max_num_queries: Any
) -> None:
    for number in range(5):
        make_rotation(rotation.team, name=f"number {number}")
    with django_assert_max_num_queries(19):
        page.get(address(rotation, "2026-11-24T09:00Z", "2026-11-25T09:00Z"))
