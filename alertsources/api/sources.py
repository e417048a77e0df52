"""Alert sources, for programs: their keys, set-up texts, messages, mapping and routing rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import strip_tags
from ninja import Query, Router, Schema
from pydantic import Field

from alertsources import (
    awaiting,
    keys,
    mapping,
    mapping_admin,
    mapping_preview,
    routing,
    setting_up,
    switching,
    trying,
)
from alertsources.matching import as_lines
from alertsources.models import AlertSource, ReceivedPayload, RoutingRule
from alertsources.reprocessing import reprocess
from alertsources.secret_forms import FORGET
from alertsources.showing import readable_body
from alertsources.source_pages import form as source_form
from alertsources.source_pages import overview, sight
from alertsources.sources.anyjson import AnyJson
from schedules.api import set_up
from schedules.api.fields import (
    Body,
    Clock,
    Id,
    Line,
    Listing,
    Minutes,
    Named,
    Page,
    Said,
    Words,
    clock,
    named,
    one,
    page,
    part,
    person,
    wrong,
)
from schedules.api.problems import HOLDS_SECRET, Problem
from schedules.api.rotations import DAYS, Day
from schedules.api.set_up import fill
from schedules.api.teams import UNSET

router = Router(tags=["alert sources"])
Severity = Literal["critical", "high", "warning", "info"]
LENGTHS = {
    "wait_minutes": "wait_for",
    "auto_resolve_after_minutes": "auto_resolve_after",
    "warn_if_silent_for_minutes": "warn_if_silent_for",
    "flapping_within_minutes": "flapping_within",
    "flapping_quiet_for_minutes": "flapping_quiet_for",
}
PLAIN = (
    *("name", "kind", "default_severity", "is_active", "group_by", "group_labels"),
    *("flapping_times", "limit_per_minute", "keep_days"),
)


class SourceOut(Schema):
    id: int
    team: Named
    name: str
    kind: str
    policy: Named | None
    test_person: Named | None
    default_severity: str
    is_active: bool
    group_by: str
    group_labels: list[str]
    flapping_times: int | None
    limit_per_minute: int | None
    keep_days: int | None
    wait_minutes: float | None
    auto_resolve_after_minutes: float | None
    warn_if_silent_for_minutes: float | None
    flapping_within_minutes: float | None
    flapping_quiet_for_minutes: float | None
    masked_key: str
    old_key_until: datetime | None
    address: str
    is_signed: bool
    topic_arn: str
    settings: dict[str, Any]


class Standing(SourceOut):
    standing: str
    last_at: datetime | None
    today: int


class WithKey(SourceOut):
    """`key` is shown in this answer and never again."""

    key: str
    address_with_key: str


class SourceChange(Body):
    team: Id = UNSET
    name: Line = UNSET
    kind: Line = UNSET
    policy: Id | None = None
    default_severity: Severity = UNSET
    group_by: Line = UNSET
    group_labels: Annotated[list[Line], Field(max_length=50)] = UNSET
    wait_minutes: Minutes | None = None
    auto_resolve_after_minutes: Minutes | None = None
    warn_if_silent_for_minutes: Minutes | None = None
    flapping_times: int | None = None
    flapping_within_minutes: Minutes | None = None
    flapping_quiet_for_minutes: Minutes | None = None
    limit_per_minute: int | None = None
    test_person: Id | None = None
    keep_days: int | None = None
    signing_secret: Words = Field(UNSET, description="Of the sender; empty: as it is.")
    forget_signing_secret: bool = UNSET
    insufficient_data: Line = UNSET
    sns_signature: Line = UNSET
    recovery_words: Annotated[list[Line], Field(max_length=100)] = UNSET


class SourceNew(SourceChange):
    team: Id
    name: Line
    kind: Line = Field("generic", description="Left out: generic.")


class Switch(Body):
    is_on: bool


class NewKey(Body):
    seen: Annotated[str, Field(max_length=4)] | None = Field(
        None, description="The last four characters of the key that is to be replaced."
    )
    at_once: bool = Field(False, description="The old key ends now and not in 24 hours.")


class Trial(Body):
    runs_policy: bool = Field(False, description="Left out: it pages you only.")


class TakenIn(Said):
    incidents: list[int]


class SetUpPart(Schema):
    text: str
    is_snippet: bool


class SetUp(Schema):
    parts: list[SetUpPart]
    shell_line: str


class ReceivedOut(Schema):
    id: int
    received_at: datetime
    content_type: str
    result: str
    note: str
    incident: int | None
    is_test: bool
    reprocessed_from: int | None


class ReceivedWhole(ReceivedOut):
    body: str
    rules: list[str] = Field(description="What the routing rules make of it now.")


class Reading(Body):
    """JMESPath expressions by what they find, and words of the state."""

    title: Words = ""
    key: Words = ""
    group: Words = ""
    state: Words = ""
    severity: Words = ""
    detail: Words = ""
    links: Words = ""
    labels: Words = ""
    resolved_words: Annotated[list[Line], Field(max_length=50)] = []
    ignored_words: Annotated[list[Line], Field(max_length=50)] = []


class Trying(Body):
    mapping: Reading
    message: Id | None = Field(None, description="One that came; left out: the last one.")


class ReadRow(Schema):
    label: str
    text: str
    origin: str
    trouble: str


class MappingPreview(Schema):
    body: str
    alerts: list[list[ReadRow]]
    shape: str
    trouble: str
    more: int


class RoutingRuleOut(Schema):
    id: int
    is_active: bool
    labels: list[str]
    title: str
    severities: list[str]
    days: list[str]
    opens: str | None
    closes: str | None
    then: str
    team: Named | None
    policy: Named | None
    severity: str
    wait_minutes: float | None
    in_words: str


class RoutingRules(Schema):
    items: list[RoutingRuleOut]


class RoutingRuleIn(Body):
    id: Id | None = None
    is_active: bool = UNSET
    labels: Annotated[list[Line], Field(max_length=50)] = Field(
        UNSET, description="Conditions such as `job=backup`, `host=~web-.*`."
    )
    title: Line = UNSET
    severities: Annotated[list[Severity], Field(max_length=4)] = UNSET
    days: Annotated[list[Day], Field(max_length=7)] = UNSET
    opens: Clock | None = None
    closes: Clock | None = None
    then: Line = UNSET
    team: Id | None = None
    policy: Id | None = None
    severity: Literal["", "critical", "high", "warning", "info"] = UNSET
    wait_minutes: Minutes | None = None


class RoutingRulesIn(Body):
    items: Annotated[list[RoutingRuleIn], Field(max_length=100)]


@router.get("", response=Page[Standing], summary="List alert sources")
def list_sources(request: HttpRequest, asked: Query[Listing], team: Id | None = None) -> Any:
    found = sight.sources_of(person(request))
    found = found.select_related("team", "policy", "test_person")
    rows, following = part(found.filter(team=team) if team else found, asked)
    listed = AlertSource.objects.filter(pk__in=[row.pk for row in rows])
    facts = {row.source.pk: row for row in overview.rows(listed, now=timezone.now())}
    items = [{**shown(row), **_standing(facts[row.pk])} for row in rows]
    return {"items": items, "next": following}


@router.post("", response={201: WithKey}, summary="Make an alert source")
def make_source(request: HttpRequest, body: SourceNew, response: HttpResponse) -> Any:
    user = person(request)
    if not sight.teams_led(user).exists():
        raise PermissionDenied("Leads of a team and admins make its alert sources.")
    form = source_form.SourceForm({}, user=user)
    fill(form, _fields(body))
    _check(form)
    key = source_form.create(form)
    if not key:
        _check(form)
    _log(request, form.instance, "Made by the API.", ADDITION)
    response[HOLDS_SECRET] = "1"
    return _with_key(form.instance, key)


@router.get("/{int:pk}", response=Standing, summary="Show an alert source")
def show_source(request: HttpRequest, pk: Id) -> Any:
    source = sight.visible(request, pk)
    [row] = overview.rows(AlertSource.objects.filter(pk=pk), now=timezone.now())
    return {**shown(source), **_standing(row)}


@router.patch("/{int:pk}", response=SourceOut, summary="Change an alert source")
def change_source(request: HttpRequest, pk: Id, body: SourceChange) -> Any:
    user, source = person(request), sight.changeable(request, pk)
    form = source_form.SourceForm({}, instance=source, user=user)
    fill(form, _fields(body))
    _check(form)
    if not source_form.change(form):
        _check(form)
    names = ", ".join(str(form[name].label).lower() for name in form.changed_data)
    _log(request, form.instance, f"Changed by the API: {names or 'nothing'}.")
    return shown(AlertSource.objects.select_related("team", "policy", "test_person").get(pk=pk))


@router.post("/{int:pk}/key", response={201: WithKey}, summary="Give it a new key")
def new_key(request: HttpRequest, pk: Id, body: NewKey, response: HttpResponse) -> Any:
    """Regenerate; the old one works for another 24 hours, unless it is to end at once."""
    source = sight.changeable(request, pk)
    seen = source.key_hint if body.seen is None else body.seen
    key = keys.change_key(source, seen=seen, now=timezone.now(), at_once=body.at_once)
    if key is None:
        raise Problem(409, "The key was changed a moment ago: nothing was done.")
    _log(request, source, "New key.")
    response[HOLDS_SECRET] = "1"
    return _with_key(source, key)


@router.post("/{int:pk}/switch", response=Said, summary="Switch it on or off")
def switch(request: HttpRequest, pk: Id, body: Switch) -> Any:
    source = sight.changeable(request, pk)
    changed = switching.switch_on(source) if body.is_on else switching.switch_off(source)
    word = "on" if body.is_on else "off"
    if changed:
        _log(request, source, f"Switched {word}.")
    return {"changed": bool(changed), "text": f"{source.name} is switched {word}."}


@router.post("/{int:pk}/test", response=TakenIn, summary="Send a test alert")
def try_source(request: HttpRequest, pk: Id, body: Trial) -> Any:
    source = sight.changeable(request, pk)
    now = timezone.now()
    taken = trying.try_out(source, person(request), runs_policy=body.runs_policy, now=now)
    text = strip_tags(trying.in_words(taken, runs_policy=body.runs_policy))
    return {"changed": bool(taken.incidents), "text": text, "incidents": list(taken.incidents)}


@router.post("/{int:pk}/await-test", response=Said, summary="Take what comes next as a test")
def await_test(request: HttpRequest, pk: Id, body: Switch) -> Any:
    """For a test of the sender's own that looks like an alert: it pages you only."""
    source = sight.changeable(request, pk)
    text = awaiting.switch(source, person(request), is_on=body.is_on, now=timezone.now())
    return {"changed": True, "text": strip_tags(text)}


