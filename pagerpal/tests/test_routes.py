"""Every address of PagerPal, and who gets past its door: an address without a line here fails."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from alertsources.models import Alert, ReceivedPayload, Silence
from pagerpal import team_tokens
from pagerpal.api import tokens
from pagerpal.models import TeamToken
from pagerpal.testing import (
    make_admin,
    make_channel,
    make_incident,
    make_policy,
    make_rotation,
    make_source,
    make_team,
    make_user,
)
from schedules.models import Membership, Override, Rotation, SettingChange, Team, User

ANONYMOUS, OBSERVER, RESPONDER, LEAD, OTHER, ADMIN, TOKEN = (
    *("anonymous", "observer", "responder", "lead", "lead of another team"),
    *("admin", "team token"),
)
ROLES = (ANONYMOUS, OBSERVER, RESPONDER, LEAD, OTHER, ADMIN, TOKEN)
ALL = frozenset(ROLES)
PEOPLE = ALL - {ANONYMOUS, TOKEN}
TEAM = frozenset({OBSERVER, RESPONDER, LEAD, ADMIN})
ANSWER = frozenset({RESPONDER, LEAD, ADMIN})
LEADS = frozenset({LEAD, ADMIN})
ANY_LEAD = frozenset({LEAD, OTHER, ADMIN})
ADMINS = frozenset({ADMIN})
GUESTS = frozenset({TOKEN})  # and whoever else has entered it, signed in or not

World = dict[str, Any]
GET, POST = "get", "post"

# name: who gets past, by which method; the objects in the addresses are the team's own.
PAGES: dict[str, tuple[frozenset[str], str]] = {
    "home": (PEOPLE, GET),
    "dashboard": (PEOPLE, GET),
    "login": (ALL, GET),
    "logout": (ALL, POST),
    "forgotten": (ALL, GET),
    "choose_password": (ALL, GET),  # the token says who it is
    "account": (PEOPLE, GET),
    "second_step": (ALL, GET),  # the session says who has given the password
    "second_step_set_up": (PEOPLE, GET),
    "second_step_change": (PEOPLE, POST),
    "change_password": (PEOPLE, POST),
    "sign_out_everywhere": (PEOPLE, POST),
    "make_token": (PEOPLE, POST),
    "revoke_token": (PEOPLE, POST),  # of one's own tokens; another number revokes none
    "invite": (ADMINS, GET),
    "set_up": (ADMINS, GET),
    "set_up_team": (ADMINS, GET),
    "set_up_phone": (ADMINS, GET),
    "set_up_turns": (ADMINS, GET),
    "set_up_source": (ADMINS, GET),
    "set_up_test": (ADMINS, GET),
    "set_up_progress": (ADMINS, GET),
    "set_up_hide": (ADMINS, POST),
    # What the token of a team opens, and nothing else.
    "team_enter": (ALL, GET),  # the token says which team
    "team_leave": (ALL, POST),
    "team_page": (GUESTS, GET),
    "team_incident": (GUESTS, GET),
    "team_note": (GUESTS, POST),
    "team_act": (GUESTS, POST),
    "team_token": (LEADS, GET),
    # The API: each of its calls has a line in test_api_roles.
    "api": (PEOPLE, GET),
    "api-docs": (PEOPLE, GET),
    "health": (ALL, GET),
    "health-live": (ALL, GET),
    "system": (PEOPLE, GET),
    "system_test": (ADMINS, POST),
    "metrics": (ALL, GET),  # from this machine; what else opens it has a test of its own
    "answer": (ALL, GET),  # the token says who it is
    "answer_all": (ALL, GET),  # the same
    "infobip-receipts": (ALL, POST),  # signed or with a token: refused without, whoever asks
    "infobip-inbound": (ALL, POST),
    "twilio-status": (ALL, POST),
    "twilio-inbound": (ALL, POST),
    # Incidents.
    "incidents:list": (PEOPLE, GET),
    "incidents:log": (PEOPLE, GET),
    "incidents:log-csv": (PEOPLE, GET),
    "incidents:report": (TEAM, GET),
    "incidents:raise": (ANSWER | {OTHER}, GET),
    "incidents:detail": (TEAM, GET),
    "incidents:status": (TEAM, GET),
    "incidents:note": (ANSWER, POST),
    "incidents:again": (ANSWER, POST),
    "incidents:acknowledge": (ANSWER, POST),
    "incidents:resolve": (ANSWER, POST),
    "incidents:reopen": (ANSWER, POST),
    "incidents:escalate": (ANSWER, POST),
    "incidents:unacknowledge": (ANSWER, POST),
    "incidents:snooze": (ANSWER, POST),
    "incidents:reassign": (ANSWER, POST),
    "incidents:page": (ANSWER, POST),
    "incidents:severity": (ANSWER, POST),
    "incidents:merge": (ANSWER, POST),
    "incidents:split": (ANSWER, POST),
    "incidents:noise": (ANSWER, POST),
    "incidents:together": (PEOPLE, POST),  # each sees and changes what is theirs
    # Alert sources. What takes alerts asks for a key and is open to whoever has one.
    "alertsources:alerts": (ALL, POST),
    "alertsources:alerts-of-kind": (ALL, POST),
    "alertsources:opsgenie": (ALL, POST),
    "alertsources:opsgenie-act": (ALL, POST),
    "alertsources:in": (ALL, POST),
    "alertsources:silence_incident": (ANSWER, POST),
    "alertsources:end_silence": (ANSWER, POST),
    "alertsources:incident-alerts": (TEAM, GET),
    "alertsources:sources": (PEOPLE, GET),
    "alertsources:source_new": (ANY_LEAD, GET),
    "alertsources:source": (TEAM, GET),
    "alertsources:source_live": (TEAM, GET),
    "alertsources:source_message": (TEAM, GET),
    "alertsources:source_edit": (LEADS, GET),
    "alertsources:source_key": (LEADS, POST),
    "alertsources:source_switch": (LEADS, POST),
    "alertsources:source_test": (LEADS, POST),
    # One's own page.
    "notifications:me": (PEOPLE, GET),
    "notifications:add_method": (PEOPLE, POST),
    "notifications:method": (frozenset({RESPONDER}), POST),
    "notifications:add_rule": (PEOPLE, POST),
    "notifications:rule": (frozenset({RESPONDER}), POST),
    "notifications:remove_rule": (PEOPLE, POST),  # of one's own rules; another number removes none
    "notifications:progress": (PEOPLE, GET),
    "notifications:page_now": (PEOPLE, POST),
    "notifications:stop": (PEOPLE, POST),
    "notifications:got_it": (ALL, GET),  # the token says who it is
    # The calendar.
    "schedules:calendar": (PEOPLE, GET),
    "schedules:cover": (ANSWER | {OTHER}, GET),
    "schedules:cover_change": (ANSWER, GET),
    "schedules:new_link": (ANSWER, POST),
    "schedules:feed": (ALL, GET),  # the token says whose it is
}

# What the admin has besides the pages of each model.
ADMIN_PAGES: dict[str, tuple[frozenset[str], str]] = {
    "index": (ANY_LEAD, GET),
    "login": (PEOPLE, GET),
    "logout": (ANY_LEAD, POST),
    "password_change": (ANY_LEAD, GET),
    "password_change_done": (ANY_LEAD, GET),
    "jsi18n": (ANY_LEAD, GET),
    "autocomplete": (ANY_LEAD, GET),
    "app_list": (ANY_LEAD, GET),
    "view_on_site": (ANY_LEAD, GET),
    "auth_user_password_change": (ADMINS, GET),
    "incidents_incident_act": (ADMINS, POST),
    "alertsources_alertsource_test": (LEADS, POST),
    "alertsources_alertsource_mapping": (LEADS, GET),
    "alertsources_alertsource_key": (LEADS, GET),
    "alertsources_receivedpayload_reprocess": (LEADS, POST),
    "notifications_previews": (ANY_LEAD, GET),
}

NOBODY: frozenset[str] = frozenset()
# Model: who lists, who looks at one, who adds, who may ask to delete one
# (which for most is the page that offers to switch it off).
ADMIN_MODELS: dict[str, tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]] = {
    "schedules_user": (ANY_LEAD, LEADS, ADMINS, ADMINS),
    "schedules_team": (ANY_LEAD, LEADS, ADMINS, LEADS),
    "schedules_rotation": (ANY_LEAD, LEADS, ANY_LEAD, LEADS),
    "schedules_override": (ANY_LEAD, LEADS, ANY_LEAD, LEADS),
    "schedules_settingchange": (ANY_LEAD, LEADS, NOBODY, NOBODY),
    "incidents_incident": (ANY_LEAD, LEADS, NOBODY, NOBODY),
    "incidents_escalationpolicy": (ANY_LEAD, LEADS, ANY_LEAD, LEADS),
    "notifications_teamchannel": (ANY_LEAD, LEADS, ANY_LEAD, LEADS),
    "notifications_notification": (ADMINS, ADMINS, NOBODY, NOBODY),
    "notifications_providerstate": (ADMINS, ADMINS, NOBODY, NOBODY),
    "notifications_inboundmessage": (ADMINS, ADMINS, NOBODY, NOBODY),
    "pagerpal_apitoken": (ADMINS, ADMINS, NOBODY, ADMINS),
    "notifications_inbox": (ADMINS, ADMINS, NOBODY, NOBODY),
    "alertsources_alertsource": (ANY_LEAD, LEADS, ANY_LEAD, LEADS),
    "alertsources_silence": (ANY_LEAD, LEADS, ANY_LEAD, NOBODY),
    "alertsources_alert": (ANY_LEAD, LEADS, NOBODY, NOBODY),
    "alertsources_receivedpayload": (ANY_LEAD, LEADS, NOBODY, NOBODY),
    "django_q_schedule": (ADMINS, ADMINS, ADMINS, ADMINS),
    "django_q_success": (ADMINS, ADMINS, NOBODY, ADMINS),
    "django_q_failure": (ADMINS, ADMINS, NOBODY, ADMINS),
    "django_q_ormq": (ADMINS, ADMINS, NOBODY, ADMINS),
}

# Of each model, its admin's actions for what is ticked in a list, and who is offered them. Lists
# hold only what is one's own.
ADMIN_ACTIONS: dict[str, dict[str, frozenset[str]]] = {
    "incidents_incident": dict.fromkeys(
        ("acknowledge", "resolve", "reopen", "escalate", "unacknowledge", "noise", "merge"), ADMINS
    ),
    "alertsources_silence": {"end_now": ANY_LEAD},
    "alertsources_alertsource": {"new_key": ANY_LEAD, "forget_topic": ANY_LEAD},
    "alertsources_receivedpayload": {"reprocess_selected": ANY_LEAD},
    "notifications_teamchannel": {"send_test": ANY_LEAD, "send_again": ANY_LEAD},
    "notifications_notification": {"send_again": ADMINS},
    "schedules_user": {"switch_off": ADMINS, "send_test_page": ADMINS},
    "schedules_override": {"delete_selected": ANY_LEAD},
    "django_q_schedule": {"delete_selected": ADMINS},
    "django_q_success": {"delete_selected": ADMINS, "resubmit_task": ADMINS},
    "django_q_failure": {"delete_selected": ADMINS, "resubmit_task": ADMINS},
    "django_q_ormq": {"delete_selected": ADMINS},
    "pagerpal_apitoken": {"delete_selected": ADMINS},
}


def named_routes() -> Iterator[tuple[str, URLPattern]]:
    def walk(patterns: list[Any], space: str) -> Iterator[tuple[str, URLPattern]]:
        for one in patterns:
            if isinstance(one, URLResolver):
                inner = f"{space}{one.namespace}:" if one.namespace else space
                yield from walk(one.url_patterns, inner)
            else:
                yield f"{space}{one.name}", one

    yield from walk(get_resolver().url_patterns, "")


def rule_of(name: str) -> tuple[frozenset[str], str] | None:
    if not name.startswith("admin:"):
        return PAGES.get(name)
    short = name.removeprefix("admin:")
    if short in ADMIN_PAGES:
        return ADMIN_PAGES[short]
    model, _, page = short.rpartition("_")
    columns = {"changelist": 0, "change": 1, "history": 1, "add": 2, "delete": 3}
    if model not in ADMIN_MODELS or page not in columns:
        return None
    return ADMIN_MODELS[model][columns[page]], GET


# The last pattern of the admin answers whatever it does not know; the redirect of an old address
# to the page of an object has no name either.
UNNAMED = {"admin:None"}


def test_every_address_says_who_gets_past_its_door() -> None:
    unknown = {name for name, _ in named_routes() if rule_of(name) is None} - UNNAMED

    assert not unknown, "say in this file who may open them"


def test_every_model_of_the_admin_says_who_sees_it() -> None:
    models = {f"{m._meta.app_label}_{m._meta.model_name}" for m in admin.site._registry}

    assert models == set(ADMIN_MODELS)


@pytest.mark.parametrize("role", ROLES)
def test_each_action_of_the_admin_is_offered_to_whom_the_table_says(
    role: str, world: World, rf: RequestFactory
) -> None:
    wrong: dict[str, set[str]] = {}
    request = rf.get("/admin/")
    request.user = world["people"].get(role, AnonymousUser())
    for model, model_admin in admin.site._registry.items():
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        known = ADMIN_ACTIONS.get(label, {})
        mine = {name for name, who in known.items() if role in who}
        opens = admin.site.has_permission(request) and model_admin.has_view_permission(request)
        offered = set(model_admin.get_actions(request)) if opens else set()
        if offered != mine:
            wrong[label] = offered ^ mine

    assert not wrong


def test_no_line_is_about_an_address_that_is_gone() -> None:
    names = {name for name, _ in named_routes()}

    assert set(PAGES) <= names
    assert {f"admin:{name}" for name in ADMIN_PAGES} <= names


@pytest.fixture
def world(db: None) -> World:
    """One team with an object of each kind, and the people."""
    people = {name: make_user(name.split()[-1]) for name in (OBSERVER, RESPONDER, LEAD)}
    people[OTHER], people[ADMIN] = make_user("other"), make_admin()
    team = make_team("Platform", people[RESPONDER], leads=(people[LEAD],))
    Membership.objects.create(team=team, user=people[OBSERVER], role="observer")
    make_team("Web", leads=(people[OTHER],))
    now = timezone.now()
    rotation = make_rotation(team, people[RESPONDER])
    incident = make_incident(team)
    source = make_source(team, kind="any-json")
    payload = ReceivedPayload.objects.create(source=source, body=b"{}", received_at=now)
    method = people[RESPONDER].contact_methods.get()
    rule = people[RESPONDER].notification_rules.create(contact_method=method)
    team_tokens.make(team, people[LEAD], days=1, now=now)
    return {
        "people": people,
        "schedules_user": people[RESPONDER],
        "schedules_team": team,
        "schedules_rotation": rotation,
        "schedules_override": Override.objects.create(
            rotation=rotation, user=people[RESPONDER], starts_at=now, ends_at=now + timedelta(1)
        ),
        "schedules_settingchange": SettingChange.objects.filter(team=team).latest("pk"),
        "incidents_incident": incident,
        "incidents_escalationpolicy": make_policy(team, rotation),
        "notifications_teamchannel": make_channel(team),
        "alertsources_alertsource": source,
        "alertsources_silence": Silence.objects.create(
            team=team, reason="deploy", title="x", starts_at=now, ends_at=now + timedelta(1)
        ),
        "alertsources_alert": Alert.objects.create(
            source=source, incident=incident, key="a", live_key="a", title="a", started_at=now,
            first_at=now, last_at=now,
        ),
        "alertsources_receivedpayload": payload,
        "pagerpal_apitoken": tokens.make(people[OTHER], "x", scope="read", now=now)[0],
        "rule": rule,
        "method": method,
    }  # fmt: skip


def address_of(name: str, world: World) -> str:
    """The address of the route for the team's own objects."""
    given: dict[str, Callable[[], list[Any]]] = {
        "answer": lambda: ["junk"],
        "answer_all": lambda: ["junk"],
        "system_test": lambda: ["ntfy"],
        "api": lambda: ["teams"],
        "revoke_token": lambda: [1],
        "choose_password": lambda: ["junk"],
        "invite": lambda: [world["schedules_user"].pk],
        "team_enter": lambda: ["junk"],
        "team_incident": lambda: [world["incidents_incident"].pk],
        "team_note": lambda: [world["incidents_incident"].pk],
        "team_act": lambda: [world["incidents_incident"].pk, "resolve"],
        "team_token": lambda: [world["schedules_team"].pk],
        "notifications:got_it": lambda: ["junk"],
        "schedules:feed": lambda: ["junk"],
        "alertsources:alerts-of-kind": lambda: ["generic"],
        "alertsources:opsgenie-act": lambda: ["alias", "close"],
        "alertsources:in": lambda: ["junk"],
        "alertsources:source_message": lambda: [
            world["alertsources_alertsource"].pk, world["alertsources_receivedpayload"].pk,
        ],
        "incidents:again": lambda: [world["incidents_incident"].pk, 1],
        "notifications:method": lambda: [world["method"].pk, "off"],
        "notifications:rule": lambda: [world["rule"].pk],
        "notifications:remove_rule": lambda: [world["rule"].pk],
        "schedules:cover_change": lambda: [world["schedules_override"].pk],
        "admin:app_list": lambda: ["schedules"],
        "admin:incidents_incident_act": lambda: [world["incidents_incident"].pk, "resolve"],
        "admin:auth_user_password_change": lambda: [world["schedules_user"].pk],
        "admin:view_on_site": lambda: [1, 1],
    }  # fmt: skip
    if name in given:
        return reverse(name, args=given[name]())
    for start, key in (
        ("incidents:", "incidents_incident"),
        ("alertsources:source", "alertsources_alertsource"),
        ("alertsources:end_silence", "alertsources_silence"),
        ("alertsources:", "incidents_incident"),
    ):
        if name.startswith(start):
            return _with(name, world[key].pk)
    model = re.match(r"admin:([a-z]+(?:_q)?_[a-z]+)_", name)
    target = world.get(model[1]) if model else None
    return _with(name, target.pk if target else 1)


