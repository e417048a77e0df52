"""Sources of which nothing comes any more: who is told, how often, and what counts as speaking."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from alertsources import silent
from alertsources.models import AlertSource, ReceivedPayload
from alertsources.silent import silent_sources, span
from alertsources.tasks import JOBS
from incidents.rounds import make
from notifications.channels.base import SendError
from notifications.models import Notification
from pagerpal.testing import (
    NOON,
    Recorder,
    make_admin,
    make_source,
    make_team,
    make_user,
    minutes,
    run_worker,
)
from schedules.models import Team

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def team() -> Team:
    return make_team("Platform", make_user("bob"), leads=(make_user("lea"),))


@pytest.fixture
def source(team: Team) -> AlertSource:
    values: dict[str, Any] = {"warn_if_silent_for": HOUR, "created_at": NOON - timedelta(days=3)}
    return make_source(team, name="backups", **values)


def hear(source: AlertSource, at: datetime = NOON, **fields: Any) -> ReceivedPayload:
    values = {"body": b"{}", "result": "taken", **fields}
    return ReceivedPayload.objects.create(source=source, received_at=at, **values)


def look(now: datetime) -> None:
    silent.tell_leads(now)
    run_worker(now)


# --- Which are silent ----------------------------------------------------------------------------


def test_a_source_is_silent_once_its_time_has_passed(source: AlertSource) -> None:
    hear(source)

    assert silent_sources(NOON + HOUR) == []
    found = silent_sources(NOON + HOUR + minutes(1))

    assert [(one.source, one.since, one.has_spoken) for one in found] == [(source, NOON, True)]
    assert found[0].words == "silent for 61 minutes, expected every 60 minutes"


def test_one_that_never_spoke_counts_from_its_creation(source: AlertSource) -> None:
    AlertSource.objects.update(created_at=NOON)

    assert silent_sources(NOON + minutes(59)) == []
    assert not silent_sources(NOON + minutes(61))[0].has_spoken


def test_trials_and_what_is_taken_in_again_are_no_words_of_the_sender(source: AlertSource) -> None:
    first = hear(source)
    hear(source, NOON + minutes(90), is_test=True)
    hear(source, NOON + minutes(90), reprocessed_from=first)

    assert silent_sources(NOON + minutes(91))[0].since == NOON


def test_what_cannot_be_read_or_is_beyond_the_limit_is_a_sign_of_life(source: AlertSource) -> None:
    hear(source)
    hear(source, NOON + minutes(50), result="unreadable")

    assert silent_sources(NOON + minutes(100)) == []


@pytest.mark.parametrize("how", ["off", "team off", "never asked for"])
def test_nobody_misses_what_is_switched_off(source: AlertSource, how: str) -> None:
    if how == "off":
        AlertSource.objects.update(is_active=False)
    elif how == "team off":
        Team.objects.update(is_active=False)
    else:
        AlertSource.objects.update(warn_if_silent_for=None)

    assert silent_sources(NOON) == []


def test_all_are_found_by_one_query_the_longest_silent_first(
    team: Team, source: AlertSource, django_assert_num_queries: Any
) -> None:
    hear(source, NOON - 2 * HOUR)
    other = make_source(team, key="o" * 32, name="other", warn_if_silent_for=minutes(5))
    hear(other, NOON - 3 * HOUR)

    with django_assert_num_queries(1):
        found = [str(one.source) for one in silent_sources(NOON)]

    assert found == ["other (Platform)", "backups (Platform)"]


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=1), "1 minute"),
        (timedelta(minutes=119), "119 minutes"),
        (timedelta(hours=26), "26 hours"),
        (timedelta(hours=48), "2 days"),
    ],
)
def test_lengths_are_said_in_units_that_fit(length: timedelta, words: str) -> None:
    assert span(length) == words


@pytest.mark.parametrize("value", [timedelta(minutes=4), timedelta(days=91)])
def test_a_time_out_of_bounds_is_refused_by_form_and_database(
    source: AlertSource, value: timedelta
) -> None:
    source.warn_if_silent_for = value

    with pytest.raises(ValidationError, match=r"is the (least|most)"):
        source.full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        AlertSource.objects.update(warn_if_silent_for=value)


# --- Told ----------------------------------------------------------------------------------------


def test_a_silence_is_told_to_the_leads_once_and_a_later_one_again(
    source: AlertSource, recorder: Recorder
) -> None:
    hear(source)

    for number in range(200):
        look(NOON + HOUR + minutes(number))
    message = recorder.take("topic-lea")
    recorder.expect_none()
    hear(source, NOON + 5 * HOUR)
    look(NOON + 6 * HOUR + minutes(1))

    recorder.take("topic-lea")
    assert message.title == "Platform: nothing comes from backups"
    assert message.body.splitlines()[0] == (
        "The last message came Mon 23 Nov 12:00 (UTC); at least one every 60 minutes is expected."
    )
    assert message.priority == 3


def test_one_that_comes_and_goes_is_told_once_an_hour(
    source: AlertSource, recorder: Recorder
) -> None:
    AlertSource.objects.update(warn_if_silent_for=minutes(5))

    for number in range(10):
        hear(source, NOON + minutes(7 * number))
        look(NOON + minutes(7 * number + 6))

    assert len(recorder.take_all()) == 2


def test_when_it_speaks_again_what_could_not_be_sent_yet_is_void(
    source: AlertSource, recorder: Recorder
) -> None:
    hear(source)
    recorder.broken["ntfy"] = SendError("away")
    look(NOON + minutes(61))

    hear(source, NOON + minutes(62))
    recorder.broken.clear()
    look(NOON + minutes(80))

    row = Notification.objects.get()
    assert (row.state, row.outcome) == ("cancelled", "it speaks again")


def test_without_a_lead_the_admins_are_told(source: AlertSource, recorder: Recorder) -> None:
    source.team.memberships.filter(role="lead").delete()
    make_admin().contact_methods.create(channel="ntfy", address="topic-root")

    look(NOON)

    recorder.take("topic-root")


def test_the_worker_looks_at_it_by_the_minute(source: AlertSource, recorder: Recorder) -> None:
    jobs = tuple(job for job in JOBS if job.name == "silent")

    assert make(jobs, NOON) == ["silent"]
    run_worker(NOON)
    assert make(jobs, NOON + minutes(1)) == ["silent"]

    recorder.take("topic-lea")
