"""Where providers report what became of a message they took.

Forged reports are refused; those nobody knows are thanked for, or they would come for hours.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from notifications import receipts
from notifications.channels import infobip, twilio
from notifications.channels.base import Report

log = logging.getLogger(__name__)

BY_INFOBIP = ("sms_infobip", "whatsapp_infobip")
BY_TWILIO = ("sms_twilio", "whatsapp_twilio")


@csrf_exempt  # providers have no cookie to protect
@login_not_required  # the token says who reports
@require_POST
def infobip_receipts(request: HttpRequest, token: str = "") -> HttpResponse:
    if not settings.INFOBIP_RECEIPT_TOKEN:
        return _say("Receipts are not taken here: INFOBIP_RECEIPT_TOKEN is not set.", 404)
    if not _is_known(request, token):
        return _say("This is not the token in INFOBIP_RECEIPT_TOKEN.", 403)
    said = _json(request)
    if not isinstance(said, dict) or not isinstance(said.get("results"), list):
        return _say('Expected JSON such as {"results": [...]}.', 400)
    return _receive(infobip.reports(said), BY_INFOBIP)


@csrf_exempt
@login_not_required  # the signature says who reports
@require_POST
def twilio_status(request: HttpRequest) -> HttpResponse:
    if not settings.TWILIO_AUTH_TOKEN:
        return _say("Reports of Twilio are not taken here: TWILIO_AUTH_TOKEN is not set.", 404)
    fields = dict(request.POST.lists())
    # As Twilio was told, whatever a proxy has made of it.
    url = f"{settings.PAGERPAL_BASE_URL}{request.get_full_path()}"
    if not twilio.is_signed(request.headers.get("X-Twilio-Signature", ""), url, fields):
        return _say("The signature is not Twilio's, or PAGERPAL_BASE_URL is another address.", 403)
    posted = request.POST
    sid = posted.get("MessageSid") or posted.get("SmsSid") or ""
    status = posted.get("MessageStatus") or posted.get("SmsStatus")
    return _receive([twilio.report(sid, status, posted.get("ErrorCode"))], BY_TWILIO)


def _receive(reports: Iterable[Report], providers: tuple[str, ...]) -> HttpResponse:
    try:
        receipts.receive(reports, providers, now=timezone.now())
    except Exception:
        log.exception("receipts could not be stored")
        return _say("PagerPal cannot store receipts at the moment; send this again.", 503)
    return HttpResponse(status=204)


def _say(text: str, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")


def _json(request: HttpRequest) -> Any:
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError):
        return None


def _is_known(request: HttpRequest, token: str) -> bool:
    known = settings.INFOBIP_RECEIPT_TOKEN.encode()
    given = [token, request.GET.get("token", ""), *_in_header(request)]
    return any([hmac.compare_digest(one.encode(errors="replace"), known) for one in given])


def _in_header(request: HttpRequest) -> Iterator[str]:
    """Any of the ways in which Infobip's subscriptions can be told to sign in."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        yield rest.strip()
        return
    try:
        pair = base64.b64decode(rest, validate=True).decode()
    except (binascii.Error, ValueError):
        return
    yield pair.partition(":")[2]


urlpatterns = [
    path("hooks/infobip/receipts", infobip_receipts, name="infobip-receipts"),
    path("hooks/infobip/receipts/<str:token>", infobip_receipts, name="infobip-receipts-token"),
    path("hooks/twilio/status", twilio_status, name="twilio-status"),
]