def enter(client: Client, role: str, world: World) -> None:
    """Be somebody of this role in the browser."""
    if role == TOKEN:
        cookie = team_tokens.cookie_for(TeamToken.objects.get(), "Ann")
        client.cookies[settings.TEAM_COOKIE_NAME] = cookie
    elif role != ANONYMOUS:
        client.force_login(world["people"][role])


def posted_to(name: str, world: World) -> dict[str, Any]:
    """What an address needs to hear before it looks at who asks."""
    team = world["schedules_team"]
    return {
        "notifications:add_method": {"kind": "ntfy"},
        "schedules:new_link": {"kind": "team", "pk": team.pk},
    }.get(name, {})


def _with(name: str, pk: Any) -> str:
    pattern = next(one for known, one in named_routes() if known == name)
    takes = "pk" in str(pattern.pattern) or "<path:object_id>" in str(pattern.pattern)
    address = reverse(name, args=[pk] if takes else [])
    if name == "schedules:cover":
        address += f"?rotation={Rotation.objects.get().pk}"
    if name == "admin:autocomplete":
        address += "?app_label=schedules&model_name=rotation&field_name=team"
    return address


def is_past_the_door(response: Any) -> bool:
    if response.status_code in {401, 403}:
        return False
    to: str = getattr(response, "url", "")
    if response.status_code == 302 and (
        to.startswith(("/login", "/admin/login")) or to == "/admin/"
    ):
        return False
    return bool(response.status_code != 404)


