"""ntfy, the chats and a program of one's own, played on loopback as strictly as the phones.

What is misspelt, missing or unknown in a request, or not what their documentation allows, is
noted and fails the test at its end, whatever the answer was told to be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from notifications.tests.phone_companies import check
from notifications.tests.servers import Call, Provider, Reply, serving

# Where each is posted to, what it says when it has taken a message, and an address of its kind.
PATHS = {
    "ntfy": "/",
    "slack": "/services/T0/B0/s3cr3tpart",
    "mattermost": "/hooks/s3cr3tpart",
    "discord": "/api/webhooks/112233/s3cr3tpart",
    "webhook": "/in/s3cr3tpart",
}
TAKEN = {
    "ntfy": Reply(),
    "slack": Reply(body="ok"),
    "mattermost": Reply(body="ok"),
    "discord": Reply(body='{"id": "9911"}'),
    "webhook": Reply(204, ""),
}
TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")
URL = re.compile(r"https?://\S{1,2000}")
LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,250}")
# Of several lines, each without a control character.
TEXT = re.compile(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f]{1,16383}")
CLEARS = re.compile(r"/[-_A-Za-z0-9]{1,64}/[-_A-Za-z0-9]{1,64}/clear")
SIGNED = re.compile(r"(v1,[A-Za-z0-9+/]{43}=)( v1,[A-Za-z0-9+/]{43}=)*")


class Receiver(Provider):
    """Plays one of them, and gives its replies in order."""

    def __init__(self, kind: str, *replies: Reply) -> None:
        super().__init__(*(replies or (TAKEN[kind],)))
        self.kind = kind
        self.complaints: list[str] = []

    def address(self) -> str:
        """Where a channel is told to send to."""
        return "oncall-ann-7f3k9" if self.kind == "ntfy" else self.url + PATHS[self.kind]

    def reply_to(self, call: Call) -> Reply:
        try:
            CHECKS[self.kind](call)
        except (AssertionError, ValueError) as error:
            self.complaints.append(f"{call.method} {call.path}: {error}")
        return super().reply_to(call)


def _ntfy(call: Call) -> None:
    if call.method == "PUT":
        assert CLEARS.fullmatch(call.path), "no message of a topic"
        assert call.body == b""
        return
    _is_posted(call, "/")
    assert len(call.body) <= 8192, "ntfy takes no more"
    said = call.json
    optional = {"click": URL, "sequence_id": TOPIC, "tags": list, "actions": list}
    check(said, {"topic": TOPIC, "title": LINE, "message": TEXT, "priority": int}, optional)
    assert len(said["message"].encode()) <= 4096, "it would be an attachment"
    assert 1 <= said["priority"] <= 5
    assert len(said.get("actions", [])) <= 3
    for action in said.get("actions", []):
        if action.get("action") == "view":
            check(action, {"action": str, "label": LINE, "url": URL}, {"clear": bool})
            continue
        wanted = {"action": re.compile("http"), "label": LINE, "url": URL}
        more = {"method": re.compile("POST|PUT|GET"), "clear": bool, "body": str, "headers": dict}
        check(action, wanted, more)


def _slack(call: Call) -> None:
    _is_posted(call, PATHS["slack"])
    check(call.json, {"text": TEXT}, {"unfurl_links": bool, "unfurl_media": bool})
    assert len(call.json["text"]) <= 4000


def _mattermost(call: Call) -> None:
    _is_posted(call, PATHS["mattermost"])
    check(call.json, {"text": TEXT}, {})


def _discord(call: Call) -> None:
    _is_posted(call, f"{PATHS['discord']}?wait=true")
    check(call.json, {"content": TEXT, "allowed_mentions": dict}, {"flags": int})
    assert call.json["allowed_mentions"] == {"parse": []}, "a title could ring at everybody"
    assert len(call.json["content"]) <= 2000


def _webhook(call: Call) -> None:
    _is_posted(call, PATHS["webhook"])
    assert re.fullmatch(r"msg_[0-9a-f]{32}", call.headers["webhook-id"])
    assert call.headers["webhook-timestamp"].isdecimal()
    signature = call.headers.get("webhook-signature", "")
    assert not signature or SIGNED.fullmatch(signature)
    json.loads(call.body)


def _is_posted(call: Call, path: str) -> None:
    assert (call.method, call.path) == ("POST", path), "nothing of this name is documented"
    assert call.headers["Content-Type"] == "application/json"


CHECKS: Mapping[str, Callable[[Call], None]] = {
    "ntfy": _ntfy,
    "slack": _slack,
    "mattermost": _mattermost,
    "discord": _discord,
    "webhook": _webhook,
}


@contextmanager
def receiver(kind: str, *replies: Reply) -> Iterator[Receiver]:
    """One of them, which was sent nothing wrong."""
    with serving(Receiver(kind, *replies)) as playing:
        yield playing
    assert not playing.complaints
