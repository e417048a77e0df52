"""Twilio and Infobip, played on loopback: they take what is written in their documentation only.

What is misspelt, missing or unknown in a request is refused here, where the real ones ignore much
of it, and fails the test at its end.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from notifications.tests.servers import Call, Provider, Reply, serving

ACCOUNT, TOKEN = "AC0123456789abcdef0123456789abcdef", "twilio-secret-token"
API_KEY = "infobip-secret-key"
NUMBER = "+41790000001"
SENDERS = {
    "TWILIO_SMS_FROM": "+14155550100",
    "TWILIO_WHATSAPP_FROM": "+14155550199",
    "INFOBIP_SMS_SENDER": "PagerPal",
    "INFOBIP_WHATSAPP_SENDER": "441134960000",
}
TEMPLATE_SID = "HX0123456789abcdef0123456789abcdef"

Shape = Mapping[str, Any]
E164 = re.compile(r"\+[1-9]\d{6,14}")
WHATSAPP = re.compile(r"whatsapp:\+[1-9]\d{6,14}")
DIGITS = re.compile(r"[1-9]\d{6,14}")
ID = re.compile(r"[\x21-\x7e]{1,200}")
URL = re.compile(r"https?://\S{1,2000}")
TEXT = re.compile(r"(?s).{1,4096}")
VARIABLE = re.compile(r"(?!.* {5})[^\r\n\t]{1,1024}")


@dataclass(frozen=True)
class Sent:
    """A message that was taken."""

    path: str
    to: str
    text: str
    id: str
    body: Mapping[str, Any]


class PhoneCompany(Provider):
    """Plays both, told apart by their paths; `faults` are given first, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[Reply] = []
        self.taken: list[Sent] = []
        self.complaints: list[str] = []
        self.states: dict[str, dict[str, Any]] = {}
        # Takes the next message, and the connection breaks before it has said so.
        self.loses_answer = False

    def reply_to(self, call: Call) -> Reply:
        path = urlsplit(call.path).path
        try:
            play = self._player(call.method, path)
            lost, self.loses_answer = self.loses_answer, False
            reply = play(call)
            return half(reply) if lost else reply
        except AssertionError as error:
            self.complaints.append(f"{call.method} {path}: {error}")
            return Reply(400, json.dumps({"description": str(error), "message": str(error)}))

    def _player(self, method: str, path: str) -> Callable[[Call], Reply]:
        twilio = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"
        players: dict[tuple[str, str], Callable[[Call], Reply]] = {
            ("POST", f"{twilio}.json"): self._twilio,
            ("POST", "/sms/3/messages"): self._infobip_sms,
            ("POST", "/whatsapp/1/message/text"): self._infobip_text,
            ("POST", "/whatsapp/1/message/template"): self._infobip_template,
            ("GET", "/sms/3/logs"): self._infobip_logs,
        }
        if method == "GET" and path.startswith(f"{twilio}/SM") and path.endswith(".json"):
            return self._twilio_state
        assert (method, path) in players, "nothing of this name is documented"
        return players[method, path]

    # Twilio

    def _twilio(self, call: Call) -> Reply:
        _signed_in_at_twilio(call)
        assert call.headers["Content-Type"] == "application/x-www-form-urlencoded"
        pairs = parse_qsl(call.body.decode("ascii"), strict_parsing=True)
        form = dict(pairs)
        assert len(form) == len(pairs), "a field is there twice"
        is_whatsapp = form.get("To", "").startswith("whatsapp:")
        number = WHATSAPP if is_whatsapp else E164
        sender = {"MessagingServiceSid": re.compile("MG[0-9a-f]{32}")}
        if "MessagingServiceSid" not in form:
            sender = {"From": number if is_whatsapp else re.compile(r"\+\d{7,15}|\w[\w ]{0,10}")}
        content: Shape = {"Body": re.compile(r"(?s).{1,1600}")}
        if "ContentSid" in form:
            content = {"ContentSid": re.compile("HX[0-9a-f]{32}"), "ContentVariables": TEXT}
        optional = {"ValidityPeriod": re.compile(r"[1-9]\d{0,4}"), "StatusCallback": URL}
        check(form, {"To": number, **sender, **content}, optional)
        if "ContentVariables" in form:
            _check_variables(list(json.loads(form["ContentVariables"]).values()))
        if self.faults:
            return self.faults.pop(0)
        sid = f"SM{len(self.taken):032x}"
        text = form.get("Body") or form["ContentVariables"]
        self.taken.append(Sent(urlsplit(call.path).path, form["To"], text, sid, form))
        said = {"sid": sid, "status": "queued", "to": form["To"], "num_segments": "1"}
        return Reply(201, json.dumps({**said, "error_code": None, "error_message": None}))

    def _twilio_state(self, call: Call) -> Reply:
        _signed_in_at_twilio(call)
        if self.faults:
            return self.faults.pop(0)
        sid = call.path.rpartition("/")[2].removesuffix(".json")
        state = {"status": "sent", "error_code": None, **self.states.get(sid, {})}
        return Reply(200, json.dumps({"sid": sid, **state}))

    # Infobip

    def _infobip_sms(self, call: Call) -> Reply:
        body = _json_of_infobip(call)
        check(body, {"messages": list}, {})
        (entry,) = body["messages"]
        check(
            entry,
            {"sender": TEXT, "destinations": list, "content": dict},
            {"options": dict, "webhooks": dict},
        )
        check(entry["content"], {"text": TEXT}, {})
        (destination,) = entry["destinations"]
        check(destination, {"to": DIGITS, "messageId": ID}, {})
        validity = entry.get("options", {}).get("validityPeriod")
        check(validity, {"amount": int, "timeUnit": re.compile("MINUTES|HOURS|SECONDS")}, {})
        if webhooks := entry.get("webhooks"):
            check(webhooks, {"delivery": dict}, {"contentType": re.compile("application/json")})
            check(webhooks["delivery"], {"url": URL}, {})
        to, name = destination["to"], destination["messageId"]
        return self._take(call, to, entry["content"]["text"], name, entry, in_list=True)

    def _infobip_text(self, call: Call) -> Reply:
        body = _json_of_infobip(call)
        self._check_whatsapp(body)
        check(body["content"], {"text": TEXT}, {"previewUrl": bool})
        text = body["content"]["text"]
        return self._take(call, body["to"], text, body["messageId"], body, in_list=False)

    def _infobip_template(self, call: Call) -> Reply:
        body = _json_of_infobip(call)
        check(body, {"messages": list}, {})
        (entry,) = body["messages"]
        self._check_whatsapp(entry)
        content = entry["content"]
        names = re.compile(r"[a-z0-9_]{1,512}")
        check(content, {"templateName": names, "language": ID, "templateData": dict}, {})
        check(content["templateData"], {"body": dict}, {"buttons": list})
        for button in content["templateData"].get("buttons", []):
            payloads = re.compile(r".{1,128}")
            check(button, {"type": re.compile("QUICK_REPLY"), "parameter": payloads}, {})
        check(content["templateData"]["body"], {"placeholders": list}, {})
        values = content["templateData"]["body"]["placeholders"]
        _check_variables(values)
        name = entry["messageId"]
        return self._take(call, entry["to"], " ".join(values), name, entry, in_list=True)

    @staticmethod
    def _check_whatsapp(entry: Any) -> None:
        wanted = {"from": DIGITS, "to": DIGITS, "messageId": ID, "content": dict}
        check(entry, wanted, {"notifyUrl": URL})

    def _take(
        self, call: Call, to: str, text: str, name: str, body: Shape, *, in_list: bool
    ) -> Reply:
        if self.faults:
            return self.faults.pop(0)
        if any(one.id == name for one in self.taken):
            return infobip_answer(name, 5, 23, "REJECTED_DUPLICATE_MESSAGE_ID")
        self.taken.append(Sent(urlsplit(call.path).path, to, text, name, body))
        return infobip_answer(name, 1, 26, "PENDING_ACCEPTED", in_list=in_list)

    def _infobip_logs(self, call: Call) -> Reply:
        _json_of_infobip(call, has_body=False)
        query = parse_qs(urlsplit(call.path).query, strict_parsing=True)
        check(query, {"messageId": list}, {})
        if self.faults:
            return self.faults.pop(0)
        (name,) = query["messageId"]
        found = [{"messageId": name, **self.states[name]}] if name in self.states else []
        return Reply(200, json.dumps({"results": found}))


