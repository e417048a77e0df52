"""Every write of a setting leaves a line, with before and after, whatever way it was written."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest
from django.db import models, transaction
from django.db.models import F

from pagerpal.testing import (
    make_channel,
    make_policy,
    make_rotation,
    make_source,
    make_team,
    make_user,
)
from schedules import recorded, setting_words
from schedules.models import (
    Rotation,
    RotationMember,
    SettingChange,
    Team,
    User,
)
from schedules.recorded import Actor, RecordedQuerySet, recorded_fields, recorded_models

pytestmark = pytest.mark.django_db


def told_since(before: int) -> list[str]:
    lines = SettingChange.objects.filter(pk__gt=before).order_by("pk")
    return [setting_words.sentence(one) for one in lines]


def last() -> int:
    found = SettingChange.objects.order_by("-pk").values_list("pk", flat=True).first()
    return found or 0


@pytest.fixture
def rotation() -> Rotation:
    return make_rotation(make_team("Platform"), make_user("alice"), make_user("bob"))


def test_a_saved_field_is_told_with_before_and_after(rotation: Rotation) -> None:
    alice, since = User.objects.get(name="alice"), last()
    rotation.handover_time = time(10)

    with recorded.acting(lambda: Actor(alice, "admin")):
        rotation.save()

    assert told_since(since) == ["changed hand-over time from 09:00 to 10:00"]
    change = SettingChange.objects.latest("pk")
    assert (change.actor, change.actor_label, change.via) == (alice, "alice", "admin")
    assert (change.about_label, change.team) == ("Platform: primary", rotation.team)


def test_a_save_that_changes_nothing_is_not_told(rotation: Rotation) -> None:
    since = last()

    rotation.save()
    rotation.save(update_fields=["revision"])
    Rotation.objects.update(revision=F("revision") + 1)

    assert told_since(since) == []


def test_without_anybody_signed_in_it_was_pagerpal(rotation: Rotation) -> None:
    Team.objects.create(name="Web")

    change = SettingChange.objects.latest("pk")
    assert (change.actor, change.actor_label) == (None, "PagerPal")
    assert setting_words.sentence(change).startswith("added: name Web; ")


def test_rows_updated_at_once_are_told_one_by_one(rotation: Rotation) -> None:
    second = make_rotation(rotation.team, name="second")
    already, since = make_rotation(rotation.team, name="third", is_active=False), last()

    Rotation.objects.filter(pk__in=[rotation.pk, second.pk, already.pk]).update(is_active=False)

    told = SettingChange.objects.filter(pk__gt=since)
    assert {one.about_id for one in told} == {rotation.pk, second.pk}
    assert set(told_since(since)) == {"switched off"}


def test_an_update_by_an_expression_tells_what_the_database_made_of_it(
    rotation: Rotation,
) -> None:
    since = last()

    Rotation.objects.update(every=F("every") + 1)
    rotation.every = F("every") + 1
    rotation.save(update_fields=["every"])

    assert told_since(since) == ["changed every from 1 to 2", "changed every from 2 to 3"]


def test_rows_made_and_changed_in_bulk_are_told(rotation: Rotation) -> None:
    dan, since = make_user("dan", ntfy=False), last()

    RotationMember.objects.bulk_create([RotationMember(rotation=rotation, user=dan, position=2)])
    place = RotationMember.objects.get(user=dan)
    place.position = 5
    RotationMember.objects.bulk_update([place], ["position"])

    assert told_since(since) == [
        "added rotation member 2. dan: user dan; position 2",
        "changed rotation member 5. dan: position from 2 to 5",
    ]


def test_what_is_deleted_tells_what_it_was(rotation: Rotation) -> None:
    since = last()

    RotationMember.objects.filter(user__name="bob").delete()

    (change,) = SettingChange.objects.filter(pk__gt=since)
    assert "user was bob" in setting_words.sentence(change)
    assert (change.about_id, change.act) == (rotation.pk, "removed")


def test_a_deletion_tells_of_what_it_takes_along_and_what_it_empties(rotation: Rotation) -> None:
    policy = make_policy(rotation.team, rotation, name="nights")
    source, since = make_source(rotation.team, policy=policy), last()

    policy.delete()

    told = {one.model: setting_words.sentence(one) for one in SettingChange.objects.filter(
        pk__gt=since
    )}  # fmt: skip
    assert told["incidents.escalationstep"].startswith("removed escalation step step 1")
    assert told["alertsources.alertsource"] == "changed policy from Platform: nights to nothing"
    source.refresh_from_db()
    assert source.policy is None


@pytest.mark.parametrize("way", ["add", "set", "of the other side"])
def test_lists_of_people_are_told_before_and_after(way: str) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    step = make_policy(make_team(), alice).steps.get()
    since = last()

    if way == "add":
        step.people.add(bob)
        step.people.add(bob)
    elif way == "set":
        step.people.set([alice, bob])
    else:
        bob.steps.add(step)

    assert told_since(since) == ["changed escalation step step 1: people from alice to alice, bob"]


def test_a_list_that_is_emptied_is_told() -> None:
    alice, bob = make_user("alice"), make_user("bob")
    step = make_policy(make_team(), [alice, bob]).steps.get()
    since = last()

    step.people.remove(bob)
    step.people.clear()

    assert told_since(since) == [
        "changed escalation step step 1: people from alice, bob to alice",
        "changed escalation step step 1: people from alice to nothing",
    ]


def test_secrets_are_never_written_down() -> None:
    user, team = make_user("alice", password="correct horse battery"), make_team()
    source = make_source(team, signing_secret="hush-hush")
    channel = make_channel(team, channel="slack", address="https://hooks.slack.com/services/T0KEN")
    user.set_password("another horse entirely")
    user.save()
    source.signing_secret, source.key_hash = "whisper", "f" * 64
    source.save()
    channel.secret = "whsec_c2VjcmV0"
    channel.save()

    said = " ".join(told_since(0)) + str(list(SettingChange.objects.values_list("changes")))
    assert "password changed (not shown)" in said
    assert "key changed (not shown)" in said
    for secret in (
        "horse",
        "argon",
        "md5$",
        "hush",
        "whisper",
        "f" * 64,
        "whsec",
        "T0KEN",
        "topic-al",
    ):
        assert secret not in said


def test_a_setting_within_settings_is_told_alone() -> None:
    source = make_source(make_team(), settings={"mapping": {"title": "a"}, "other": 1})
    since = last()

    source.settings = {"mapping": {"title": "b"}, "other": 1}
    source.save()

    (told,) = told_since(since)
    assert told == "changed settings, mapping from {'title': 'a'} to {'title': 'b'}"


def test_what_is_rolled_back_was_never_told(rotation: Rotation) -> None:
    since = last()
    rotation.name = "other"

    with transaction.atomic():
        rotation.save()
        transaction.set_rollback(True)

    assert told_since(since) == []


def test_whoever_is_gone_is_still_named(rotation: Rotation) -> None:
    gone = make_user("gone")
    with recorded.acting(lambda: Actor(gone)):
        Team.objects.create(name="Web")

    gone.delete()

    change = SettingChange.objects.get(model="schedules.team", about_label="Web")
    assert (change.actor, change.actor_label) == (None, "gone")


def test_a_team_can_be_deleted_with_its_history() -> None:
    team = make_team("Brief", make_user("alice"))

    team.delete()

    assert SettingChange.objects.filter(about_label="Brief", act="removed").exists()


@pytest.mark.parametrize("model", recorded_models(), ids=lambda model: model.__name__)
def test_every_way_to_the_rows_of_a_setting_records(model: type[models.Model]) -> None:
    for manager in (model._default_manager, model._base_manager):
        assert isinstance(manager.all(), RecordedQuerySet)


@pytest.mark.parametrize("model", recorded_models(), ids=lambda model: model.__name__)
def test_no_field_that_sounds_like_a_secret_is_written_down(model: Any) -> None:
    names = ("secret", "password", "hash", "token", "key", "address")
    hidden = {*model.recording.secret, *model.recording.told}

    sounding = {one for one in recorded_fields(model) if any(name in one for name in names)}

    assert sounding <= hidden
