"""What the pages say about incidents: who is being paged, what is next, whom it reached."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from django.db.models import F

from incidents import resending
from incidents.forecast import Predicted, forecast
from incidents.models import ASKED, Incident, Page
from notifications.channels.base import kind_of
from notifications.models import Notification, TeamChannel
from schedules.models import User

log = logging.getLogger(__name__)

# More than one screenful of a night: the rest is in the admin's log.
MOST_MESSAGES = 400
# More than anybody waits for: after them the whole team is called again and again.
MOST_COMING = 4


@dataclass
class Paging:
    """The people and rooms called last for an incident, and why they."""

    label: str
    people: list[User] = field(default_factory=list)
    rooms: list[TeamChannel] = field(default_factory=list)

    @property
    def called(self) -> list[User | TeamChannel]:
        return [*self.people, *self.rooms]

    def add(self, page: Page) -> None:
        if page.user is not None and page.user not in self.people:
            self.people.append(page.user)
        if page.team_channel is not None:
            self.rooms.append(page.team_channel)


@dataclass(frozen=True)
class Situation:
    """What happens now and next; `next` is None when nobody else will be called."""

    paging: Paging | None
    coming: list[Predicted] = field(default_factory=list)
    forecast_failed: bool = False

    @property
    def next(self) -> Predicted | None:
        return self.coming[0] if self.coming else None


@dataclass
class Line:
    """One or more messages through one address that fared alike."""

    channel: str
    address: str
    state: str
    at: datetime
    last: Notification
    can_go_again: bool = False
    count: int = 1

    def add(self, message: Notification) -> None:
        """One more that fared alike: shown by when the next is due, or the last was settled."""
        self.count += 1
        self.last = message
        if message.state != Notification.State.PENDING:
            self.at = _moment(message)

    @property
    def outcome(self) -> str:
        return self.last.outcome

    @property
    def answer_path(self) -> str:
        return str(self.last.context.get("answer_path", ""))


@dataclass
class Told:
    """One person or team channel, and what became of the messages to them."""

    who: str
    lines: list[Line] = field(default_factory=list)


def paged_last(incidents: Iterable[Incident]) -> dict[int, Paging]:
    """By incident: who was called by the newest step of its present episode, and by hand.

    One query.
    """
    unanswered = [one.pk for one in incidents if one.state == Incident.State.TRIGGERED]
    if not unanswered:
        return {}
    pages = (
        Page.objects.filter(incident__in=unanswered, episode=F("incident__episode"))
        .select_related("user", "team_channel__team")
        .order_by("pk")
    )
    found: dict[int, Paging] = {}
    steps: dict[int, tuple[int, str]] = {}
    by_hand: list[Page] = []
    for page in pages:
        if page.step == ASKED:
            by_hand.append(page)
            continue
        step = (page.round, page.step)
        if steps.get(page.incident_id) != step:
            steps[page.incident_id] = step
            found[page.incident_id] = Paging(page.label)
        found[page.incident_id].add(page)
    for page in by_hand:
        found.setdefault(page.incident_id, Paging(page.label)).add(page)
    return found


def situation(incident: Incident, now: datetime) -> Situation:
    """What happens now and next. A broken forecast must not take the page with the button along."""
    paging = paged_last([incident]).get(incident.pk)
    try:
        coming = forecast(incident, now, limit=MOST_COMING)
    except Exception:
        log.exception("forecast of incident %s failed", incident.pk)
        return Situation(paging, forecast_failed=True)
    return Situation(paging, coming)


def told(incident: Incident) -> list[Told]:
    """Who was told and whether it reached them, in the order in which they were first called.

    Rooms come after the people: nobody is reached by them.
    """
    newest = (
        Notification.objects.filter(thread=incident.thread)
        .select_related("user", "contact_method", "team_channel__team")
        .order_by("-pk")[:MOST_MESSAGES]
    )
    # What only takes an older message off a phone tells nobody anything.
    messages = sorted(
        (one for one in newest if "clears" not in one.context),
        key=lambda one: (one.due_at, one.pk),
    )
    found: dict[tuple[int | None, int | None], Told] = {}
    for message in messages:
        whom = message.user_id, message.team_channel_id
        again = resending.offered(incident, message)
        _add(found.setdefault(whom, Told(message.recipient)).lines, message, again)
    return [found[whom] for whom in sorted(found, key=lambda whom: whom[1] is not None)]


def _add(lines: list[Line], message: Notification, again: bool) -> None:
    """To the line of its address if that fared alike, else as a line of its own below it."""
    via = _channel(message), _masked(message)
    new = Line(*via, message.state, _moment(message), message, again)
    place = len(lines)
    for index, line in enumerate(lines):
        if (line.channel, line.address) != (new.channel, new.address):
            continue
        if (line.state, line.outcome) == (new.state, new.outcome):
            line.add(message)
            return
        place = index + 1
    lines.insert(place, new)


def _moment(message: Notification) -> datetime:
    if message.state == Notification.State.PENDING:
        return message.due_at
    return message.settled_at or message.first_tried_at or message.due_at


def _channel(message: Notification) -> str:
    kind = kind_of(message.channel)
    return kind.label if kind else message.channel


def _masked(message: Notification) -> str:
    method = message.contact_method or message.team_channel
    return method.masked_address if method else ""


def web_links(incident: Incident) -> list[dict[str, str]]:
    """The monitor's links that lead to web pages; anything else could run in our page."""
    found = []
    for link in incident.links:
        url = str(link.get("url", "")) if isinstance(link, dict) else str(link)
        if _is_web(url):
            label = str(link.get("label") or "") if isinstance(link, dict) else ""
            found.append({"url": url, "label": label or urlsplit(url).netloc})
    return found


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)
