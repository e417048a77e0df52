"""Covers: somebody, or nobody on purpose, stands in for whoever is on call in a rotation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from django.db import transaction
from django.db.models import Max

from schedules import history, records, roles
from schedules.models import EARLIEST, LATEST, Membership, Override, Rotation, User
from schedules.transactions import repeat_on_conflict

LONGEST = timedelta(days=366)
FIRST = datetime.combine(EARLIEST, time.min, tzinfo=UTC)
LAST = datetime.combine(LATEST, time.min, tzinfo=UTC)
ANSWERING = roles.ANSWERING


class Refused(Exception):
    """It cannot be done; `message` is one sentence for whoever asked."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class Covered:
    """The override as stored, and the others that share some time with it."""

    override: Override
    overlaps: list[Override]


def may_cover(by: User, rotation: Rotation) -> bool:
    """Admins may everywhere, leads and responders in the rotations of their teams."""
    return roles.may_answer(by, rotation.team_id)


def cover(
    rotation: Rotation,
    user: User | None,
    starts_at: datetime,
    ends_at: datetime,
    *,
    by: User,
    now: datetime,
) -> Covered:
    """Put this person, or nobody on purpose, on call from, until. Raises Refused.

    What is over stays as it was: one that would begin in the past begins now. Of two people who
    cover the same shift at once both are stored, and the one who was stored last wins.
    """
    return repeat_on_conflict(
        lambda: _cover(rotation.pk, user, max(starts_at, now), ends_at, by=by, now=now)
    )


def change_cover(
    override: Override,
    user: User | None,
    starts_at: datetime,
    ends_at: datetime,
    *,
    by: User,
    now: datetime,
) -> Covered:
    """Another person or other times for this override. Raises Refused.

    It keeps its place among those that overlap. One that has begun keeps its start unless it is
    moved to the future, and may not end in the past: what was is recorded, whatever changes.
    """
    return repeat_on_conflict(
        lambda: _change(override.pk, user, starts_at, ends_at, by=by, now=now)
    )


def remove_cover(override: Override, *, by: User, now: datetime) -> None:
    """From now on the rotation goes on as planned. Raises Refused."""
    repeat_on_conflict(lambda: _remove(override.pk, by=by, now=now))


def check_person(rotation: Rotation, user: User) -> None:
    """Refused unless they are switched on and of the rotation's team, or in its order.

    Until the transaction ends they cannot be switched off or leave.
    """
    if not User.objects.select_for_update(no_key=True).filter(pk=user.pk, is_active=True):
        raise Refused(f"{user} is switched off.")
    in_team = Membership.objects.filter(user=user, team=rotation.team_id).exists()
    if not in_team and not rotation.members.filter(user=user).exists():
        raise Refused(f"{user} is not in team {rotation.team}.")


def in_words(override: Override) -> str:
    """ "carol covers primary from ... to ... (Europe/Berlin)"."""
    rotation = override.rotation
    who = f"{override.user} covers" if override.user else "Nobody, on purpose, covers"
    since, until = (history.local(at, rotation) for at in (override.starts_at, override.ends_at))
    return f"{who} {rotation.name} from {since} to {until} ({rotation.time_zone})"


def _cover(
    pk: int,
    user: User | None,
    starts_at: datetime,
    ends_at: datetime,
    *,
    by: User,
    now: datetime,
) -> Covered:
    with transaction.atomic():
        rotation = _locked(pk, by)
        _check(rotation, user, starts_at, ends_at, now)
        records.record(rotation, now=now)
        override = Override.objects.create(
            rotation=rotation,
            user=user,
            starts_at=starts_at,
            ends_at=ends_at,
            created_at=_after_all_others(rotation, now),
            created_by=by,
        )
        history.write(rotation, f"{in_words(override)}.", by=by, now=now)
        return Covered(override, _overlaps(override, now))


def _change(
    pk: int,
    user: User | None,
    starts_at: datetime,
    ends_at: datetime,
    *,
    by: User,
    now: datetime,
) -> Covered:
    with transaction.atomic():
        rotation, override = _locked_with(pk, by)
        begun = override.starts_at <= now
        if starts_at < now:
            starts_at = override.starts_at if begun else now
        _check_not_over(override, now)
        _check(rotation, user, starts_at, ends_at, now)
        before = in_words(override)
        records.record(rotation, now=now)
        override.user, override.starts_at, override.ends_at = user, starts_at, ends_at
        override.save(update_fields=["user", "starts_at", "ends_at"])
        if (after := in_words(override)) != before:
            history.write(rotation, f"{after}; before: {before}.", by=by, now=now)
        return Covered(override, _overlaps(override, now))


def _remove(pk: int, *, by: User, now: datetime) -> None:
    with transaction.atomic():
        rotation, override = _locked_with(pk, by)
        _check_not_over(override, now)
        records.record(rotation, now=now)
        text = f"Removed: {in_words(override)}."
        override.delete()
        history.write(rotation, text, by=by, now=now)


def _locked(pk: int, by: User) -> Rotation:
    """The rotation, which nobody else changes until the transaction ends."""
    rotation = Rotation.objects.select_for_update(no_key=True).get(pk=pk)
    if not may_cover(by, rotation):
        raise Refused("Only the team's leads and responders may change who covers.")
    return rotation


def _locked_with(override_pk: int, by: User) -> tuple[Rotation, Override]:
    """Both as they are under the rotation's lock."""
    found = Override.objects.filter(pk=override_pk).select_related("user", "rotation")
    if override := found.first():
        _locked(override.rotation_id, by)
        override = found.first()
    if override is None:
        raise Refused("This cover has been removed meanwhile.")
    return override.rotation, override


def _check(
    rotation: Rotation, user: User | None, starts_at: datetime, ends_at: datetime, now: datetime
) -> None:
    if ends_at <= now:
        raise Refused("That time is over already.")
    if ends_at <= starts_at:
        raise Refused("A cover must end after it starts.")
    if starts_at < FIRST or ends_at > LAST:
        raise Refused(f"Give times between {FIRST:%Y} and {LAST:%Y}.")
    if ends_at - starts_at > LONGEST:
        raise Refused(f"A cover lasts at most {LONGEST.days} days.")
    if user is not None:
        check_person(rotation, user)


def _check_not_over(override: Override, now: datetime) -> None:
    if override.ends_at <= now:
        raise Refused("This cover is over: what was stays as it was.")


def _after_all_others(rotation: Rotation, now: datetime) -> datetime:
    """Later than whatever is stored, by whichever clock: the one created last wins."""
    last = rotation.overrides.aggregate(last=Max("created_at"))["last"]
    return max(now, last) if last else now


def _overlaps(override: Override, now: datetime) -> list[Override]:
    return list(override.overlapping().not_over(now).select_related("user", "rotation"))
