"""Where providers report what became of a message they took, and that somebody has written to us.

What is forged is refused; what nobody knows is thanked for, or it would come again for hours.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import re_path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from notifications import inbound, receipts
from notifications.channels import infobip, twilio
from notifications.channels.inbound import of_infobip, of_twilio

log = logging.getLogger(__name__)

BY_INFOBIP = ("sms_infobip", "whatsapp_infobip")
BY_TWILIO = ("sms_twilio", "whatsapp_twilio")
# What Twilio reads as: nothing more to do.
NOTHING_TO_SAY = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


@csrf_exempt  # providers have no cookie to protect
@login_not_required  # the token says who reports
@require_POST
def infobip_receipts(request: HttpRequest, token: str = "") -> HttpResponse:
    return _of_infobip(request, token) or _store(
        lambda now: receipts.receive(infobip.reports(_json(request)), BY_INFOBIP, now=now)
    )


@csrf_exempt
@login_not_required  # the same
@require_POST
def infobip_inbound(request: HttpRequest, token: str = "") -> HttpResponse:
    """What people write to us, and the buttons they press in WhatsApp."""
    return _of_infobip(request, token) or _store(
        lambda now: inbound.receive(of_infobip(_json(request)), now=now)
    )


@csrf_exempt
@login_not_required  # the signature says who reports
@require_POST
def twilio_status(request: HttpRequest) -> HttpResponse:
    posted = request.POST
    sid = posted.get("MessageSid") or posted.get("SmsSid") or ""
    status = posted.get("MessageStatus") or posted.get("SmsStatus")
    report = twilio.report(sid, status, posted.get("ErrorCode"))
    return _of_twilio(request) or _store(lambda now: receipts.receive([report], BY_TWILIO, now=now))


@csrf_exempt
@login_not_required  # the same
@require_POST
def twilio_inbound(request: HttpRequest) -> HttpResponse:
    """What people write to us; our answer goes the way of every message, not in this one."""
    return _of_twilio(request) or _store(
        lambda now: inbound.receive(of_twilio(request.POST.dict()), now=now), NOTHING_TO_SAY
    )


def _of_infobip(request: HttpRequest, token: str) -> HttpResponse | None:
    """Why this is not taken; None when it is Infobip's."""
    if not settings.INFOBIP_RECEIPT_TOKEN:
        return _say("Nothing is taken here: INFOBIP_RECEIPT_TOKEN is not set.", 404)
    if not _is_known(request, token):
        return _say("This is not the token in INFOBIP_RECEIPT_TOKEN.", 403)
    said = _json(request)
    if not isinstance(said, dict) or not isinstance(said.get("results"), list):
        return _say('Expected JSON such as {"results": [...]}.', 400)
    return None


def _of_twilio(request: HttpRequest) -> HttpResponse | None:
    """Why this is not taken; None when it is Twilio's."""
    if not settings.TWILIO_AUTH_TOKEN:
        return _say("Nothing is taken here: TWILIO_AUTH_TOKEN is not set.", 404)
    # As Twilio was told, whatever a proxy has made of it.
    url = f"{settings.PAGERPAL_BASE_URL}{request.get_full_path()}"
    given = request.headers.get("X-Twilio-Signature", "")
    if not twilio.is_signed(given, url, dict(request.POST.lists())):
        return _say("The signature is not Twilio's, or PAGERPAL_BASE_URL is another address.", 403)
    return None


def _store(store: Callable[[datetime], object], thanks: str = "") -> HttpResponse:
    try:
        store(timezone.now())
    except Exception:
        log.exception("what a provider reports could not be stored")
        return _say("PagerPal cannot store this at the moment; send it again.", 503)
    return HttpResponse(thanks, content_type="text/xml") if thanks else HttpResponse(status=204)


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


# With and without a slash at the end: a redirect would turn a POST into a GET.
LAST_PART = r"(?:/(?P<token>[^/]+))?/?"
urlpatterns = [
    re_path(rf"^hooks/infobip/receipts{LAST_PART}$", infobip_receipts, name="infobip-receipts"),
    re_path(rf"^hooks/infobip/inbound{LAST_PART}$", infobip_inbound, name="infobip-inbound"),
    re_path(r"^hooks/twilio/status/?$", twilio_status, name="twilio-status"),
    re_path(r"^hooks/twilio/inbound/?$", twilio_inbound, name="twilio-inbound"),
]
