"""What is left of the set-up: each line is true or not by facts, and none by being clicked."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core import signing
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from alertsources.models import Alert
from incidents.answers import token_for
from notifications import trials
from notifications.models import ContactMethod, Notification
from pagerpal import checklist, peers, site_facts
from pagerpal.models import SignIn, SiteFact, WorkerHeartbeat
from pagerpal.testing import (
    NOON,
    make_admin,
    make_incident,
    make_policy,
    make_rotation,
    make_source,
    make_team,
    make_user,
    minutes,
    seconds,
)  # fmt: skip
from schedules.models import Membership, Team, User

pytestmark = pytest.mark.django_db
Name = SiteFact.Name
PHONE, DESK = "203.0.113.7", "198.51.100.2"


@pytest.fixture
def ann() -> User:
    return make_user("ann", is_staff=True, is_superuser=True)


@pytest.fixture
def token(ann: User) -> str:
    """Of the link to an incident that ann may answer."""
    return token_for(make_incident(make_team("Platform", ann)).pk, ann.pk)


def beat(at: datetime) -> None:
    WorkerHeartbeat.objects.create(name="host-1", started_at=at, beat_at=at)


def make_alert(team: Team, **fields: Any) -> Alert:
    return Alert.objects.create(
        source=make_source(team), key="a", live_key="a" * 64, group_digest="b" * 64,
        title="Disk full", severity="high", first_at=NOON, last_at=NOON, **fields,
    )  # fmt: skip


# --- The worker, sending --------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "is_done"), [(5, True), (59, True), (61, False)])
def test_the_worker_is_running_while_its_sign_is_fresh(age: int, is_done: bool) -> None:
    beat(NOON - seconds(age))

    assert checklist.worker(NOON).is_done is is_done


def test_a_worker_that_never_ran_is_not_running() -> None:
    assert not checklist.worker(NOON).is_done


@pytest.mark.parametrize("is_on", [True, False])
def test_sending_is_on_by_the_setting_alone(settings: Any, is_on: bool) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = is_on

    line = checklist.sending()

    assert line.is_done is is_on
    assert line.env == ("NOTIFICATION_SENDING_ENABLED=true",)
    assert line.restart == checklist.restart_command()


def test_where_no_file_is_read_nobody_is_sent_to_one(settings: Any) -> None:
    settings.ENV_FILE = Path(os.devnull)
    assert checklist.env_file() == "the environment that PagerPal is started in"

    settings.ENV_FILE = Path("/srv/pagerpal/.env")
    assert checklist.env_file() == "/srv/pagerpal/.env"


@pytest.mark.parametrize(
    ("is_image", "cgroup", "command"),
    [
        (False, "0::/user.slice/user-1000.slice/app.service", "make run"),
        (False, "0::/system.slice/pagerpal.service", "sudo systemctl restart pagerpal.service"),
        (
            False,
            "0::/system.slice/system-pagerpal.slice/pagerpal@web.service",
            "sudo systemctl restart 'pagerpal@*'",
        ),
        (True, "0::/", "docker compose up -d"),
    ],
)
def test_the_restart_is_that_of_how_it_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_image: bool, cgroup: str, command: str
) -> None:
    (tmp_path / "cgroup").write_text(f"{cgroup}\n")
    monkeypatch.setattr(checklist, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(checklist, "is_in_container", lambda: is_image)
    monkeypatch.setenv("INVOCATION_ID", "7")

    assert checklist.restart_command() == command


def test_without_systemd_or_an_image_it_is_make_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checklist, "CGROUP", Path("/nowhere"))
    monkeypatch.setattr(checklist, "is_in_container", lambda: False)

    assert checklist.restart_command() == "make run"


# --- Reached --------------------------------------------------------------------------------------


def test_whoever_answered_a_test_page_can_be_reached(ann: User) -> None:
    make_incident(state="acknowledged", owner=ann, is_test=True)

    assert checklist.reached(ann).is_done


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "acknowledged", "is_test": False},
        {"state": "triggered", "is_test": True},
    ],
)
def test_what_is_no_answer_to_a_test_proves_nothing(ann: User, fields: dict[str, Any]) -> None:
    if fields["state"] == "acknowledged":
        fields = {**fields, "owner": ann}
    make_incident(**fields)

    line = checklist.reached(ann)

    assert not line.is_done
    assert line.says == "Send yourself a test page, and answer it."


def test_anothers_answer_is_not_mine(ann: User) -> None:
    make_incident(state="acknowledged", owner=make_user("bob"), is_test=True)

    assert not checklist.reached(ann).is_done


def test_page_me_now_counts_once_it_was_answered(ann: User) -> None:
    trials.page_now(ann, now=NOON)
    before = checklist.reached(ann).is_done
    trials.stop(ann, now=NOON + seconds(20))

    assert not before
    assert checklist.reached(ann).is_done


def test_an_answer_is_of_no_use_once_nothing_would_reach_me(ann: User) -> None:
    make_incident(state="acknowledged", owner=ann, is_test=True)
    ContactMethod.objects.update(is_on=False)

    line = checklist.reached(ann)

    assert not line.is_done
    assert "ann has no contact method that is on" in line.says
    assert line.url == reverse("notifications:me")


# --- Phones ---------------------------------------------------------------------------------------


def opened(client: Client, path: str, peer: str, method: str = "get", **headers: str) -> None:
    assert getattr(client, method)(path, REMOTE_ADDR=peer, **headers).status_code == 200


@pytest.mark.parametrize("method", ["get", "post"])
def test_phones_can_open_it_once_a_link_was_opened_from_elsewhere(
    client: Client, token: str, method: str
) -> None:
    before = checklist.phones().is_done
    opened(client, f"/a/{token}", PHONE, method)

    assert not before
    assert checklist.phones().is_done
    assert SiteFact.objects.get().address == PHONE


def test_the_link_of_page_me_now_counts_too(client: Client, ann: User) -> None:
    trials.page_now(ann, now=timezone.now())
    path = Notification.objects.first().context["answer_path"]  # type: ignore[union-attr]

    opened(client, path, PHONE)

    assert checklist.phones().is_done


def test_a_link_opened_here_or_where_somebody_is_signed_in_proves_nothing(
    client: Client, token: str, ann: User
) -> None:
    SignIn.objects.create(user=ann, session_key="s", address=DESK)

    for peer in ("127.0.0.1", "::1", DESK, "::ffff:127.0.0.1", ""):
        opened(client, f"/a/{token}", peer)

    assert not checklist.phones().is_done


def test_behind_a_proxy_it_is_the_phones_own_address_that_counts(
    client: Client, token: str, settings: Any
) -> None:
    opened(client, f"/a/{token}", "127.0.0.1", HTTP_X_FORWARDED_FOR=PHONE)
    claimed = checklist.phones().is_done
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    opened(client, f"/a/{token}", "127.0.0.1", HTTP_X_FORWARDED_FOR=PHONE)

    assert not claimed
    assert checklist.phones().is_done


def test_a_wrong_link_proves_nothing(client: Client) -> None:
    client.get(f"/a/{signing.Signer(salt='other').sign('1-1')}", REMOTE_ADDR=PHONE)

    assert not checklist.phones().is_done


def test_what_cannot_be_written_down_takes_no_answer_along(
    client: Client, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no such table")

    monkeypatch.setattr(site_facts, "note", broken)

    opened(client, f"/a/{token}", PHONE, "post")


@pytest.mark.parametrize(
    ("base", "is_local"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000", True),
        ("http://[::1]:8000", True),
        ("http://192.168.1.5:8000", False),
        ("https://pager.example.org", False),
    ],
)
def test_an_address_that_only_this_machine_knows_is_told(
    settings: Any, base: str, is_local: bool
) -> None:
    settings.PAGERPAL_BASE_URL = base

    assert bool(checklist.phones().env) is is_local


def test_own_addresses_are_known_without_asking_anybody() -> None:
    known = {one: peers.is_this_machine(one) for one in ("127.0.0.1", "::1", "", "junk", PHONE)}

    assert known == {"127.0.0.1": True, "::1": True, "": True, "junk": True, PHONE: False}


# --- A team, a source -----------------------------------------------------------------------------


def test_a_team_needs_turns_and_a_policy(ann: User) -> None:
    team, other = make_team("Platform", ann), make_team("Web", ann)
    said = [checklist.rotation().says]
    rotation = make_rotation(team, ann)
    make_policy(other, "team")
    said.append(checklist.rotation().says)
    make_policy(team, rotation)

    assert checklist.rotation().is_done
    assert said == [
        "Nobody takes turns yet.", "No team with a rotation has a default policy with a step.",
    ]  # fmt: skip


def test_a_rotation_without_people_is_none(ann: User) -> None:
    make_rotation(make_team("Platform", ann))

    assert not checklist.rotation().is_done


def test_a_source_counts_by_what_it_has_received(ann: User) -> None:
    team = make_team("Platform", ann)
    none = checklist.source()
    alert = make_alert(team, is_test=True)
    tested = checklist.source()
    Alert.objects.filter(pk=alert.pk).update(is_test=False)

    assert (none.is_done, none.url) == (False, reverse("set_up"))
    assert (tested.is_done, tested.url) == (
        False, reverse("alertsources:source", args=[alert.source_id]),
    )  # fmt: skip
    assert checklist.source().is_done


# --- A watcher ------------------------------------------------------------------------------------


def asked(at: datetime, peer: str = PHONE, **cookies: str) -> None:
    request = RequestFactory().get("/health", REMOTE_ADDR=peer)
    request.COOKIES.update(cookies)
    site_facts.health_asked(request, now=at)


def test_whatever_keeps_asking_from_elsewhere_watches() -> None:
    for minute in range(12):
        asked(NOON + minutes(minute))

    assert checklist.watcher(NOON + minutes(12)).is_done
    assert not checklist.watcher(NOON + minutes(80)).is_done


def test_a_look_now_and_then_is_no_watch() -> None:
    asked(NOON)
    once = checklist.watcher(NOON).is_done
    asked(NOON + minutes(90))

    assert not once
    assert not checklist.watcher(NOON + minutes(90)).is_done


@pytest.mark.parametrize(("peer", "cookies"), [("127.0.0.1", {}), (PHONE, {"sessionid": "x"})])
def test_this_machine_and_people_who_look_are_no_watcher(
    peer: str, cookies: dict[str, str]
) -> None:
    for minute in (0, 6, 12):
        asked(NOON + minutes(minute), peer, **cookies)

    assert not SiteFact.objects.exists()


def test_health_itself_writes_down_who_asks(client: Client) -> None:
    client.get("/health", REMOTE_ADDR=PHONE)

    assert SiteFact.objects.get().name == Name.HEALTH_ASKED


def test_telling_somebody_outside_is_a_watch_too(settings: Any) -> None:
    settings.HEARTBEAT_URL = "https://hc.example.org/ping/7"

    assert checklist.watcher(NOON).is_done


def test_watchers_that_ask_each_second_cost_a_write_each_five_minutes(
    django_assert_num_queries: Any,
) -> None:
    asked(NOON)

    with django_assert_num_queries(1):
        asked(NOON + minutes(4))


# --- On the dashboard -----------------------------------------------------------------------------


def all_true(ann: User, settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = True
    now = timezone.now()
    beat(now)
    team = make_team("Platform", leads=(ann,))
    make_policy(team, make_rotation(team, ann))
    make_alert(team)
    make_incident(team, state="acknowledged", owner=ann, is_test=True)
    SiteFact.objects.create(name=Name.LINK_OPENED, since=now, at=now, address=PHONE)
    SiteFact.objects.create(name=Name.HEALTH_ASKED, since=now - minutes(20), at=now)


def test_the_list_goes_when_all_is_done(client: Client, ann: User, settings: Any) -> None:
    all_true(ann, settings)
    client.force_login(ann)

    response = client.get("/")

    assert [line.text for line in checklist.lines(ann, timezone.now()) if not line.is_done] == []
    assert response.context["tasks"] == []
    assert b"Until an alert wakes somebody" not in response.content


def test_it_comes_back_as_soon_as_something_is_not_true(
    client: Client, ann: User, settings: Any
) -> None:
    all_true(ann, settings)
    Membership.objects.all().delete()
    WorkerHeartbeat.objects.all().delete()
    client.force_login(ann)

    tasks = client.get("/").context["tasks"]

    assert [line.text for line in tasks if not line.is_done] == ["The worker is running"]


def test_an_admin_hides_it_for_all_and_brings_it_back(client: Client, ann: User) -> None:
    client.force_login(make_admin())
    client.post("/setup/hide")
    client.force_login(ann)
    hidden = client.get("/").context["tasks"]
    client.post("/setup/hide", {"to": "shown"})

    assert hidden == []
    assert len(client.get("/").context["tasks"]) == 8


def test_only_admins_see_it(client: Client) -> None:
    client.force_login(make_user("bob"))

    assert client.get("/").context["tasks"] == []


def test_an_open_incident_comes_before_what_is_left_to_set_up(client: Client, ann: User) -> None:
    client.force_login(ann)
    at_peace = client.get("/").content.decode()
    make_incident(make_team("Platform", ann))

    at_night = client.get("/").content.decode()

    assert at_peace.index("Until an alert wakes") < at_peace.index("No open incidents")
    assert at_night.index("Open incidents 1") < at_night.index("Until an alert wakes")
