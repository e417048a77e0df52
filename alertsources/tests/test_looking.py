"""What the worker does with alerts when it is time and no post comes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from alertsources import looking, tasks
from alertsources.admission import Admission
from alertsources.health import health
from alertsources.models import Alert, AlertSource
from alertsources.tests.test_silences import fire, look, open_titles, send, silence
from incidents.models import Incident
from pagerpal.testing import NOON, make_source, make_team, minutes

pytestmark = pytest.mark.django_db


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), name="prod")


def set_up(source: AlertSource, **fields: Any) -> None:
    AlertSource.objects.filter(pk=source.pk).update(**fields)


def test_an_alert_pages_only_if_it_still_fires_after_the_wait(source: AlertSource) -> None:
    set_up(source, wait_for=minutes(5))
    assert send(source, fire("x")).note == "1 waiting, to page if still firing."
    send(source, fire("y"))
    send(source, fire("y", status="resolved"), now=NOON + minutes(2))

    send(source, fire("x"), now=NOON + minutes(4))
    assert open_titles() == []
    look(NOON + minutes(5))

    assert open_titles() == ["x"]


def test_a_repeat_after_the_wait_pages(source: AlertSource) -> None:
    set_up(source, wait_for=minutes(5))
    send(source, fire("x"))

    send(source, fire("x"), now=NOON + minutes(5))

    assert open_titles() == ["x"]


def test_what_is_not_repeated_ends_by_itself(source: AlertSource) -> None:
    set_up(source, auto_resolve_after=minutes(30))
    send(source, fire("x"))
    send(source, fire("x"), now=NOON + minutes(20))

    look(NOON + minutes(30))
    assert open_titles() == ["x"]
    look(NOON + minutes(50))

    incident = Incident.objects.get()
    assert (incident.state, Alert.objects.get().status) == ("resolved", "resolved")
    last = incident.timeline.first()
    assert last
    assert last.text == "Resolved by prod: not repeated for 0:30:00."


def test_what_fired_before_the_setting_ends_by_itself_after_a_repeat(source: AlertSource) -> None:
    send(source, fire("x"))
    set_up(source, auto_resolve_after=minutes(30))
    send(source, fire("x"), now=NOON + minutes(1))

    look(NOON + minutes(31))

    assert open_titles() == []


def test_an_alert_whose_setting_is_gone_goes_on(source: AlertSource) -> None:
    set_up(source, auto_resolve_after=minutes(30))
    send(source, fire("x"))
    set_up(source, auto_resolve_after=None)

    look(NOON + minutes(30))

    assert (open_titles(), Alert.objects.get().look_at) == (["x"], None)


def test_many_that_end_together_are_judged_in_batches(source: AlertSource) -> None:
    silence()
    send(source, [fire(f"x{number}") for number in range(45)])
    later = NOON + timedelta(hours=1)
    assert looking.count_due(later) == 45

    look(later)

    assert (len(open_titles()), looking.count_due(later)) == (45, 0)


def test_what_cannot_be_judged_anew_pages_as_unreadable(
    source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence()
    send(source, [fire("good"), fire("bad")])
    real = Admission.look

    def look_at(self: Admission, seen: Any) -> None:
        if any(alert.title == "bad" for _, alert in seen):
            raise RuntimeError("a bug")
        real(self, seen)

    monkeypatch.setattr(Admission, "look", look_at)
    look(NOON + timedelta(hours=1))

    assert sorted(open_titles()) == ["Unreadable alert from prod", "good"]
    assert "held back" in Incident.objects.get(title__startswith="Unreadable").detail


def test_the_task_does_all_that_is_due(source: AlertSource) -> None:
    set_up(source, wait_for=minutes(5))
    long_ago = timezone.now() - timedelta(days=1)
    send(source, fire("x"), now=long_ago)

    tasks.look_again()

    assert open_titles() == ["x"]


def test_an_idle_look_is_two_small_queries(
    source: AlertSource, django_assert_max_num_queries: Any
) -> None:
    send(source, fire("x"))

    with django_assert_max_num_queries(2):
        assert looking.count_due(NOON) == 0


def test_what_is_overdue_is_a_matter_of_health(source: AlertSource, settings: Any) -> None:
    set_up(source, wait_for=minutes(5))
    send(source, fire("x"))

    assert health(NOON + minutes(6)) == []
    assert "judged anew" in health(NOON + minutes(8))[0]
    settings.ESCALATION_WORKER_ENABLED = False
    assert health(NOON + minutes(8)) == []