@router.post("/{int:pk}/forget-topic", response=Said, summary="Take another SNS topic next")
def forget_topic(request: HttpRequest, pk: Id) -> Any:
    source = sight.changeable(request, pk)
    changed = AlertSource.objects.filter(pk=source.pk).exclude(topic_arn="").update(topic_arn="")
    return {"changed": bool(changed), "text": "It takes the topic that is confirmed next."}


@router.get("/{int:pk}/set-up", response=SetUp, summary="How its sender is set up")
def set_up_text(request: HttpRequest, pk: Id) -> Any:
    """The key is masked: it was shown once, when it was made."""
    source = sight.visible(request, pk)
    parts = setting_up.set_up_of(source)
    return {
        "parts": [{"text": one.text, "is_snippet": one.is_snippet} for one in parts],
        "shell_line": setting_up.shell_line(source),
    }


@router.get("/{int:pk}/messages", response=Page[ReceivedOut], summary="What it sent, newest first")
def list_messages(request: HttpRequest, pk: Id, asked: Query[Listing]) -> Any:
    found = sight.visible(request, pk).payloads.defer("body")
    return page(found, asked, lambda row: _message(row, request), newest=True)


@router.get("/{int:pk}/messages/{int:message}", response=ReceivedWhole, summary="Show a message")
def show_message(request: HttpRequest, pk: Id, message: Id) -> Any:
    payload = one(sight.visible(request, pk).payloads.all(), message, "message")
    explained = routing.explain(payload, now=timezone.now())
    return {
        **_message(payload, request),
        "body": readable_body(payload),
        "rules": [f"{line.title}: {line.text}" for line in explained],
    }