def check(value: Any, wanted: Shape, optional: Shape) -> None:
    """Every field that must be there is, no other one, and all are what they have to be."""
    assert isinstance(value, dict), f"expected an object, got {value!r:.80}"
    assert not (missing := wanted.keys() - value.keys()), f"missing: {sorted(missing)}"
    unknown = value.keys() - wanted.keys() - optional.keys()
    assert not unknown, f"unknown: {sorted(unknown)}"
    for name, rule in {**wanted, **optional}.items():
        if name not in value:
            continue
        if isinstance(rule, re.Pattern):
            assert isinstance(value[name], str), f"{name} is no text"
            assert rule.fullmatch(value[name]), f"{name} is {value[name]!r:.80}"
        else:
            assert isinstance(value[name], rule), f"{name} is {value[name]!r:.80}"


def _check_variables(values: list[Any]) -> None:
    for value in values:
        assert isinstance(value, str), f"no text: {value!r:.80}"
        assert VARIABLE.fullmatch(value), f"WhatsApp refuses {value!r:.80}"


def _signed_in_at_twilio(call: Call) -> None:
    pair = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert call.headers["Authorization"] == f"Basic {pair}", "not signed in"


def _json_of_infobip(call: Call, *, has_body: bool = True) -> Any:
    assert call.headers["Authorization"] == f"App {API_KEY}", "not signed in"
    assert call.headers["Accept"] == "application/json"
    if not has_body:
        return None
    assert call.headers["Content-Type"] == "application/json"
    return json.loads(call.body)


