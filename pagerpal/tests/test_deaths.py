"""Kills and cuts, with real processes: no page is lost, at most one is doubled by a kill, and
none is claimed after an acknowledgement was stored.

`make faults` runs each many times, PAGERPAL_FAULT_ROUNDS, and kills in the middle of a call most
often: PAGERPAL_FAULT_KILLS.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import psutil
import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone
from django_q import core_signing
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.tasks import async_task

from incidents import lifecycle
from incidents.lifecycle import Actor, Opening
from incidents.models import Incident
from notifications.kicks import SEND_DUE, kick
from notifications.models import Notification
from pagerpal.models import WorkerHeartbeat
from pagerpal.testing import make_policy, make_team, make_user
from pagerpal.tests import postgres
from pagerpal.tests.processes import NtfyServer, Pool, Program, Site, wait_until
from schedules.models import User

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

ROUNDS = int(os.environ.get("PAGERPAL_FAULT_ROUNDS", "1"))
KILLS = int(os.environ.get("PAGERPAL_FAULT_KILLS", ROUNDS))
# So that a pool that hangs is found out in seconds. Above what a busy machine makes beats wait.
SHORT_WATCHDOG = {"PAGERPAL_WATCHDOG_SECONDS": "4"}
ALICE = "alice"
LEASE = timedelta(seconds=30)


def due_pages(number: int, *, spread: float = 0) -> list[str]:
    """Messages due now, or one after the other within `spread` seconds; their keys."""
    now = timezone.now()
    user = User.objects.filter(name=ALICE).first() or make_user(ALICE)
    first = Notification.objects.count()
    keys = [f"page-{first + place}" for place in range(number)]
    method = user.contact_methods.get(address="topic-alice")
    Notification.objects.bulk_create(
        Notification(
            purpose="page",
            thread="house:1",
            key=key,
            user=user,
            contact_method=method,
            channel="ntfy",
            address=f"topic-{key}",  # one's own, as what goes to one address is sent together
            due_at=now + timedelta(seconds=spread * place / number),
        )
        for place, key in enumerate(keys)
    )
    return keys


def times_sent(ntfy: NtfyServer) -> Counter[str]:
    """How often each message reached the provider."""
    return Counter(call.body["sequence_id"] for call in list(ntfy.calls) if call.body)


def all_settled() -> bool:
    return not Notification.objects.unfinished().exists()


def end_leases(*, claimed_before: datetime) -> None:
    """As if the lease of what a dead process had claimed by then were over."""
    claimed = Notification.objects.filter(state="sending", lease_until__lt=claimed_before + LEASE)
    claimed.update(lease_until=timezone.now() - timedelta(seconds=1))


def wait_until_sent(keys: list[str], *, on: Program) -> None:
    """Until nothing waits any more and all of these were taken by the provider."""
    wait_until(all_settled, seconds=40, why=on)
    states = Counter(Notification.objects.filter(key__in=keys).values_list("state", flat=True))
    assert states == {"sent": len(keys)}


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def are_gone(pids: list[int]) -> bool:
    return all(map(is_gone, pids))


def caller_of(ntfy: NtfyServer, pool: Pool) -> int:
    """The worker process that is in a call to the provider now."""
    port = int(ntfy.url.rsplit(":", 1)[1])

    def find() -> int | None:
        for process in psutil.Process(pool.sentinel).children():  # some are new by now
            with suppress(psutil.NoSuchProcess):
                if any(_is_open_to(port, at) for at in process.net_connections("tcp")):
                    return int(process.pid)
        return None

    found: int = wait_until(find, why="no worker is calling")
    return found


def _is_open_to(port: int, at: Any) -> bool:
    return bool(at.raddr) and at.raddr.port == port and at.status == psutil.CONN_ESTABLISHED


def beats(on: Site) -> None:
    """Wait for the first heartbeat: from here on the worker does its rounds."""
    wait_until(WorkerHeartbeat.objects.exists, why=on.programs[-1])


# --- Processes that die --------------------------------------------------------------------------
@pytest.mark.parametrize("number", [1, 2])
def test_killed_idle_workers_lose_and_double_nothing(
    site: Site, ntfy: NtfyServer, number: int
) -> None:
    """One of them holds the lock of the pool's queue: then nobody can ever read it again."""
    program, pool = site.start_kept_worker(**SHORT_WATCHDOG)
    beats(site)

    for _ in range(ROUNDS):
        kill(*pool.workers[:number])
        keys = due_pages(6)
        wait_until_sent(keys, on=program)
        pool = site.kept_pool(program, pool)

    assert set(times_sent(ntfy).values()) == {1}, program.log
    assert len(times_sent(ntfy)) == 6 * ROUNDS