@router.post(
    "/{int:pk}/messages/{int:message}/reprocess", response=TakenIn, summary="Take it in again"
)
def take_again(request: HttpRequest, pk: Id, message: Id) -> Any:
    """It may open, join and resolve incidents, and page, as the sender's own message would."""
    source = sight.changeable(request, pk)
    payload = one(source.payloads.select_related("source__team"), message, "message")
    taken = reprocess(payload, person(request), timezone.now())
    return {"changed": True, "text": taken.note, "incidents": list(taken.incidents)}


# --- How its messages are read, and where they go ------------------------------------------------


@router.get("/{int:pk}/mapping", response=Reading, summary="How its messages are read")
def show_mapping(request: HttpRequest, pk: Id) -> Any:
    return _mapping(_any_json(request, pk))


@router.put("/{int:pk}/mapping", response=Reading, summary="Change how its messages are read")
def change_mapping(request: HttpRequest, pk: Id, body: Reading) -> Any:
    source = _any_json(request, pk)
    stored = _checked(body)
    mapping_admin.store(source, stored)
    _log(request, source, "Changed how its messages are read.")
    return _mapping(AlertSource.objects.get(pk=pk))


@router.post(
    "/{int:pk}/mapping/preview", response=MappingPreview, summary="What a mapping would read"
)
def preview_mapping(request: HttpRequest, pk: Id, body: Trying) -> Any:
    """Of a message that came; nothing is stored, nobody is paged."""
    source = _any_json(request, pk)
    stored = _checked(body.mapping)
    newest = source.payloads.order_by("-pk")
    payload = one(newest, body.message, "message") if body.message else newest.first()
    if payload is None:
        raise Problem(409, "Nothing has come yet: there is no message to try it with.")
    seen = mapping_preview.preview(source, bytes(payload.body), stored)
    rows = [[vars(row) for row in table] for table in seen.tables]
    return {
        "body": seen.body,
        "alerts": rows,
        "shape": seen.shape,
        "trouble": seen.trouble,
        "more": seen.more,
    }