# Whoever has no key or token in hand is refused, admins too: what is open is only the door.
BY_TOKEN = {
    name for name in PAGES
    if name.startswith(("infobip", "twilio"))
    or name in {
        "answer", "answer_all", "choose_password", "notifications:got_it", "schedules:feed",
        "team_enter", "alertsources:in", "alertsources:alerts", "alertsources:alerts-of-kind",
        "alertsources:opsgenie", "alertsources:opsgenie-act",
    }
}  # fmt: skip
# No object of these is in the world.
ABSENT = {
    "incidents:again",
    "admin:view_on_site",
    *(
        f"admin:{model}_{page}"
        for model in ADMIN_MODELS
        for page in ("change", "history", "delete")
        if model.startswith("django_q") or model in {
            "notifications_notification", "notifications_providerstate",
            "notifications_inboundmessage", "notifications_inbox",
        }
    ),
}  # fmt: skip


# They end in a redirect to the login page, or begin there: other tests try them.
APART = {
    "logout", "team_leave", "second_step", "sign_out_everywhere",
    "admin:logout", "admin:login", "admin:password_change", "admin:password_change_done",
}  # fmt: skip


def tried() -> list[str]:
    names = [name for name, _ in named_routes() if rule_of(name) and name not in BY_TOKEN]
    return [name for name in dict.fromkeys(names) if name not in APART]


