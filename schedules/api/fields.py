"""What the calls of all floors are made of: types of fields, bodies, and pages of lists."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, time
from typing import Annotated, Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from ninja import Schema
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field

from schedules.api.problems import Problem
from schedules.models import User
from schedules.moments import read_moment

Item = TypeVar("Item")
Row = TypeVar("Row", bound=Model)

LARGEST = (1 << 63) - 1
MOST = 200

Id = Annotated[int, Field(ge=1, le=LARGEST)]
Ids = Annotated[list[Id], Field(max_length=MOST)]
# Minutes, as people say lengths of time; a fraction is allowed.
Minutes = Annotated[float, Field(ge=0, le=366 * 24 * 60, allow_inf_nan=False)]


def _moment(value: Any) -> Any:
    """A time with or without an offset, which is that of the person who asks; from 2000 to 2100."""
    if not isinstance(value, str):
        raise ValueError("expected a time from 2000 to 2100, such as 2026-11-30T09:00Z")
    found = read_moment(value)
    if found is None:
        raise ValueError("expected a time from 2000 to 2100, such as 2026-11-30T09:00Z")
    return found


def _without_zone(at: time) -> time:
    if at.tzinfo is not None:
        raise ValueError("expected a time by the clock, such as 09:00, without a zone")
    return at.replace(second=0, microsecond=0)


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
Clock = Annotated[time, AfterValidator(_without_zone)]
# One line, and as much as anybody writes.
Line = Annotated[str, Field(max_length=1000)]
Words = Annotated[str, Field(max_length=20_000)]


def _without_defaults(schema: dict[str, Any]) -> None:
    """What is left out stays as it is, or is what a new one has: neither is null."""
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class Body(Schema):
    """What is sent: a field that is not known is a mistake, which shall not pass unnoticed."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_without_defaults)

    def given(self) -> dict[str, Any]:
        """Only what was sent: what is left out stays as it is."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Nothing(Body):
    """No fields."""


class Listing(Schema):
    """Which part of a list."""

    limit: int = Field(50, ge=1, le=MOST, description="How many at most.")
    after: str = Field("", max_length=100, description="`next` of the page before.")


class Page(Schema, Generic[Item]):
    """A part of a list; `next` is null on the last page."""

    items: list[Item]
    next: str | None


class Named(Schema):
    id: int
    name: str


class Said(Schema):
    """What an act did; `changed` is false where there was no need."""

    changed: bool
    text: str


def page(
    found: QuerySet[Row], asked: Listing, show: Callable[[Row], Any], *, newest: bool = False
) -> dict[str, Any]:
    """By number, from the place asked for on."""
    rows, following = part(found, asked, newest=newest)
    return {"items": [show(row) for row in rows], "next": following}


def part(
    found: QuerySet[Row], asked: Listing, *, newest: bool = False
) -> tuple[list[Row], str | None]:
    after = number_of(asked.after)
    if after is not None:
        found = found.filter(**{"pk__lt" if newest else "pk__gt": after})
    rows = list(found.order_by("-pk" if newest else "pk")[: asked.limit + 1])
    return rows[: asked.limit], str(rows[asked.limit - 1].pk) if len(rows) > asked.limit else None


def number_of(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Problem(422, "after: take it from `next` of the page before.")
    return int(text)


def person(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise Problem(401, "Sign in, or send a token.")
    return request.user


def one(found: QuerySet[Row], pk: int, what: str) -> Row:
    """The row of this number, or 404: whoever may not see it learns no more than that."""
    row = found.filter(pk=pk).first()
    if row is None:
        raise Problem(404, f"There is no {what} {pk}, or it is not yours to see.")
    return row


def wrong(fields: Iterable[tuple[str, str]]) -> Problem:
    """422 with a sentence for each field."""
    errors = [
        {"field": "" if name == "__all__" else name, "message": text} for name, text in fields
    ]
    first = errors[0] if errors else {"field": "", "message": "That is not possible."}
    where = f"{first['field']}: " if first["field"] else ""
    return Problem(422, f"{where}{first['message']}", errors=errors)


def iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def named(row: Any) -> dict[str, Any] | None:
    return {"id": row.pk, "name": getattr(row, "name", str(row))} if row else None


def all_named(rows: Collection[Any] | Sequence[Any]) -> list[dict[str, Any]]:
    return [{"id": row.pk, "name": getattr(row, "name", str(row))} for row in rows]


def clock(at: time | None) -> str | None:
    return f"{at:%H:%M}" if at else None
