"""The one view that receives alerts: finds the source by its key, has the body read and taken in.

A sender with a valid key is answered 2xx whatever it sends, once that is stored. It may be a
monitor of any make, so the key is accepted wherever one can carry it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, JsonResponse, UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from alertsources import awaiting, intake, limits, reading, refusals
from alertsources.intake import Delivery, Taken
from alertsources.keys import LIKE_A_KEY
from alertsources.models import AlertSource, ReceivedPayload, Refusal
from alertsources.senders import Sender, held_before, keys_in, parameters_of, sender_of
from alertsources.sources import base
from alertsources.sources.base import BadSignature, Unavailable, registry

logger = logging.getLogger(__name__)
Reason = Refusal.Reason

# What the address without a kind promises to understand, whatever the source's own kind is.
GENERIC = "generic"
SWITCHED_OFF = "This alert source is switched off."

Rewrite = Callable[[bytes], bytes]

ANSWERS = {
    ReceivedPayload.Result.TAKEN: "accepted",
    ReceivedPayload.Result.NOTHING: "nothing to do",
    ReceivedPayload.Result.UNREADABLE: "unreadable",
    ReceivedPayload.Result.LIMITED: "kept, not read",
}


@dataclass(frozen=True)
class Wire:
    """What an address of its own knows of those who send there."""

    # Makes the message of a body that does not say it all.
    rewrite: Rewrite | None = None
    # They repeat what was answered 503, whatever kind it is read as.
    comes_again: bool = False


ANY_WIRE = Wire()


class Rejected(Exception):
    """A request that is not taken in, with its status and one sentence for the sender.

    With a reason, it is shown beside the source that it was meant for.
    """

    def __init__(self, status: int, text: str, *, reason: str = "", **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.reason = reason
        self.source_id: int | None = None
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@csrf_exempt  # senders have no cookie to protect
@login_not_required  # the key in the request says who sends
def receive(
    request: HttpRequest, kind: str = "", key: str = "", *, wire: Wire = ANY_WIRE
) -> JsonResponse:
    """Take a message of alerts in. 2xx means: stored, and it led somewhere."""
    try:
        taken, count = _receive(request, kind, key, wire)
    except Rejected as rejected:
        if rejected.reason and rejected.source_id:
            refusals.count(rejected.source_id, rejected.reason, now=timezone.now())
        return _error(rejected)
    except Exception:
        logger.exception("An alert message could not be stored")
        text = "PagerPal cannot store alerts at the moment; send this again."
        return _error(Rejected(503, text, Retry_After="5"))
    answer = {
        "status": ANSWERS[ReceivedPayload.Result(taken.result)],
        "incident": taken.incidents[0] if taken.incidents else None,
        "incidents": taken.incidents,
        "alerts": count,
        "note": taken.note,
    }
    return JsonResponse(answer, status=202)


def recognise(request: HttpRequest) -> JsonResponse:
    """Only say whether the key in the request opens a source that is on."""
    try:
        sender = _sender(request, "", now=timezone.now())
        if not sender.source.is_active:
            raise Rejected(403, SWITCHED_OFF)
    except Rejected as rejected:
        return _error(rejected)
    except Exception:
        logger.exception("Who sends could not be looked up")
        return _error(Rejected(503, "Send this again.", Retry_After="5"))
    return JsonResponse({"source": sender.source.name}, status=202)


def _receive(request: HttpRequest, kind: str, key: str, wire: Wire) -> tuple[Taken, int]:
    if not _may_bring_alerts(request):
        text = "Alerts are sent here by POST, as JSON, with the key of an alert source."
        raise Rejected(405, text, Allow="POST, PUT")
    now = timezone.now()
    if LIKE_A_KEY.fullmatch(kind) and kind not in registry:
        key, kind = kind, ""  # put where the kind belongs
    sender = _sender(request, key, now=now)
    try:
        return _take_in(sender, request, kind, wire, now=now)
    except Rejected as rejected:
        rejected.source_id = sender.source.pk
        raise


def _take_in(
    sender: Sender, request: HttpRequest, kind: str, wire: Wire, *, now: datetime
) -> tuple[Taken, int]:
    source = sender.source
    if not source.is_active:
        raise Rejected(403, SWITCHED_OFF, reason=Reason.OFF)
    notes = []
    if kind and kind not in registry:
        notes.append(f"There is no kind {kind!r:.40}; read as {source.kind}.")
    otherwise = "" if kind else GENERIC
    kind = kind if kind in registry else source.kind
    body = _body_of(request, kind, wire.rewrite)
    _check(source.kind, body, request, source)
    if kind != source.kind:
        _check(kind, body, request, source)
    if limits.is_over(source, now=now):
        _tell_or_reject(sender, wire.comes_again or limits.comes_again(kind), now=now)
        return limits.keep(source, body, request.headers.get("Content-Type", ""), now=now), 0
    headers = request.headers
    read = reading.read(body, source, kind=kind, otherwise=otherwise, now=now, headers=headers)
    if read.kind != kind:
        notes.append(f"Read as {read.kind}, as it is no message of {kind}.")
    notes += read.remarks
    content_type = request.headers.get("Content-Type", "")
    alerts, is_test = awaiting.alerts_of(sender, read, now=now)
    delivery = Delivery(
        *(source, body, alerts, sender.policy, content_type),
        troubles=read.troubles,
        notes=notes,
        is_test=is_test,
    )
    taken = intake.take(delivery, now=now)
    _respond(read.kind, body, request, source)
    return taken, len(read.alerts)


def _tell_or_reject(sender: Sender, comes_again: bool, *, now: datetime) -> None:
    """Tell the team of the excess; a sender that comes again is asked to."""
    limits.tell(sender.source, sender.policy, now=now)
    if comes_again:
        text = f"More than {sender.source.limit_per_minute} messages per minute; send this later."
        raise Rejected(503, text, reason=Reason.LIMIT, Retry_After=str(60 - now.second))


def _may_bring_alerts(request: HttpRequest) -> bool:
    """By GET only what has something to say in its query."""
    return request.method in {"POST", "PUT"} or (
        request.method == "GET" and bool(parameters_of(request))
    )


def _check(kind: str, body: bytes, request: HttpRequest, source: AlertSource) -> None:
    """Signatures are those of the source's own kind, whatever kind the address names."""
    try:
        base.check(kind, body, request.headers, source)
    except BadSignature as refused:
        raise Rejected(403, str(refused), reason=Reason.SIGNATURE) from None
    except Unavailable as trouble:
        raise Rejected(503, str(trouble), Retry_After="30") from None