def infobip_answer(name: str, group: int, number: int, word: str, *, in_list: bool = True) -> Reply:
    """What it says to a message it has read."""
    status = {"groupId": group, "groupName": "X", "id": number, "name": word}
    said: dict[str, Any] = {"messageId": name, "status": status}
    return Reply(200, json.dumps({"bulkId": "2034", "messages": [said]} if in_list else said))


def twilio_error(status: int, code: int, text: str = "refused", **headers: str) -> Reply:
    more = f"https://www.twilio.com/docs/errors/{code}"
    said = {"code": code, "message": text, "more_info": more, "status": status}
    return Reply(status, json.dumps(said), headers)


def infobip_error(status: int, code: str, text: str = "refused", **headers: str) -> Reply:
    said = {"errorCode": code, "description": text, "action": "", "violations": [], "resources": []}
    return Reply(status, json.dumps(said), headers)


def infobip_report(name: str, group: int, number: int, word: str = "X") -> dict[str, Any]:
    """One receipt, as it stands in `results`."""
    return {
        "bulkId": "2034",
        "messageId": name,
        "to": NUMBER.removeprefix("+"),
        "sentAt": "2026-11-23T12:00:00.000+0100",
        "doneAt": "2026-11-23T12:00:02.000+0100",
        "messageCount": 1,
        "status": {"groupId": group, "groupName": "X", "id": number, "name": word},
        "error": {"groupId": 0, "id": 0, "name": "NO_ERROR", "permanent": False},
    }


def half(reply: Reply) -> Reply:
    return replace(reply, is_half=True)


@contextmanager
def phone_company(settings: Any) -> Iterator[PhoneCompany]:
    """Both are set up, and nothing they were sent was wrong."""
    settings.PAGERPAL_BASE_URL = "https://pager.example.org"
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = ACCOUNT, TOKEN
    settings.INFOBIP_API_KEY, settings.INFOBIP_RECEIPT_TOKEN = API_KEY, "receipt-token"
    for name, sender in SENDERS.items():
        setattr(settings, name, sender)
    with serving(PhoneCompany()) as playing:
        settings.TWILIO_BASE_URL = settings.INFOBIP_BASE_URL = playing.url
        yield playing
    assert not playing.complaints
