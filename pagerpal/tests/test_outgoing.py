"""The outgoing heartbeat beats while pages would go out, and only then."""

from __future__ import annotations

from typing import Any

import pytest

from notifications.channels import calls
from notifications.tests.servers import Provider, Reply, free_port, provider
from pagerpal import aside, outgoing
from pagerpal.models import SiteFact, WorkerHeartbeat
from pagerpal.testing import NOON, make_incident, minutes

pytestmark = pytest.mark.django_db


def a_worker() -> None:
    WorkerHeartbeat.objects.create(name="host:1", started_at=NOON, beat_at=NOON)


def facts() -> dict[str, str]:
    return dict(SiteFact.objects.values_list("name", "words"))


def watched_by(settings: Any, switch: Provider) -> None:
    settings.HEARTBEAT_URL = f"{switch.url}/ping/s3cret"
    settings.HEARTBEAT_FAIL_URL = f"{switch.url}/ping/s3cret/fail"


def paths(switch: Provider) -> list[str]:
    return [call.path for call in switch.calls]


def test_it_beats_while_pages_would_go_out(settings: Any) -> None:
    a_worker()
    with provider() as switch:
        watched_by(settings, switch)
        outgoing.beat(NOON)

    assert paths(switch) == ["/ping/s3cret"]
    assert facts() == {"beat-sent": ""}


def test_it_is_withheld_and_the_failure_told_while_they_would_not(settings: Any) -> None:
    with provider() as switch:
        watched_by(settings, switch)
        outgoing.beat(NOON)

    assert paths(switch) == ["/ping/s3cret/fail"]
    assert facts() == {"beat-withheld": "No worker has ever run here: start manage.py worker."}


def test_without_an_address_for_failures_it_is_silent(settings: Any) -> None:
    with provider() as switch:
        watched_by(settings, switch)
        settings.HEARTBEAT_FAIL_URL = ""
        outgoing.beat(NOON)

    assert paths(switch) == []


def test_it_is_withheld_while_nobody_could_be_reached(settings: Any) -> None:
    a_worker()
    incident = make_incident(nobody_reached_at=NOON, escalate_at=NOON + minutes(5))

    assert outgoing.withheld(NOON) == ["Open incidents for which nobody could be reached: 1."]
    type(incident).objects.filter(pk=incident.pk).update(
        state="acknowledged", acknowledged_at=NOON, escalate_at=None
    )
    assert outgoing.withheld(NOON) == []


def test_it_is_withheld_while_the_web_server_beside_it_is_silent(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_worker()
    monkeypatch.setattr(outgoing, "web_is_here", True)
    with provider() as web:
        settings.PAGERPAL_PORT = web.server.server_address[1]
        assert outgoing.withheld(NOON) == []
    settings.PAGERPAL_PORT = free_port()

    (reason,) = outgoing.withheld(NOON)

    assert paths(web) == ["/health/live"]
    assert reason.startswith("The web server does not answer: ")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(404), "HTTP 404"),
        (Reply(301, headers={"Location": "http://127.0.0.1:9/elsewhere"}), "HTTP 301"),
        (Reply(500), "HTTP 500"),
    ],
)
def test_what_is_not_taken_is_kept_without_the_address(
    settings: Any, reply: Reply, words: str
) -> None:
    a_worker()
    with provider(reply) as switch:
        watched_by(settings, switch)
        outgoing.beat(NOON)

    assert facts() == {"beat-failed": words}
    assert len(switch.calls) == 1, "a redirect was followed"


def test_a_switch_that_hangs_is_given_up(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    a_worker()
    asked: list[float] = []

    def hangs(method: str, url: str, *, deadline: Any) -> Any:
        asked.append(deadline.seconds)
        raise calls.no_answer(deadline)

    monkeypatch.setattr(calls, "request", hangs)
    settings.HEARTBEAT_URL = "https://hc.example.org/s3cret"
    outgoing.beat(NOON)

    assert asked == [5.0]
    assert facts() == {"beat-failed": "no answer within 5 s"}


def test_once_it_is_taken_again_nothing_of_the_failure_is_left(settings: Any) -> None:
    a_worker()
    with provider(Reply(500), Reply()) as switch:
        watched_by(settings, switch)
        outgoing.beat(NOON)
        outgoing.beat(NOON)

    assert facts() == {"beat-sent": ""}


def test_the_rounds_beat_every_so_often_where_there_is_somebody_to_tell(settings: Any) -> None:
    assert outgoing.jobs() == ()
    settings.HEARTBEAT_URL = "https://hc.example.org/s3cret"
    settings.HEARTBEAT_EVERY = minutes(2)

    (job,) = outgoing.jobs()

    assert minutes(1.5) < job.every < minutes(2)


@pytest.mark.django_db(transaction=True)
def test_the_worker_does_it_in_the_process_that_makes_the_rounds(settings: Any) -> None:
    with provider() as switch:
        watched_by(settings, switch)
        aside.look_around()

    assert paths(switch) == ["/ping/s3cret/fail"]
