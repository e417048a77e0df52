"""The escalation clock, moved by hand: who is paged when, and what is written when nobody is."""

from __future__ import annotations

from typing import Any

import pytest

from incidents import engine, lifecycle, planner
from incidents.forecast import forecast
from incidents.lifecycle import Opening
from incidents.models import EscalationStep, Incident
from notifications import outbox
from notifications.channels.base import SendError
from notifications.models import ContactMethod, Notification
from pagerpal.testing import (
    NOON,
    Recorder,
    make_admin,
    make_incident,
    make_policy,
    make_rotation,
    make_team,
    make_user,
    minutes,
    run_worker,
    seconds,
)
from schedules.models import Override, Team, User
from schedules.people import switch_off

pytestmark = pytest.mark.django_db


def opened(team: Team, policy: Any = None, **fields: Any) -> Incident:
    values: dict[str, Any] = {"title": "Disk full", "source_label": "Prometheus", **fields}
    return lifecycle.open_incident(Opening(team=team, policy=policy, **values), now=NOON)


def texts(incident: Incident) -> list[str]:
    return [entry.text for entry in incident.timeline.order_by("pk")]


def only_email(name: str) -> User:
    return make_user(name, ntfy=False, email=True)


def test_nobody_answers_so_the_next_step_pages_the_next_person(recorder: Recorder) -> None:
    alice, bob = only_email("alice"), only_email("bob")
    team = make_team("Platform", alice, bob)
    opened(team, make_policy(team, alice, bob))

    run_worker(NOON)
    recorder.take("alice@example.org", "email")
    run_worker(NOON + minutes(5) - seconds(1))
    recorder.expect_none()
    run_worker(NOON + minutes(5))

    recorder.take("bob@example.org", "email")


def test_what_is_predicted_is_what_happens(recorder: Recorder) -> None:
    alice, bob = only_email("alice"), only_email("bob")
    team = make_team("Platform", alice, bob)
    incident = opened(team, make_policy(team, alice, bob))
    run_worker(NOON)
    recorder.take_all()
    incident.refresh_from_db()

    predicted = forecast(incident, NOON + minutes(1))[0]
    run_worker(predicted.at - seconds(1))
    recorder.expect_none()
    run_worker(predicted.at)

    assert predicted.who == ["bob"]
    recorder.take("bob@example.org", "email")


def test_the_person_on_call_is_looked_up_when_the_step_fires(recorder: Recorder) -> None:
    alice, bob = only_email("alice"), only_email("bob")
    team = make_team("Platform", alice, bob)
    rotation = make_rotation(team, alice)
    opened(team, make_policy(team, rotation))
    Override.objects.create(
        rotation=rotation, user=bob, starts_at=NOON - minutes(1), ends_at=NOON + minutes(1)
    )

    run_worker(NOON)

    recorder.take("bob@example.org", "email")


def test_a_cover_made_in_the_middle_of_a_storm_is_paged_all_the_same(recorder: Recorder) -> None:
    alice, outsider = only_email("alice"), only_email("outsider")
    team = make_team("Platform", alice)
    rotation = make_rotation(team, alice)
    policy = make_policy(team, rotation)
    books: engine.Books = {}
    opened(team, policy)
    engine.run_best_due(NOON, books)
    Override.objects.create(
        rotation=rotation, user=outsider, starts_at=NOON, ends_at=NOON + minutes(60)
    )
    second = opened(team, policy)

    looks = [engine.run_best_due(NOON + seconds(1), books) for _ in range(2)]

    assert looks[0] is None
    assert looks[1] is not None
    assert [page.user for page in second.pages.all()] == [outsider]
    assert not any("no working contact method" in text for text in texts(second))


def test_an_empty_step_says_why_and_costs_no_time(recorder: Recorder) -> None:
    alice = only_email("alice")
    team = make_team("Platform", alice)
    rotation = make_rotation(team)
    incident = opened(team, make_policy(team, rotation, alice))

    run_worker(NOON)

    recorder.take("alice@example.org", "email")
    assert "Step 1: nobody is on call in Platform: primary." in texts(incident)


def test_a_team_without_a_policy_pages_its_leads(recorder: Recorder) -> None:
    carol = only_email("carol")
    team = make_team("Platform", leads=(carol,))
    incident = opened(team)

    run_worker(NOON)

    incident.refresh_from_db()
    recorder.take("carol@example.org", "email")
    assert any("reached nobody" in text for text in texts(incident))
    assert incident.nobody_reached_at is None  # carol was, in the end


