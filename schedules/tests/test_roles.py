"""Who may do what: each rule for each role, and for those who are switched off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pagerpal.testing import make_admin, make_rotation, make_team, make_user
from schedules import roles
from schedules.models import Membership, Rotation, Team, User

pytestmark = pytest.mark.django_db
WHO = ("observer", "responder", "lead", "stranger", "admin")


@pytest.fixture
def team() -> Team:
    return make_team("Platform")


def person(role: str, team: Team, **fields: Any) -> User:
    if role == "admin":
        return make_admin(**fields)
    user = make_user(role, **fields)
    if role != "stranger":
        Membership.objects.create(team=team, user=user, role=role)
    return user


SEE, ANSWER = {"observer", "responder", "lead", "admin"}, {"responder", "lead", "admin"}
LEAD = {"lead", "admin"}
Rule = Callable[[User, int], bool]
RULES: list[tuple[Rule, set[str]]] = [
    (roles.may_see, SEE),
    (roles.may_answer, ANSWER),
    (roles.may_lead, LEAD),
    (lambda user, pk: roles.teams_seen(user).exists(), SEE),
    (lambda user, pk: roles.teams_kept(user).exists(), SEE),
    (lambda user, pk: roles.teams_answered(user).exists(), ANSWER),
    (lambda user, pk: roles.teams_led(user).exists(), LEAD),
    (lambda user, pk: roles.only_observed(user) == {pk}, {"observer"}),
    (lambda user, pk: roles.is_admin(user), {"admin"}),
    (lambda user, pk: roles.seen(user, Rotation.objects.all()).exists(), SEE),
    (lambda user, pk: roles.led(user, Rotation.objects.all()).exists(), LEAD),
    (lambda user, pk: roles.led(user, User.objects.filter(pk=user.pk)).exists(), LEAD),
]


@pytest.mark.parametrize(("rule", "who"), RULES)
def test_each_rule_for_each_role(team: Team, rule: Rule, who: set[str]) -> None:
    make_rotation(team)

    assert {role for role in WHO if rule(person(role, team), team.pk)} == who


@pytest.mark.parametrize("role", WHO)
def test_who_is_switched_off_may_nothing(team: Team, role: str) -> None:
    user = person(role, team, is_active=False)
    make_rotation(team)

    assert not roles.is_admin(user)
    assert not roles.may_see(user, team.pk)
    assert not roles.teams_seen(user).exists()
    assert not roles.teams_kept(user).exists()
    assert not roles.seen(user, Rotation.objects.all()).exists()


def test_a_team_that_is_off_keeps_its_past_for_its_people(team: Team) -> None:
    user = person("lead", team)
    Team.objects.update(is_active=False)

    assert not roles.teams_led(user).exists()
    assert list(roles.teams_kept(user)) == [team]


def test_a_model_that_nobody_opened_is_an_admins(team: Team) -> None:
    methods = User.contact_methods.rel.related_model.objects.all()  # type: ignore[attr-defined]
    lead = person("lead", team)

    assert lead.contact_methods.exists()
    assert not roles.seen(lead, methods).exists()
    assert roles.seen(person("admin", team), methods).exists()