@router.get("/{int:pk}/rules", response=RoutingRules, summary="Its routing rules, in their order")
def list_rules(request: HttpRequest, pk: Id) -> Any:
    return _rules(sight.visible(request, pk))


@router.put("/{int:pk}/rules", response=RoutingRules, summary="Set its routing rules")
def change_rules(request: HttpRequest, pk: Id, body: RoutingRulesIn) -> Any:
    """All of them in their order; one whose `id` is not named goes."""
    source = sight.changeable(request, pk)
    rows = [_rule_fields(place, rule) for place, rule in enumerate(body.items)]
    set_up.save(request, AlertSource, pk, {}, rows={RoutingRule: rows})
    return _rules(source)


def _any_json(request: HttpRequest, pk: int) -> AlertSource:
    source = sight.changeable(request, pk)
    if source.kind != AnyJson.slug:
        raise Problem(409, "Only sources of the kind any-json have a mapping.")
    return source


def _mapping(source: AlertSource) -> dict[str, Any]:
    stored = source.settings.get("mapping") or {}
    texts = {name: str(stored.get(name, "")) for name in mapping.FIELDS}
    return texts | {name: list(stored.get(name, [])) for name in mapping.WORDS}


def _checked(body: Reading) -> dict[str, Any]:
    texts = {name: getattr(body, name) for name in mapping.FIELDS}
    texts |= {name: ", ".join(getattr(body, name)) for name in mapping.WORDS}
    stored, troubles = mapping.checked(texts)
    if troubles:
        raise wrong(troubles.items())
    return stored