def test_when_nobody_can_be_reached_the_admins_are_paged(recorder: Recorder) -> None:
    root = make_admin()
    ContactMethod.objects.create(user=root, channel="ntfy", address="topic-root")
    team = make_team("Platform", make_user("alice", ntfy=False))
    opened(team, make_policy(team, "team"))

    run_worker(NOON)

    recorder.take("topic-root")


def test_with_nobody_at_all_the_incident_says_so_and_tries_again_later(recorder: Recorder) -> None:
    alice = make_user("alice", ntfy=False)
    team = make_team("Platform", alice)
    incident = opened(team, make_policy(team, alice))

    run_worker(NOON)

    incident.refresh_from_db()
    assert incident.nobody_reached_at == NOON
    assert incident.escalate_at == NOON + minutes(15)
    ContactMethod.objects.create(user=alice, channel="email", address="alice@example.org")
    run_worker(NOON + minutes(15))
    recorder.take("alice@example.org", "email")


def test_a_failed_step_does_not_wait_for_its_delay(recorder: Recorder) -> None:
    alice, bob = make_user("alice"), only_email("bob")
    team = make_team("Platform", alice, bob)
    incident = opened(team, make_policy(team, alice, bob))
    recorder.broken["ntfy"] = SendError("forbidden for this topic", permanent=True)

    run_worker(NOON)

    recorder.take("bob@example.org", "email")
    assert any("forbidden for this topic" in text for text in texts(incident))


def test_a_new_round_never_starts_early_however_fast_everything_fails(recorder: Recorder) -> None:
    alice = make_user("alice")
    team = make_team("Platform", alice, leads=(make_user("lead"),))
    incident = opened(team, make_policy(team, alice))
    recorder.broken["ntfy"] = SendError("forbidden", permanent=True)

    run_worker(NOON)
    run_worker(NOON + seconds(30))

    incident.refresh_from_db()
    assert incident.round == 0
    assert incident.escalate_at == NOON + minutes(15)


def test_it_is_never_silent_at_the_end(recorder: Recorder) -> None:
    alice, bob = only_email("alice"), only_email("bob")
    team = make_team("Platform", alice, bob)
    opened(team, make_policy(team, alice, repeats=0))

    paged = []
    for minute in range(0, 61, 5):
        run_worker(NOON + minutes(minute))
        paged += [(minute, to.partition("@")[0]) for _, to, _ in recorder.take_all()]

    assert paged[:5] == [(0, "alice"), (15, "alice"), (15, "bob"), (30, "alice"), (30, "bob")]
    assert paged[-1][0] == 60


