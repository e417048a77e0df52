"""Silences for programs: POST, GET and DELETE /api/v1/silences, by session or by a source's key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone
from django.utils.dateparse import parse_time
from django.views.decorators.csrf import csrf_exempt

from alertsources import silences
from alertsources.matching import BadMatcher
from alertsources.models import AlertSource, Silence
from alertsources.senders import keys_in, sender_of
from alertsources.silences import Refused, Weekly
from schedules import roles
from schedules.models import WEEKDAYS, Team, User
from schedules.moments import read_moment

MOST_LISTED = 200
LONGEST_BODY = 64 * 1024
FIELDS = {
    *("reason", "team", "source", "severities", "severity", "labels", "title"),
    *("starts_at", "ends_at", "minutes", "weekly"),
}


class Answer(Exception):
    """The end of a request that is not granted."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True)
class Caller:
    """Who asks: a person, or a source for the silences of its own team."""

    user: User | None
    source: AlertSource | None

    @property
    def label(self) -> str:
        return str(self.user) if self.user else f"source {self.source.name}" if self.source else ""

    def may_manage(self, team_id: int | None) -> bool:
        if self.source is not None:
            return team_id == self.source.team_id
        return self.user is not None and silences.may_manage(self.user, team_id)

    def seen(self) -> QuerySet[Silence]:
        """What they may look at: silences of their teams, and those of all teams."""
        found = Silence.objects.select_related("team", "source")
        if self.user is not None and roles.is_admin(self.user):
            return found
        teams = roles.teams_seen(self.user).values("pk") if self.user else [self._own_team()]
        return found.filter(Q(team__in=teams) | Q(team=None))

    def _own_team(self) -> int:
        assert self.source is not None  # noqa: S101  one of the two is there
        return self.source.team_id


@csrf_exempt  # checked below for those who come with a cookie; a key needs none
@login_not_required  # the same
def silence_list(request: HttpRequest) -> HttpResponse:
    """GET lists what holds or is planned (?state=over: what is past); POST creates one."""
    return _answered(request, {"GET": _listed, "POST": _created})


@csrf_exempt
@login_not_required
def silence_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """GET shows it, DELETE ends it."""
    return _answered(request, {"GET": _shown, "DELETE": _ended}, pk)


@csrf_exempt
@login_not_required
def silence_end(request: HttpRequest, pk: int) -> HttpResponse:
    return _answered(request, {"POST": _ended}, pk)


def _answered(request: HttpRequest, methods: Mapping[str, Any], *args: Any) -> HttpResponse:
    try:
        act = methods.get(request.method or "")
        if act is None:
            answer = _error(405, f"This address answers {' and '.join(methods)}.")
            answer["Allow"] = ", ".join(methods)
            return answer
        response: HttpResponse = act(request, _caller(request), *args)
        return response
    except Answer as refusal:
        answer = _error(refusal.status, refusal.text)
        if refusal.status == 401:
            answer["WWW-Authenticate"] = 'Basic realm="PagerPal"'
        return answer


def _error(status: int, text: str) -> JsonResponse:
    return JsonResponse({"error": text}, status=status)


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> Any:
        raise Answer(403, f"{reason} Send the cookie's token in the header X-CSRFToken.")


def _nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def _caller(request: HttpRequest) -> Caller:
    if keys := keys_in(request, ""):
        sender = sender_of(keys, now=timezone.now())
        if sender is None or not sender.source.is_active:
            raise Answer(403, "This key belongs to no alert source that is switched on.")
        return Caller(None, sender.source)
    if not isinstance(request.user, User):
        raise Answer(401, "Sign in, or send the key of an alert source in X-API-Key.")
    if request.method != "GET":
        _Csrf(_nothing).process_view(request, _nothing, (), {})
    return Caller(request.user, None)


def _listed(request: HttpRequest, caller: Caller) -> HttpResponse:
    now = timezone.now()
    found = caller.seen()
    past = silences.over(now).values("pk")
    is_over = request.GET.get("state") == "over"
    found = found.filter(pk__in=past) if is_over else found.exclude(pk__in=past)
    return JsonResponse({"silences": [as_json(one, now) for one in found[:MOST_LISTED]]})


def _shown(request: HttpRequest, caller: Caller, pk: int) -> HttpResponse:
    return JsonResponse(as_json(_one(caller, pk), timezone.now()))


def _ended(request: HttpRequest, caller: Caller, pk: int) -> HttpResponse:
    silence = _one(caller, pk)
    if not caller.may_manage(silence.team_id):
        raise Answer(403, "You may not end a silence of this team.")
    now = timezone.now()
    silences.end(silence.pk, caller.label, now=now)
    silence.refresh_from_db()
    return JsonResponse(as_json(silence, now))


def _one(caller: Caller, pk: int) -> Silence:
    silence = caller.seen().filter(pk=pk).first()
    if silence is None:
        raise Answer(404, "There is no such silence.")
    return silence


