"""The incident list: its filters are GET parameters, its rows a live fragment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from incidents import acts, asking, listing, raising, situation
from incidents.asking import Asked
from incidents.listing import Listed
from incidents.models import Incident, IncidentQuerySet, Page, Severity
from schedules import roles
from schedules.models import Team, User

State = Incident.State
SHOWN = {"open": "Open", "mine": "Mine", "resolved": "Resolved", "all": "All"}
# In the session, so that what somebody looks at by day on a desk never narrows the phone's list.
KEPT = "incident_filters"


@never_cache
@require_safe
def incident_list(request: HttpRequest) -> HttpResponse:
    """Filters are GET parameters, so that a view can be bookmarked and sent to somebody."""
    user: User = request.user  # type: ignore[assignment]
    teams = teams_of(user)
    asked = asking.read(request.GET, teams)
    if elsewhere := _remembered(request, asked):
        return elsewhere
    is_poll = request.htmx  # type: ignore[attr-defined]
    if is_poll:
        sketch, _ = _found(request, user, asked, is_sketch=True)
        if request.GET.get("seen") == sketch["seen"]:
            return HttpResponse(status=204)
    context, found = _found(request, user, asked)
    context["count"] = _count(found, context, asked)
    if is_poll:
        return render(request, "incidents/_list.html", context | _rows(context, user))
    page = context | _rows(context, user) | _choices(user, teams, asked, context)
    return render(request, "incidents/list.html", page)


def teams_of(user: User) -> list[Team]:
    """Those that a filter may name."""
    return list(roles.teams_kept(user))


def _remembered(request: HttpRequest, asked: Asked) -> HttpResponse | None:
    """To the bare address of filters just chosen; from none at all to those chosen last."""
    if "keep" in request.GET:
        request.session[KEPT] = asked.as_query(asking.REMEMBERED)
        shown = {"show": request.GET["show"]} if "show" in request.GET else {}
        return HttpResponseRedirect(address(shown | asked.as_query() or {"show": "open"}))
    if not request.GET and (kept := request.session.get(KEPT)):
        return HttpResponseRedirect(address(kept))
    return None


def address(query: dict[str, str]) -> str:
    return f"{reverse('incidents:list')}?{urlencode(query)}"


def _found(
    request: HttpRequest, user: User, asked: Asked, *, is_sketch: bool = False
) -> tuple[dict[str, Any], IncidentQuerySet]:
    """What the live part shows, but for how many are in the tab, and all those.

    A sketch is enough to see whether it has changed.
    """
    visible = Incident.objects.visible_to(user)
    notices = list(asked.notices)
    shown = request.GET.get("show", "open")
    if shown not in SHOWN:
        notices.append("There is no such tab: these are the open ones.")
        shown = "open"
    after = listing.place_of(request.GET.get("after", ""))
    if "after" in request.GET and after is None:
        notices.append("That is no place in this list: it starts at its top.")
    found = in_tab(visible.filter(asked.condition()), shown, user)
    listed = listing.page(
        found,
        asked,
        after,
        has_open=shown != "resolved",
        has_resolved=shown in {"resolved", "all"},
        is_sketch=is_sketch,
    )
    opened = _opened(visible, user)
    context = {
        "section": "incidents",
        "now": timezone.now(),
        "asked": asked,
        "notices": notices,
        "listed": listed,
        "opened": opened,
        "shown": shown,
        "is_first": after is None,
        "is_live": shown in {"open", "mine"} or (shown == "all" and not asked.text),
        "is_narrow": bool(asked.how_many or asked.text),
        "most": listing.MOST_COUNTED,
    }
    return context | {"seen": _digest(context)}, found


def in_tab(visible: IncidentQuerySet, shown: str, user: User) -> IncidentQuerySet:
    if shown == "all":
        return visible
    if shown == "resolved":
        return visible.filter(state=State.RESOLVED)
    if shown == "mine":
        return visible.filter(_mine(user)).open()
    return visible.open()


def _mine(user: User) -> Q:
    """Owned by this person, or paging them now."""
    called = Page.objects.filter(incident=OuterRef("pk"), episode=OuterRef("episode"), user=user)
    return Q(owner=user) | Q(Exists(called), state=State.TRIGGERED)


def _opened(visible: IncidentQuerySet, user: User) -> dict[str, int]:
    """How many are open, of these mine, and unanswered: for the tabs and the browser's."""
    return visible.open().aggregate(
        open=Count("pk"),
        mine=Count("pk", filter=_mine(user)),
        triggered=Count("pk", filter=Q(state=State.TRIGGERED)),
    )


def _count(found: IncidentQuerySet, context: dict[str, Any], asked: Asked) -> int | None:
    """How many there are in all; None where counting would mean to search once more."""
    listed: Listed = context["listed"]
    if not context["is_first"]:
        return None
    if listed.following is None:
        return len(listed.incidents)
    if asked.text or listed.is_unsure:
        return None
    return found.count() if context["shown"] in {"open", "mine"} else listing.count(found)


def rows(incidents: Iterable[Incident], user: User) -> list[dict[str, Any]]:
    """What a list shows of each incident: whom it pages now, and whether this person may act."""
    found = list(incidents)
    paging = situation.paged_last(found)
    observed = acts.observed_teams(user)

    def can_act(incident: Incident) -> bool:
        return incident.team_id not in observed or _is_paging(paging.get(incident.pk), user)

    return [
        {
            "incident": incident,
            "paging": paging.get(incident.pk),
            "can_act": incident.is_open and can_act(incident),
            "can_acknowledge": incident.state == State.TRIGGERED and can_act(incident),
        }
        for incident in found
    ]


def _is_paging(paging: situation.Paging | None, user: User) -> bool:
    return paging is not None and user in paging.people


def _rows(context: dict[str, Any], user: User) -> dict[str, Any]:
    return {
        "rows": rows(context["listed"].incidents, user),
        "last_closed": None if context["opened"]["open"] else last_closed(user),
    }


def _digest(context: dict[str, Any]) -> str:
    """Stands for what a list shows: unchanged digest, nothing to send.

    How many there are in all is costly to count, and changes with what is counted here.
    """
    shown = [(one.pk, one.revision) for one in context["listed"].incidents]
    text = repr((shown, context["listed"].following, context["opened"]))
    return hashlib.blake2s(text.encode(), digest_size=8).hexdigest()


def _choices(
    user: User, teams: list[Team], asked: Asked, context: dict[str, Any]
) -> dict[str, Any]:
    """What the page has beside its live part."""
    opened = context["opened"]
    return {
        "tabs": [(word, label, opened.get(word)) for word, label in SHOWN.items()],
        "teams": teams,
        "severities": Severity.values,
        "sources": sources_of(teams, asked),
        "tests": asking.TESTS.items(),
        "may_raise": raising.teams_for(user).exists(),
    }


def sources_of(teams: list[Team], asked: Asked) -> list[str]:
    """From whom incidents of these teams came, by name, and the one that is asked for."""
    found = Incident.objects.filter(team__in=teams).exclude(source_label="").order_by()
    names = set(found.values_list("source_label", flat=True).distinct())
    return sorted(names | ({asked.source} - {""}), key=str.casefold)


def last_closed(user: User) -> Incident | None:
    closed = Incident.objects.visible_to(user).filter(resolved_at__isnull=False)
    return closed.defer("search_text", "detail").order_by("-resolved_at").first()