def test_a_worker_killed_in_the_middle_of_a_call_doubles_one_page_at_most(
    site: Site, ntfy: NtfyServer
) -> None:
    program, pool = site.start_kept_worker()
    beats(site)

    for _ in range(KILLS):
        ntfy.hang()
        before = len(ntfy.calls)
        keys = due_pages(4)
        ntfy.wait_for(before + 1)
        kill(busy := caller_of(ntfy, pool))
        killed_at = timezone.now()
        wait_until(partial(is_gone, busy))
        ntfy.work()
        end_leases(claimed_before=killed_at)
        wait_until_sent(keys, on=program)
        pool = site.kept_pool(program, pool)

    sent = times_sent(ntfy)
    assert len(sent) == 4 * KILLS
    assert sum(sent.values()) <= 5 * KILLS
    assert max(sent.values()) == 2


@pytest.mark.parametrize("who", ["sentinel", "main"])
def test_a_killed_parent_takes_all_with_it_and_comes_back(
    site: Site, ntfy: NtfyServer, who: str
) -> None:
    program, pool = site.start_kept_worker()
    beats(site)

    for _ in range(ROUNDS):
        keys = due_pages(30)
        ntfy.wait_for(len(ntfy.calls) + 1)
        killed_at = timezone.now()
        kill(getattr(pool, who))
        wait_until(partial(are_gone, pool.all), why=program)
        end_leases(claimed_before=killed_at)
        wait_until_sent(keys, on=program)
        pool = site.kept_pool(program, pool)

    sent = times_sent(ntfy)
    assert len(sent) == 30 * ROUNDS
    assert sum(sent.values()) <= 31 * ROUNDS  # one call is under way at a time


def test_a_killed_monitor_and_pusher_are_replaced(site: Site, ntfy: NtfyServer) -> None:
    program, pool = site.start_kept_worker(**SHORT_WATCHDOG)
    beats(site)

    kill(pool.pusher)
    first = due_pages(3)
    wait_until_sent(first, on=program)
    kill(pool.monitor)
    second = due_pages(3)
    wait_until_sent(second, on=program)

    assert times_sent(ntfy) == dict.fromkeys(first + second, 1)


def test_two_workers_on_one_database_send_each_page_once(site: Site, ntfy: NtfyServer) -> None:
    for _ in range(2):
        site.start_worker()
    wait_until(lambda: WorkerHeartbeat.objects.count() == 2, why=site.programs[-1])

    keys = due_pages(60 * ROUNDS, spread=2)
    wait_until_sent(keys, on=site.programs[0])

    assert times_sent(ntfy) == dict.fromkeys(keys, 1)


def test_a_told_worker_finishes_what_it_has_in_hand(site: Site, ntfy: NtfyServer) -> None:
    program, _ = site.start_worker()
    ntfy.hang()
    keys = due_pages(1)
    ntfy.wait_for(1)

    program.send(signal.SIGTERM)
    time.sleep(0.5)
    ntfy.work()
    code = program.wait()

    assert code == 0, program.log
    assert times_sent(ntfy) == dict.fromkeys(keys, 1)
    assert Notification.objects.get().state == "sent"
    assert site.survivors() == []