def _respond(kind: str, body: bytes, request: HttpRequest, source: AlertSource) -> None:
    """It is stored, so the sender comes again only where its message asks for that."""
    try:
        base.respond(kind, body, request.headers, source)
    except Unavailable as trouble:
        raise Rejected(503, str(trouble), Retry_After="30") from None
    except Exception:
        logger.exception("What a message of source %s asked for was not done", source.pk)


def _sender(request: HttpRequest, key: str, *, now: datetime) -> Sender:
    keys = keys_in(request, key)
    if not keys:
        text = "Send the key of an alert source, for example in the header X-API-Key."
        raise Rejected(401, text, WWW_Authenticate='Basic realm="PagerPal"')
    sender = sender_of(keys, now=now)
    if sender is None:
        text = "This key belongs to no alert source; it may have been replaced."
        rejected = Rejected(403, text, reason=Reason.KEY)
        rejected.source_id = held_before(keys)
        raise rejected
    return sender


def _body_of(request: HttpRequest, kind: str, rewrite: Rewrite | None) -> bytes:
    """The body; for kinds whose senders can do so, the query in its place, as a form."""
    try:
        body = request.body
    except RequestDataTooBig:
        body = None
    except UnreadablePostError:
        raise Rejected(400, "The connection ended before the whole message was here.") from None
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if body is None or (limit and len(body) > limit):
        text = f"The message is larger than {limit} bytes; send fewer alerts at once."
        raise Rejected(413, text, reason=Reason.SIZE)
    if rewrite:
        body = rewrite(body)
    elif not body and base.reads_query(kind):
        body = urlencode(parameters_of(request)).encode()
    if not body:
        text = "The message is empty; send the alert as JSON in the body."
        raise Rejected(400, text, reason=Reason.EMPTY)
    return body


def _error(rejected: Rejected) -> JsonResponse:
    return JsonResponse({"error": rejected.text}, status=rejected.status, headers=rejected.headers)