def _rule_fields(place: int, rule: RoutingRuleIn) -> Mapping[str, Any]:
    given = {**rule.given(), "position": place}
    if "labels" in given:
        given["labels"] = "\n".join(given["labels"])
    if "days" in given:
        given["days"] = sorted({str(DAYS.index(day)) for day in given["days"]})
    if "wait_minutes" in given:
        given["wait_for"] = _length(given.pop("wait_minutes"))
    return given


def _rules(source: AlertSource) -> dict[str, Any]:
    found = source.rules.select_related("team", "policy").order_by("position", "pk")
    return {
        "items": [
            {
                "id": rule.pk,
                "is_active": rule.is_active,
                "labels": as_lines(rule.labels).splitlines(),
                "title": rule.title,
                "severities": rule.severities,
                "days": [DAYS[int(day)] for day in rule.days],
                "opens": clock(rule.opens),
                "closes": clock(rule.closes),
                "then": rule.then,
                "team": named(rule.team),
                "policy": named(rule.policy),
                "severity": rule.severity,
                "wait_minutes": _minutes(rule.wait_for),
                "in_words": routing.in_words(rule),
            }
            for rule in found
        ]
    }


def _fields(body: SourceChange) -> dict[str, Any]:
    given = body.given()
    for name, field in LENGTHS.items():
        if name in given:
            given[field] = _length(given.pop(name))
    if "group_labels" in given:
        given["group_labels"] = ", ".join(given["group_labels"])
    if "recovery_words" in given:
        given["recovery_words"] = "\n".join(given["recovery_words"])
    if "forget_signing_secret" in given:
        given[FORGET] = given.pop("forget_signing_secret")
    return given


def _length(minutes: float | None) -> timedelta | None:
    return None if minutes is None else timedelta(minutes=minutes)


def _minutes(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds() / 60


def _check(form: Any) -> None:
    if not form.is_valid():
        names = {field: name for name, field in LENGTHS.items()}
        raise wrong((names.get(name, name), str(text[0])) for name, text in form.errors.items())


def _log(request: HttpRequest, source: AlertSource, text: str, flag: int = CHANGE) -> None:
    LogEntry.objects.log_actions(person(request).pk, [source], flag, text, single_object=True)


def shown(source: AlertSource) -> dict[str, Any]:
    return {
        "id": source.pk,
        "team": named(source.team),
        "policy": named(source.policy),
        "test_person": named(source.test_person),
        **{name: getattr(source, name) for name in PLAIN},
        **{name: _minutes(getattr(source, field)) for name, field in LENGTHS.items()},
        "masked_key": source.masked_api_key,
        "old_key_until": source.old_key_until,
        "address": setting_up.address_for(source),
        "is_signed": bool(source.signing_secret),
        "topic_arn": source.topic_arn,
        "settings": {name: kept for name, kept in source.settings.items() if name != "mapping"},
    }


def _with_key(source: AlertSource, key: str) -> dict[str, Any]:
    return {**shown(source), "key": key, "address_with_key": setting_up.address_with_key(key)}


def _standing(row: overview.Row) -> dict[str, Any]:
    return {"standing": row.standing[1], "last_at": row.last_at, "today": row.today}


def _message(payload: ReceivedPayload, request: HttpRequest) -> dict[str, Any]:
    """Its incident only where the person may open it: a rule may have paged another team."""
    pk = payload.incident_id
    seen = sight.visible_incidents(person(request), {pk}) if pk else {}
    return {
        "id": payload.pk,
        "received_at": payload.received_at,
        "content_type": payload.content_type,
        "result": payload.result,
        "note": payload.note,
        "incident": pk if pk in seen else None,
        "is_test": payload.is_test,
        "reprocessed_from": payload.reprocessed_from_id,
    }