def _created(request: HttpRequest, caller: Caller) -> HttpResponse:
    asked = _asked(request)
    now = timezone.now()
    team = _team(asked.get("team"), caller)
    if not caller.may_manage(team.pk if team else None):
        raise Answer(403, "You may not silence the alerts of this team." if team else ALL_TEAMS)
    starts_at = _moment(asked, "starts_at") or now
    try:
        silence = silences.create(
            reason=_text(asked, "reason"),
            team=team,
            source=_source(asked.get("source"), team),
            severities=_severities(asked),
            labels=_labels(asked.get("labels") or []),
            title=_text(asked, "title"),
            starts_at=starts_at,
            ends_at=_end(asked, starts_at),
            weekly=_weekly(asked.get("weekly")),
            by=caller.user,
            label=caller.label,
            now=now,
        )
    except (Refused, BadMatcher) as refusal:
        raise Answer(400, str(refusal)) from None
    return JsonResponse(as_json(silence, now), status=201)


ALL_TEAMS = "Name a team: only admins silence the alerts of all."


def _asked(request: HttpRequest) -> dict[str, Any]:
    if int(request.headers.get("Content-Length") or 0) > LONGEST_BODY:
        raise Answer(413, "This is too long for a silence.")
    try:
        asked = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Answer(400, "Send JSON.") from None
    if not isinstance(asked, dict):
        raise Answer(400, "Send a JSON object.")
    if unknown := sorted(set(asked) - FIELDS):
        raise Answer(400, f"There is no field {unknown[0]!r:.60}.")
    return asked


def _text(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name) or ""
    if not isinstance(value, str):
        raise Answer(400, f"{name} is a text.")
    return value


def _team(asked: Any, caller: Caller) -> Team | None:
    """By number or name; a source's own if none is named."""
    if asked in (None, ""):
        return caller.source.team if caller.source else None
    team: Team | None = _by_number_or_name(Team.objects.filter(is_active=True), asked)
    if team is None:
        raise Answer(400, "There is no such team.")
    return team


def _source(asked: Any, team: Team | None) -> AlertSource | None:
    if asked in (None, ""):
        return None
    sources = AlertSource.objects.select_related("team")
    among = sources.filter(team=team) if team else sources
    found: AlertSource | None = _by_number_or_name(among, asked)
    if found is None:
        raise Answer(400, "There is no such source in this team.")
    return found


def _by_number_or_name(rows: QuerySet[Any], asked: Any) -> Any:
    if isinstance(asked, int) and not isinstance(asked, bool):
        return rows.filter(pk=asked).first() if 0 < asked < 1 << 62 else None
    if isinstance(asked, str) and "\0" not in asked:
        return rows.filter(name__iexact=asked).first()
    raise Answer(400, "Teams and sources go by number or name.")


def _severities(asked: Mapping[str, Any]) -> list[str]:
    found = asked.get("severities") or asked.get("severity") or []
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        raise Answer(400, 'severities is a list such as ["warning"].')
    return found


def _labels(asked: Any) -> Any:
    """A list of conditions, or an object of labels that have to be equal."""
    if isinstance(asked, dict):
        return [{"label": name, "is": "=", "value": value} for name, value in asked.items()]
    if not isinstance(asked, list):
        raise Answer(400, 'labels is an object such as {"job": "backup"}.')
    return asked


def _moment(asked: Mapping[str, Any], name: str) -> datetime | None:
    text = _text(asked, name)
    found = read_moment(text) if text else None
    if text and found is None:
        raise Answer(400, f"{name} is a time such as 2026-11-30T09:00:00Z.")
    return found


def _end(asked: Mapping[str, Any], starts_at: datetime) -> datetime | None:
    minutes = asked.get("minutes")
    if minutes is None:
        return _moment(asked, "ends_at")
    if not isinstance(minutes, int) or isinstance(minutes, bool) or not 0 < minutes <= 525_600:
        raise Answer(400, "minutes is a number from 1 to 525600, a year.")
    return starts_at + timedelta(minutes=minutes)


def _weekly(asked: Any) -> Weekly | None:
    if asked is None:
        return None
    if not isinstance(asked, dict) or not isinstance(asked.get("days"), list):
        raise Answer(400, WEEKLY)
    names = [day.lower() for day in WEEKDAYS]
    days = [str(day).lower()[:3] for day in asked["days"]]
    if not days or set(days) - set(names):
        raise Answer(400, WEEKLY)
    return Weekly(
        "".join(sorted({str(names.index(day)) for day in days})),
        _time(asked.get("opens")),
        _time(asked.get("closes")),
        str(asked.get("zone") or "UTC"),
    )


WEEKLY = (
    'weekly is like {"days": ["sat", "sun"], "opens": "22:00", "closes": "06:00", '
    '"zone": "Europe/Berlin"}.'
)


def _time(asked: Any) -> time:
    try:
        found = parse_time(asked) if isinstance(asked, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None:
        raise Answer(400, WEEKLY)
    return found


def as_json(silence: Silence, now: datetime) -> dict[str, Any]:
    weekly = None
    if silence.days and silence.opens and silence.closes:
        weekly = {
            "days": [WEEKDAYS[int(day)].lower() for day in silence.days],
            "opens": f"{silence.opens:%H:%M}",
            "closes": f"{silence.closes:%H:%M}",
            "zone": silence.zone,
        }
    return {
        "id": silence.pk,
        "state": silences.state_of(silence, now),
        "reason": silence.reason,
        "team": silence.team and silence.team.name,
        "source": silence.source and silence.source.name,
        "severities": silence.severities,
        "labels": silence.labels,
        "title": silence.title,
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "weekly": weekly,
        "created_by": silence.created_label,
        "ended_at": silence.ended_at,
        "ended_by": silence.ended_label,
    }
