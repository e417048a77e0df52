"""Whatever people can do on a page, programs can do by the API: a new act without a line fails."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client, RequestFactory
from django.urls import reverse

from pagerpal.api import assembly
from pagerpal.tests.test_api_roles import in_document
from pagerpal.tests.test_routes import (
    ADMIN_ACTIONS,
    ADMIN_MODELS,
    ADMIN_PAGES,
    PAGES,
    POST,
    World,
    address_of,
    posted_to,
    world,
)

__all__ = ["world"]

pytestmark = pytest.mark.django_db


class Not(str):
    """Why programs do not do this, or do not need to."""


BROWSER = Not("about the browser itself, or how its person signs in: no token may change that")
LINK = Not("a link in a message, which is a way of its own in")
INTAKE = Not("for monitors and providers, with keys of their own")
GUEST = Not("for guests with the token of a team: people and their programs have the API")
GUIDE = Not("a guide through what other pages do; nothing of its own")

# Each page that takes a POST, and the call that does the same.
DOES: dict[str, str] = {
    **dict.fromkeys(("login", "logout", "forgotten", "choose_password"), BROWSER),
    **dict.fromkeys(("second_step", "second_step_set_up", "second_step_change"), BROWSER),
    "change_password": BROWSER,
    "sign_out_everywhere": "POST account/sign-ins/end",
    "make_token": "POST account/tokens",
    "revoke_token": "DELETE account/tokens/{pk}",
    "invite": "POST users/{pk}/invite",
    "api": Not("the API itself"),
    **dict.fromkeys(("answer", "answer_all", "notifications:got_it"), LINK),
    **dict.fromkeys(("infobip-receipts", "infobip-inbound"), INTAKE),
    **dict.fromkeys(("twilio-status", "twilio-inbound"), INTAKE),
    **dict.fromkeys(("alertsources:alerts", "alertsources:alerts-of-kind"), INTAKE),
    **dict.fromkeys(("alertsources:opsgenie", "alertsources:opsgenie-act"), INTAKE),
    "alertsources:in": INTAKE,
    **dict.fromkeys(("team_enter", "team_leave", "team_note", "team_act"), GUEST),
    **dict.fromkeys(("team_page", "team_incident"), GUEST),
    # It sends to the address of this kind of whoever presses, as the call does to a named one.
    "system_test": "POST me/contact-methods/{pk}/test",
    "team_token": "POST teams/{pk}/token",
    **dict.fromkeys(("set_up_team", "set_up_phone", "set_up_turns"), GUIDE),
    **dict.fromkeys(("set_up_source", "set_up_test", "set_up_hide"), GUIDE),
    "incidents:raise": "POST incidents",
    "incidents:note": "POST incidents/{pk}/notes",
    "incidents:again": "POST incidents/{pk}/deliveries/{message}/again",
    "incidents:acknowledge": "POST incidents/{pk}/acknowledge",
    "incidents:resolve": "POST incidents/{pk}/resolve",
    "incidents:reopen": "POST incidents/{pk}/reopen",
    "incidents:escalate": "POST incidents/{pk}/escalate",
    "incidents:unacknowledge": "POST incidents/{pk}/unacknowledge",
    "incidents:snooze": "POST incidents/{pk}/snooze",
    "incidents:reassign": "POST incidents/{pk}/reassign",
    "incidents:page": "POST incidents/{pk}/page",
    "incidents:severity": "POST incidents/{pk}/severity",
    "incidents:merge": "POST incidents/{pk}/merge",
    "incidents:split": "POST incidents/{pk}/split",
    "incidents:noise": "POST incidents/{pk}/noise",
    "incidents:together": "POST incidents/acts",
    "alertsources:silence_incident": "POST incidents/{pk}/silence",
    "alertsources:end_silence": "POST silences/{pk}/end",
    "alertsources:source_new": "POST alert-sources",
    "alertsources:source_edit": "PATCH alert-sources/{pk}",
    "alertsources:source_key": "POST alert-sources/{pk}/key",
    "alertsources:source_switch": "POST alert-sources/{pk}/switch",
    "alertsources:source_test": "POST alert-sources/{pk}/test",
    "notifications:me": "PATCH me",
    "notifications:add_method": "POST me/contact-methods",
    "notifications:method": "PATCH me/contact-methods/{pk}",
    "notifications:add_rule": "POST me/rules",
    "notifications:rule": "PATCH me/rules/{pk}",
    "notifications:remove_rule": "DELETE me/rules/{pk}",
    "notifications:page_now": "POST me/test-page",
    "notifications:stop": "POST me/test-page/stop",
    "schedules:cover": "POST overrides",
    "schedules:cover_change": "PATCH overrides/{pk}",
    "schedules:new_link": "POST calendar-feeds",
}

# Words of `source_test` and `method`, each a button of its own.
ALSO = {
    "await, stop": "POST alert-sources/{pk}/await-test",
    "send-code": "POST me/contact-methods/{pk}/send-code",
    "code": "POST me/contact-methods/{pk}/code",
    "test": "POST me/contact-methods/{pk}/test",
    "remove": "DELETE me/contact-methods/{pk}",
    "remove a cover": "DELETE overrides/{pk}",
    "team token off": "DELETE teams/{pk}/token",
    "second step off": "POST users/{pk}/second-step-off",
}

QUEUE = Not("the queue's own tables: its work is kicked anew by the sweep")
# What the admin adds, changes and deletes, by the page and for what is ticked in a list.
ADMIN_DOES: dict[str, str] = {
    "schedules_user add": "POST users",
    "schedules_user change": "PATCH users/{pk}",
    "schedules_user switch_off": "PATCH users/{pk}",
    "schedules_user send_test_page": "POST users/{user}/test-page",
    "schedules_team add": "POST teams",
    "schedules_team change": "PATCH teams/{pk}",
    "schedules_rotation add": "POST rotations",
    "schedules_rotation change": "PATCH rotations/{pk}",
    "schedules_override add": "POST overrides",
    "schedules_override change": "PATCH overrides/{pk}",
    "schedules_override delete": "DELETE overrides/{pk}",
    "schedules_override delete_selected": "DELETE overrides/{pk}",
    "incidents_escalationpolicy add": "POST escalation-policies",
    "incidents_escalationpolicy change": "PATCH escalation-policies/{pk}",
    "incidents_escalationpolicy delete": "DELETE escalation-policies/{pk}",
    "incidents_escalationpolicy delete_selected": "DELETE escalation-policies/{pk}",
    "notifications_teamchannel add": "POST team-channels",
    "notifications_teamchannel change": "PATCH team-channels/{pk}",
    "notifications_teamchannel send_test": "POST team-channels/{pk}/test",
    "notifications_teamchannel send_again": "POST team-channels/{pk}/send-again",
    "notifications_notification send_again": "POST notifications/{pk}/retry",
    "alertsources_alertsource add": "POST alert-sources",
    "alertsources_alertsource change": "PUT alert-sources/{pk}/rules",
    "alertsources_alertsource new_key": "POST alert-sources/{pk}/key",
    "alertsources_alertsource forget_topic": "POST alert-sources/{pk}/forget-topic",
    "alertsources_silence add": "POST silences",
    "alertsources_silence change": "PATCH silences/{pk}",
    "alertsources_silence end_now": "POST silences/{pk}/end",
    "alertsources_receivedpayload reprocess_selected": (
        "POST alert-sources/{pk}/messages/{message}/reprocess"
    ),
    "pagerpal_apitoken delete": "DELETE users/{pk}/tokens/{token}",
    "pagerpal_apitoken delete_selected": "DELETE users/{pk}/tokens/{token}",
    **{
        f"incidents_incident {word}": f"POST incidents/{{pk}}/{word}"
        for word in ADMIN_ACTIONS["incidents_incident"]
    },
    **{
        f"django_q_{model} {act}": QUEUE
        for model in ("schedule", "success", "failure", "ormq")
        for act in ("add", "change", "delete", "delete_selected", "resubmit_task")
    },
    # Pages beside the models.
    "logout": BROWSER,
    "password_change": BROWSER,
    "auth_user_password_change": BROWSER,
    "login": BROWSER,
    "incidents_incident_act": "POST incidents/acts",
    "alertsources_alertsource_test": "POST alert-sources/{pk}/test",
    "alertsources_alertsource_key": "POST alert-sources/{pk}/key",
    "alertsources_alertsource_mapping": "PUT alert-sources/{pk}/mapping",
    "alertsources_receivedpayload_reprocess": (
        "POST alert-sources/{pk}/messages/{message}/reprocess"
    ),
}


def takes_a_post(client: Client, name: str, world: World) -> bool:
    before = transaction.savepoint()
    try:
        answer = client.post(address_of(name, world), posted_to(name, world))
    finally:
        transaction.savepoint_rollback(before)
    return answer.status_code != 405


def test_each_page_that_takes_a_post_has_its_call(world: World) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(world["people"]["admin"])

    posted = {
        name
        for name, (_, method) in PAGES.items()
        if method == POST or takes_a_post(client, name, world)
    }

    assert posted == set(DOES)


def admin_acts() -> set[str]:
    request = RequestFactory().get("/")
    request.user = world_admin()
    found = {f"{model} {act}" for model, acts in ADMIN_ACTIONS.items() for act in acts}
    for model, page in admin.site._registry.items():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        for act in ("add", "change", "delete"):
            allows = getattr(page, f"has_{act}_permission")
            if name in ADMIN_MODELS and allows(request):
                found.add(f"{name} {act}")
    return found | {name for name, (who, method) in ADMIN_PAGES.items() if method == POST}


def world_admin() -> Any:
    from schedules.models import User

    return User.objects.get(is_superuser=True)


def test_each_act_of_the_admin_has_its_call(world: World) -> None:
    missing = admin_acts() - set(ADMIN_DOES)

    assert not missing, "say which call does the same"


def test_no_line_names_a_call_that_is_not_there(world: World) -> None:
    named = {
        call
        for table in (DOES, ADMIN_DOES, ALSO)
        for call in table.values()
        if not isinstance(call, Not)
    }

    assert named <= in_document()


# What a page's form calls a field, where the API calls it something else; None: not for programs.
NAMES: dict[str, dict[str, str | None]] = {
    "schedules_team": {"acknowledge_timeout": "acknowledge_minutes"},
    "schedules_user": {"is_superuser": "is_admin", "password": None, "new_password": None},
    "schedules_rotation": {"turns": "every"},
    "incidents_escalationpolicy": {"repeat_after": "repeat_minutes"},
    "notifications_teamchannel": {},
    "alertsources_silence": {"team": None, "source": None},  # PATCH: those stay
    "alertsources_alertsource": {
        "is_active": None,  # by the switch
        "wait_for": "wait_minutes",
        "auto_resolve_after": "auto_resolve_after_minutes",
        "warn_if_silent_for": "warn_if_silent_for_minutes",
        "flapping_within": "flapping_within_minutes",
        "flapping_quiet_for": "flapping_quiet_for_minutes",
        "forget_secret": "forget_signing_secret",
    },
}
BODIES = {
    "schedules_team": "TeamNew",
    "schedules_user": "PersonChange",
    "schedules_rotation": "RotationNew",
    "incidents_escalationpolicy": "PolicyNew",
    "notifications_teamchannel": "ChannelNew",
    "alertsources_silence": "SilenceChange",
    "alertsources_alertsource": "SourceNew",
}


@pytest.mark.parametrize("model", BODIES)
def test_each_field_of_the_admins_page_can_be_set_by_a_call(model: str, world: World) -> None:
    request = RequestFactory().get(reverse(f"admin:{model}_changelist"))
    request.user = world_admin()
    page = next(
        page
        for found, page in admin.site._registry.items()
        if f"{found._meta.app_label}_{found._meta.model_name}" == model
    )
    body = assembly.document()["components"]["schemas"][BODIES[model]]["properties"]

    fields = set(page.get_form(request, world[model], change=True).base_fields)

    named = {NAMES[model].get(name, name) for name in fields} - {None}
    assert named <= set(body)