@pytest.mark.parametrize("role", ROLES)
def test_nobody_gets_past_a_door_that_is_not_theirs(role: str, world: World) -> None:
    """Each address for one role; changes are rolled back so that none decides the next."""
    wrong: list[str] = []
    entered = Client()
    enter(entered, role, world)
    for name in tried():
        allowed, method = rule_of(name) or (NOBODY, GET)
        client = Client(raise_request_exception=True)
        client.cookies = copy.deepcopy(entered.cookies)
        before = transaction.savepoint()
        response = getattr(client, method)(address_of(name, world), posted_to(name, world))
        transaction.savepoint_rollback(before)
        past = is_past_the_door(response)
        if name in ABSENT and role in allowed:
            past = True
        if past != (role in allowed):
            wrong.append(f"{method} {name}: {response.status_code} {getattr(response, 'url', '')}")

    assert not wrong, f"{role}: " + "; ".join(wrong)


@pytest.mark.parametrize("name", sorted(BY_TOKEN))
def test_an_address_with_a_token_takes_no_cookie_in_its_place(name: str, world: World) -> None:
    client = Client()
    client.force_login(world["people"][ADMIN])

    response = getattr(client, PAGES[name][1])(address_of(name, world))

    assert response.status_code in {400, 401, 403, 404, 410, 415}


def test_the_token_of_one_team_opens_nothing_of_another(client: Client, world: World) -> None:
    """Whoever has it and leads the other team is still only a guest on its pages."""
    incident = make_incident(Team.objects.get(name="Web"))
    enter(client, TOKEN, world)
    client.force_login(world["people"][OTHER])

    for name in ("team_incident", "team_note", "team_act"):
        at = [incident.pk, "resolve"] if name == "team_act" else [incident.pk]
        method = PAGES[name][1]
        assert getattr(client, method)(reverse(name, args=at)).status_code == 403


def test_of_another_teams_objects_a_lead_finds_none_in_any_list(
    client: Client, world: World
) -> None:
    other: User = world["people"][OTHER]
    client.force_login(other)

    pages = [
        client.get(reverse(f"admin:{model}_changelist")).content.decode()
        for model in ADMIN_MODELS
        if OTHER in ADMIN_MODELS[model][0]
    ]

    assert not any("Platform" in page for page in pages)
    assert any("Web" in page for page in pages)
