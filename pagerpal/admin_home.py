"""What the admin's first page shows above the models, and in which sections those stand."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from incidents.models import Incident
from notifications.models import ContactMethod, TeamChannel
from pagerpal import attention, health
from pagerpal.on_duty import on_duty
from schedules import sight
from schedules.models import User

MOST_INCIDENTS, MOST_DUTIES, MOST_NAMED = 8, 12, 8

SECTIONS = {
    "Incidents": ("incidents.incident", "incidents.escalationpolicy"),
    "Schedules": ("schedules.rotation", "schedules.override"),
    "Alert sources": (
        *("alertsources.alertsource", "alertsources.silence"),
        *("alertsources.alert", "alertsources.receivedpayload"),
    ),
    "People": (
        *("schedules.user", "schedules.team", "notifications.teamchannel"),
        "pagerpal.apitoken",
    ),
    # And whatever else there is.
    "System": ("schedules.settingchange", "notifications.notification"),
}
REST = "System"


def in_sections(apps: list[dict[str, Any]], address: str) -> list[dict[str, Any]]:
    """The models that the person may open, by what they are for instead of by their app."""
    found = {one["model"]._meta.label_lower: one for app in apps for one in app["models"]}
    named = {label: name for name, labels in SECTIONS.items() for label in labels}
    held: dict[str, list[dict[str, Any]]] = {name: [] for name in SECTIONS}
    for label in [*named, *(one for one in found if one not in named)]:
        if label in found:
            held[named.get(label, REST)].append(found[label])
    return [
        {
            "name": name,
            "app_label": name.lower().replace(" ", "-"),
            "app_url": address,
            "has_module_perms": True,
            "models": models,
        }
        for name, models in held.items()
        if models
    ]


def blocks(user: User, now: datetime) -> dict[str, Any]:
    """Who is on call, what is open, and what somebody has to look after."""
    opened = Incident.objects.visible_to(user).open().urgent_first()
    slim = opened.select_related("team", "owner").defer("detail", "search_text", "labels", "links")
    shown = list(slim[: MOST_INCIDENTS + 1])
    duties = on_duty(user, now)
    return {
        "now": now,
        "duties": duties[:MOST_DUTIES],
        "more_duties": max(0, len(duties) - MOST_DUTIES),
        "opened": shown[:MOST_INCIDENTS],
        "has_more_open": len(shown) > MOST_INCIDENTS,
        "attention": attention.of(user, now),
        "troubles": health.verdict(now).troubles,
        **_addresses(user),
    }


def _addresses(user: User) -> dict[str, Any]:
    """Rooms that PagerPal has switched off; for admins also addresses that nobody has proven."""
    teams = sight.teams_of(user)
    rooms = TeamChannel.objects.filter(team__in=teams, is_on=False).exclude(off_reason="")
    found: dict[str, Any] = {"rooms": list(rooms.select_related("team")[:MOST_NAMED])}
    if user.is_superuser:
        unproven = ContactMethod.objects.kept().filter(
            is_on=True, verified_at=None, user__is_active=True
        )
        people = User.objects.filter(pk__in=unproven.values("user"))
        found |= {"unverified": list(people[:MOST_NAMED]), "unverified_count": people.count()}
    return found
