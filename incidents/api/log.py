"""The log of incidents for programs: its figures, its rows, the same as CSV, and a report."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from incidents import figures as figures_of
from incidents import listing, log_views
from incidents.api.incidents import IncidentOut, brief
from incidents.models import SEVERITY_RANK
from schedules.api.fields import Line, Listing, Page, person
from schedules.api.problems import Problem

router = Router(tags=["log"])


class Period(Listing):
    team: Line = ""
    severity: Line = ""
    source: Line = ""
    starts_on: Line = Field("", description="Left out: 30 days, today the last of them.")
    ends_on: Line = ""


class Source(Schema):
    label: str
    total: int
    by_severity: dict[str, int]


class Figures(Schema):
    starts_on: str
    ends_on: str
    total: int
    noise: int
    by_severity: dict[str, int]
    sources: list[Source]
    acknowledged: int
    median_seconds_to_acknowledge: float | None
    resolved: int
    median_seconds_to_resolve: float | None
    pages: int
    pages_at_night: int
    escalated: int


class LogRow(IncidentOut):
    seconds_to_acknowledge: float | None
    seconds_to_resolve: float | None


@router.get("", response=Page[LogRow], summary="The incidents of a period")
def rows(request: HttpRequest, asked: Query[Period]) -> Any:
    wanted = _wanted(request, asked)
    place = listing.place_of(asked.after)
    if asked.after and place is None:
        raise Problem(422, "after: take it from `next` of the page before.")
    below = place.pk if place else None
    listed = listing.by_number(wanted.found, wanted.asked, below=below, size=asked.limit)
    items = [
        {
            **brief(row["incident"]),
            "seconds_to_acknowledge": _seconds(row["to_acknowledge"]),
            "seconds_to_resolve": _seconds(row["to_resolve"]),
        }
        for row in log_views.rows_of(listed.incidents)
    ]
    return {"items": items, "next": str(listed.following) if listed.following else None}


@router.get("/figures", response=Figures, summary="What a period was like")
def figures(request: HttpRequest, asked: Query[Period]) -> Any:
    wanted = _wanted(request, asked)
    found = figures_of.of(wanted.found)
    ranks = list(SEVERITY_RANK)
    return {
        "starts_on": f"{wanted.asked.first_on}",
        "ends_on": f"{wanted.asked.last_on}",
        "total": found.total,
        "noise": found.noise,
        "by_severity": found.by_severity,
        "sources": [
            {
                "label": one.label,
                "total": one.total,
                "by_severity": dict(zip(ranks, one.by_severity, strict=True)),
            }
            for one in found.sources
        ],
        "acknowledged": found.acknowledged,
        "median_seconds_to_acknowledge": _seconds(found.median_to_acknowledge),
        "resolved": found.resolved,
        "median_seconds_to_resolve": _seconds(found.median_to_resolve),
        "pages": found.pages,
        "pages_at_night": found.pages_at_night,
        "escalated": found.escalated,
    }


@router.get("/csv", summary="The incidents of a period as CSV")
def csv(request: HttpRequest, asked: Query[Period]) -> StreamingHttpResponse:
    return log_views.as_csv(_wanted(request, asked))


def _wanted(request: HttpRequest, asked: Period) -> log_views.Log:
    params = {
        "team": asked.team,
        "severity": asked.severity,
        "source": asked.source,
        "from": asked.starts_on,
        "to": asked.ends_on,
    }
    wanted = log_views.log_of(params, person(request))
    if wanted.asked.notices:
        raise Problem(422, " ".join(wanted.asked.notices))
    return wanted


def _seconds(length: Any) -> float | None:
    return length.total_seconds() if length is not None else None