def test_one_bad_contact_method_harms_nobody(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = only_email("alice"), only_email("bob")
    team = make_team("Platform", alice, bob)
    incident = opened(team, make_policy(team, [alice, bob]))
    real = outbox.page_person

    def fails_for_alice(user: User, **facts: Any) -> Any:
        if user == alice:
            raise ValueError("a broken rule")
        return real(user, **facts)

    monkeypatch.setattr(outbox, "page_person", fails_for_alice)
    run_worker(NOON)

    recorder.take("bob@example.org", "email")
    assert "Paging alice failed: see the server's log." in texts(incident)


def test_if_planning_fails_the_leads_are_paged_plainly_and_it_is_tried_again(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, lead = only_email("alice"), only_email("lead")
    team = make_team("Platform", alice, leads=(lead,))
    incident = opened(team, make_policy(team, alice))
    with monkeypatch.context() as broken:
        broken.setattr(planner, "plan", lambda *_, **__: 1 / 0)
        run_worker(NOON)

    incident.refresh_from_db()
    recorder.take("lead@example.org", "email")
    assert incident.planning_failed_at == NOON
    assert incident.escalate_at == NOON + seconds(30)
    run_worker(NOON + seconds(30))
    recorder.take("alice@example.org", "email")
    incident.refresh_from_db()
    assert incident.planning_failed_at is None


@pytest.fixture
def planning_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "plan", lambda *_, **__: 1 / 0)


@pytest.mark.usefixtures("planning_fails")
def test_without_a_plan_a_lead_who_cannot_be_reached_is_passed_over(recorder: Recorder) -> None:
    root = make_admin()
    ContactMethod.objects.create(user=root, channel="email", address="root@example.org")
    lead = make_user("lead", ntfy=False)
    opened(make_team("Platform", only_email("alice"), leads=(lead,)))

    run_worker(NOON)

    recorder.take("root@example.org", "email")


@pytest.mark.usefixtures("planning_fails")
def test_without_a_plan_lead_or_admin_the_whole_team_is_paged(recorder: Recorder) -> None:
    make_admin()
    opened(make_team("Platform", only_email("alice"), only_email("bob")))

    run_worker(NOON)

    recorder.take("alice@example.org", "email")
    recorder.take("bob@example.org", "email")


@pytest.mark.usefixtures("planning_fails")
def test_while_planning_fails_people_are_paged_each_quarter_of_an_hour(recorder: Recorder) -> None:
    opened(make_team("Platform", leads=(only_email("lead"),)))

    paged = []
    for half_minute in range(2 * 31):
        run_worker(NOON + seconds(30 * half_minute))
        paged += [half_minute / 2 for _ in recorder.take_all()]

    assert paged == [0, 15, 30]


@pytest.mark.usefixtures("planning_fails")
def test_with_nobody_to_page_without_a_plan_the_incident_says_so(recorder: Recorder) -> None:
    incident = opened(make_team("Platform", make_user("alice", ntfy=False)))

    run_worker(NOON)

    incident.refresh_from_db()
    assert incident.nobody_reached_at == NOON
    assert "No lead, admin or member of the team could be paged." in texts(incident)


@pytest.mark.usefixtures("planning_fails")
def test_without_a_plan_one_bad_person_harms_nobody(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = only_email("alice"), only_email("bob")
    opened(make_team("Platform", leads=(alice, bob)))
    real = outbox.page_person

    def fails_for_alice(user: User, **facts: Any) -> Any:
        if user == alice:
            raise ValueError("a broken rule")
        return real(user, **facts)

    monkeypatch.setattr(outbox, "page_person", fails_for_alice)
    run_worker(NOON)

    recorder.take("bob@example.org", "email")


@pytest.mark.usefixtures("planning_fails")
def test_an_incident_that_cannot_even_be_paged_plainly_is_tried_again_in_half_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    incident = opened(make_team("Platform", leads=(only_email("lead"),)))
    monkeypatch.setattr(outbox, "reachable", lambda *_: 1 / 0)

    run_worker(NOON)

    incident.refresh_from_db()
    assert incident.escalate_at == NOON + seconds(30)
    assert incident.planning_failed_at == NOON


def test_after_an_hour_down_only_the_newest_step_is_sent(recorder: Recorder) -> None:
    alice, bob = only_email("alice"), only_email("bob")
    team = make_team("Platform", alice, bob)
    incident = opened(team, make_policy(team, alice, bob))
    engine.run_best_due(NOON)  # planned, and then the power went

    engine.run_best_due(NOON + minutes(60))
    run_worker(NOON + minutes(60))

    incident.refresh_from_db()
    recorder.take("bob@example.org", "email")
    assert incident.escalate_at == NOON + minutes(65)
    old = Notification.objects.get(user=alice)
    assert old.state == "cancelled"
    assert old.outcome.startswith("superseded")
    dropped = "Not sent, as PagerPal was down and a newer step is called: 1 message."
    assert dropped in texts(incident)


def test_a_step_removed_while_it_waits_is_replaced_by_the_one_in_its_place(
    recorder: Recorder,
) -> None:
    alice, bob, carol = only_email("alice"), only_email("bob"), only_email("carol")
    team = make_team("Platform", alice, bob, carol)
    policy = make_policy(team, alice, bob, carol)
    opened(team, policy)
    run_worker(NOON)
    recorder.take_all()

    EscalationStep.objects.get(policy=policy, position=1).delete()
    run_worker(NOON + minutes(5))

    recorder.take("carol@example.org", "email")


def test_a_step_moved_behind_another_pages_nobody_twice_in_one_round(recorder: Recorder) -> None:
    alice, bob = only_email("alice"), only_email("bob")
    team = make_team("Platform", alice, bob)
    policy = make_policy(team, alice, bob, repeats=0)
    incident = opened(team, policy)
    run_worker(NOON)
    recorder.take("alice@example.org", "email")

    EscalationStep.objects.filter(policy=policy, position=0).update(position=5)
    run_worker(NOON + minutes(5))
    run_worker(NOON + minutes(10))

    recorder.take("bob@example.org", "email")
    assert "Step 2: alice was already paged in this round." in texts(incident)
    assert not incident.timeline.filter(kind="trouble").exists()


def test_the_worst_incident_is_taken_first(recorder: Recorder) -> None:
    team = make_team("Platform", only_email("alice"))
    make_incident(team, severity="warning", urgency="low")
    worst = make_incident(team, severity="critical")
    make_incident(team, severity="high")

    stepped = engine.run_best_due(NOON)

    assert stepped is not None
    assert stepped.incident_id == worst.pk


def test_of_equally_bad_ones_of_a_team_the_newest_is_taken_first(settings: Any) -> None:
    settings.WORKERS = 1
    team = make_team("Platform", only_email("alice"))
    made = [make_incident(team, now=NOON - minutes(ago)) for ago in (5, 1, 9)]

    taken = [engine.run_best_due(NOON) for _ in made]

    order = [stepped.incident_id for stepped in taken if stepped]
    assert order == [made[1].pk, made[0].pk, made[2].pk]


def test_a_storm_of_one_team_does_not_bury_another_teams_page() -> None:
    storm, quiet = make_team("Storm", only_email("alice")), make_team("Quiet", only_email("bob"))
    old = make_incident(quiet, now=NOON - minutes(1))
    for _ in range(30):
        make_incident(storm)

    handled = [engine.run_best_due(NOON) for _ in range(2)]

    assert old.pk in [stepped.incident_id for stepped in handled if stepped]


def test_switched_off_escalation_leaves_incidents_waiting(settings: Any) -> None:
    settings.ESCALATION_WORKER_ENABLED = False
    make_incident()

    assert engine.run_best_due(NOON) is None
    assert engine.count_due(NOON) == 0


def test_safe_mode_holds_every_message_and_counts_it_as_taken(settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = False
    alice = only_email("alice")
    team = make_team("Platform", alice)
    incident = opened(team, make_policy(team, alice))

    run_worker(NOON)

    incident.refresh_from_db()
    held = Notification.objects.get(user=alice)
    assert held.state == "held"
    assert held.rendered is not None
    assert "Disk full" in held.rendered["title"]
    assert "/a/" in held.rendered["answer_url"]
    assert incident.nobody_reached_at is None


def test_low_urgency_counts_its_step_from_the_first_message(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = only_email("alice")
    team = make_team("Platform", alice)
    incident = opened(team, make_policy(team, alice, alice), severity="warning", urgency="low")
    later = NOON + minutes(30)
    monkeypatch.setattr(outbox, "page_person", lambda *_, **__: outbox.Written(1, None, later))

    engine.run_best_due(NOON)

    incident.refresh_from_db()
    assert incident.escalate_at == NOON + minutes(35)


def test_when_a_person_leaves_the_next_step_is_called_and_their_incidents_start_anew(
    recorder: Recorder,
) -> None:
    alice, bob, root = only_email("alice"), only_email("bob"), make_admin()
    team = make_team("Platform", alice, bob)
    policy = make_policy(team, alice, bob)
    waiting = opened(team, policy)
    engine.run_best_due(NOON)
    owned = make_incident(team, policy=policy, state="acknowledged", owner=alice)

    switch_off(alice, by=root, now=NOON + seconds(10))
    run_worker(NOON + seconds(10))

    owned.refresh_from_db()
    waiting.refresh_from_db()
    assert (owned.state, owned.episode) == ("triggered", 2)
    assert sorted(to for _, to, _ in recorder.take_all()) == ["bob@example.org"] * 2


def test_a_policy_that_is_deleted_while_it_runs_leaves_the_whole_team(recorder: Recorder) -> None:
    alice, bob = only_email("alice"), only_email("bob")
    team = make_team("Platform", alice, bob)
    policy = make_policy(team, alice, alice)
    opened(team, policy)
    run_worker(NOON)
    recorder.take("alice@example.org", "email")

    policy.delete()
    run_worker(NOON + minutes(5))
    recorder.expect_none()
    run_worker(NOON + minutes(15))

    assert sorted(to for _, to, _ in recorder.take_all()) == [
        "alice@example.org",
        "bob@example.org",
    ]