# --- Databases that go away ----------------------------------------------------------------------
@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_restarted_postgresql_loses_nothing(site: Site, ntfy: NtfyServer, how: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("the tests run on SQLite: no server to restart")
    binaries = postgres.programs()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed here, so none can be restarted")
    with postgres.own_server(binaries) as server:
        site.database_url = server.url
        site.run("migrate", "--verbosity=0")
        program, pool = site.start_worker()
        beats(site)

        keys = due_pages(40, spread=4)
        ntfy.wait_for(3)
        connection.close()
        server.stop(how)
        stopped_at = timezone.now()
        server.start()
        end_leases(claimed_before=stopped_at)
        wait_until_sent(keys, on=program)

        sent = times_sent(ntfy)
        assert len(sent) == 40
        assert sum(sent.values()) <= 41
        assert not any(map(is_gone, pool.all)), program.log
        site.end()


# --- Rows in the queue that nobody can read ------------------------------------------------------
def test_kicks_signed_with_an_old_key_cost_no_page(
    site: Site, ntfy: NtfyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = due_pages(3)
    with monkeypatch.context() as patch:
        patch.setattr(Conf, "SECRET_KEY", "the key of yesterday, long enough")
        kick(SEND_DUE, due=3)

    program, _ = site.start_worker()
    wait_until_sent(keys, on=program)
    wait_until(lambda: not OrmQ.objects.exists(), why=program)

    assert times_sent(ntfy) == dict.fromkeys(keys, 1)


def test_a_poisoned_payload_harms_nobody(site: Site, ntfy: NtfyServer) -> None:
    class Raw:
        dumps = staticmethod(bytes)

    poison = pickle.dumps(timedelta).replace(b"datetime", b"gone_mod")
    payload = core_signing.dumps(poison, key=Conf.SECRET_KEY, salt=Conf.PREFIX, serializer=Raw)
    OrmQ.objects.create(
        key=Conf.CLUSTER_NAME, payload=payload, lock=timezone.now() - timedelta(seconds=1)
    )
    async_task("tasks.that.are.gone")
    keys = due_pages(3)

    program, pool = site.start_worker()
    wait_until_sent(keys, on=program)
    wait_until(lambda: not OrmQ.objects.exists(), why=program)

    assert times_sent(ntfy) == dict.fromkeys(keys, 1)
    assert not is_gone(pool.pusher), program.log


def test_a_rolled_back_request_leaves_no_kick_and_no_page() -> None:
    team = make_team("Platform", alice := make_user())
    make_policy(team, alice)

    with transaction.atomic():
        open_incident(alice)
        queued = OrmQ.objects.count()
        transaction.set_rollback(True)

    assert queued == 1
    assert not Incident.objects.exists()
    assert not OrmQ.objects.exists()
    assert not Notification.objects.exists()


# --- Acknowledgements ----------------------------------------------------------------------------
def open_incident(alice: User) -> Incident:
    team = alice.memberships.get().team
    opening = Opening(
        team=team,
        title="Disk full",
        detail="",
        severity="critical",
        urgency="high",
        source_label="",
        labels={},
        links=[],
        policy=team.policies.get(),
    )
    return lifecycle.open_incident(opening, now=timezone.now())


def acknowledge(incident: Incident, alice: User) -> int:
    """Store it; how many claims of its pages there were by then."""
    by = Actor(user=alice, label=str(alice), via="page")
    moved = lifecycle.acknowledge(incident.pk, by, now=timezone.now())
    assert moved.changed
    return claims(incident)


def claims(incident: Incident) -> int:
    rows = Notification.objects.filter(thread=incident.thread, purpose="page")
    return int(rows.aggregate(number=Sum("attempts", default=0))["number"])


@pytest.fixture
def alice(transactional_db: None) -> User:
    """On call, with a second phone and a policy that pages her."""
    user = make_user(ALICE)
    user.contact_methods.create(channel="ntfy", address="topic-second")
    make_policy(make_team("Platform", user), user)
    return user


def page_calls(ntfy: NtfyServer) -> list[str]:
    """What woke somebody; not the clearing of a screen or a quiet update."""
    published = [call.body for call in list(ntfy.calls) if call.method == "POST" and call.body]
    return [body["topic"] for body in published if body["priority"] == 5]


def test_an_acknowledgement_before_the_claim_means_that_nothing_is_sent(
    site: Site, ntfy: NtfyServer, alice: User
) -> None:
    site.environment["NOTIFICATION_RETRY_WORKER_ENABLED"] = "false"
    planner, _ = site.start_worker()
    incident = open_incident(alice)
    wait_until(Notification.objects.filter(thread=incident.thread).exists, why=planner)
    planner.send(signal.SIGTERM)
    planner.wait()

    acknowledge(incident, alice)
    site.environment["NOTIFICATION_RETRY_WORKER_ENABLED"] = "true"
    program, _ = site.start_worker()
    other = due_pages_of_another_thread()
    wait_until(lambda: times_sent(ntfy)[other] == 1, why=program)

    assert claims(incident) == 0
    assert page_calls(ntfy) == []


def due_pages_of_another_thread() -> str:
    """A quiet message that is sent after all others: when it is out, they were looked at."""
    [key] = due_pages(1)
    Notification.objects.filter(key=key).update(purpose="notice", rank=3)
    return key


def test_an_acknowledgement_between_claim_and_answer_ends_the_tries(
    site: Site, ntfy: NtfyServer, alice: User
) -> None:
    program, _ = site.start_worker()
    ntfy.hang()
    incident = open_incident(alice)
    ntfy.wait_for(1)

    before = acknowledge(incident, alice)
    ntfy.fail(503)
    ntfy.release()
    wait_until(
        lambda: not Notification.objects.unfinished().filter(thread=incident.thread).exists(),
        why=program,
    )

    rows = Notification.objects.filter(thread=incident.thread, purpose="page")
    assert set(rows.values_list("state", flat=True)) == {"cancelled"}
    assert claims(incident) == before == 1
    assert len(page_calls(ntfy)) == 1


def test_no_claim_follows_an_acknowledgement_whenever_it_comes(
    site: Site, ntfy: NtfyServer, alice: User
) -> None:
    """Two workers, and acknowledgements spread over the time that pages are being claimed in."""
    programs = [site.start_worker()[0] for _ in range(2)]
    wait_until(lambda: WorkerHeartbeat.objects.count() == 2, why=programs[-1])
    found: list[tuple[Incident, int]] = []

    for place in range(8 * ROUNDS):
        incident = open_incident(alice)
        time.sleep(0.03 * (place % 8))
        found.append((incident, acknowledge(incident, alice)))
    wait_until(all_settled, seconds=30, why=programs[-1])

    assert [claims(incident) for incident, _ in found] == [before for _, before in found]
    assert sum(before for _, before in found) == len(page_calls(ntfy))
