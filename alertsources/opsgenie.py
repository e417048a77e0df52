"""For what can only talk to Opsgenie: its address for alerts, taken in as any JSON.

Alertmanager (opsgenie_configs), Grafana and Opsgenie's own libraries create and close alerts here.
What else they may do to one, such as a note, is answered and changes nothing.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from functools import partial

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from alertsources import ingest
from alertsources.decoding import decode
from alertsources.ingest import Wire
from alertsources.sources.anyjson import AnyJson
from alertsources.sources.anyjson_shapes import OPSGENIE_ACT

CLOSE = "close"
TAKEN = "Request will be processed"
KEPT_HEADERS = ("WWW-Authenticate", "Retry-After", "Allow")


@csrf_exempt  # senders have no cookie to protect
@login_not_required  # the key in the request says who sends
def create(request: HttpRequest) -> JsonResponse:
    return _answered(partial(ingest.receive, request, AnyJson.slug, wire=Wire(comes_again=True)))


@csrf_exempt
@login_not_required
@require_http_methods(["POST", "PUT", "PATCH", "DELETE"])
def act(request: HttpRequest, identifier: str, action: str) -> JsonResponse:
    """Close the alert of this alias; one that nobody knows is closed already."""
    if action != CLOSE:
        return _answered(partial(ingest.recognise, request))
    wire = Wire(partial(_closing, identifier), comes_again=True)
    return _answered(partial(ingest.receive, request, AnyJson.slug, wire=wire))


def _closing(alias: str, body: bytes) -> bytes:
    """The message that stands for the address: it is stored in place of the body, with that."""
    try:
        said = decode(body) if body else None
    except ValueError:
        said = None
    return json.dumps({"alias": alias, OPSGENIE_ACT: CLOSE, "said": said}).encode()


def _answered(take: Callable[[], JsonResponse]) -> JsonResponse:
    """As Opsgenie answers: what was done, or in `message` why not."""
    begun = time.monotonic()
    answer = take()
    said = json.loads(answer.content)
    told = {"message": said["error"]} if "error" in said else {"result": TAKEN}
    facts = {"took": round(time.monotonic() - begun, 3), "requestId": str(uuid.uuid4())}
    headers = {name: answer[name] for name in KEPT_HEADERS if name in answer}
    return JsonResponse(told | facts, status=answer.status_code, headers=headers)
