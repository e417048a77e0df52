"""The webhook for programs of one's own, as their receiver would check it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from notifications.channels import webhook
from notifications.channels.base import Deadline, Message, Receipt, SendError, registry
from notifications.tests.receivers import PATHS, receiver
from notifications.tests.servers import Call, Provider, Reply

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT: dict[str, Any] = {
    "type": "incident.opened",
    "timestamp": "2026-11-23T12:00:00+00:00",
    "data": {"title": 'Disk "full"\n', "number": 412, "severity": "critical", "links": []},
}


def message(**fields: Any) -> Message:
    values: dict[str, Any] = {
        **{"key": "update:412/1/channel:3/0", "thread": "incident:412", "title": "Disk full"},
        **{"body": "", "event": EVENT, "secret": SECRET},
        **fields,
    }
    return Message(**values)


def send(server: Provider, what: Message | None = None) -> Receipt:
    return registry["webhook"].send(what or message(), server.url + PATHS["webhook"], Deadline(5))


def verified(call: Call, secret: str = SECRET) -> dict[str, Any]:
    """The body, if the signature is what the standard asks for."""
    name, at = call.headers["webhook-id"], call.headers["webhook-timestamp"]
    assert abs(int(at) - time.time()) < 60
    assert "." not in name
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{name}.{at}.".encode() + call.body, hashlib.sha256).digest()
    assert f"v1,{base64.b64encode(mac).decode()}" in call.headers["webhook-signature"].split(" ")
    assert call.headers["Content-Type"] == "application/json"
    return call.json


def error_of(reply: Reply, what: Message | None = None) -> SendError:
    with receiver("webhook", reply) as server, pytest.raises(SendError) as caught:
        send(server, what)
    return caught.value


def test_the_signature_is_that_of_the_standard() -> None:
    body = b'{"event":"incident.triggered","id":"evt_1"}'

    signed = webhook.sign(SECRET, "evt_1", 1700000000, body)

    assert signed == "v1,9ZSjaurHp/KBVZ4xYI4759aJBMKcNrpYODBdmDIOgcQ="


def test_a_receiver_can_check_who_sent_it_and_reads_all_facts() -> None:
    with receiver("webhook", Reply(204, "")) as server:
        receipt = send(server)

        assert verified(server.calls[0]) == EVENT
    assert receipt.text == "HTTP 204"


def test_a_message_sent_again_has_the_same_id_and_another_one_has_not() -> None:
    with receiver("webhook") as server:
        for what in (message(), message(), message(key="update:412/2/channel:3/0")):
            send(server, what)

        ids = [call.headers["webhook-id"] for call in server.calls]
    assert ids[0] == ids[1] != ids[2]


def test_while_a_secret_is_changed_both_hold() -> None:
    new = webhook.new_secret()
    with receiver("webhook") as server:
        send(server, message(secret=f"{new} {SECRET}"))

        verified(server.calls[0])
        verified(server.calls[0], new)


def test_without_a_secret_nothing_is_signed() -> None:
    with receiver("webhook") as server:
        send(server, message(secret=""))

    assert "webhook-signature" not in server.calls[0].headers
    assert "webhook-id" in server.calls[0].headers


def test_a_body_of_ones_own_gets_the_facts_as_json_texts() -> None:
    template = '{"text": "${severity}: ${title} ${nothing}", "n": "${number}", "cost": "$$5"}'
    with receiver("webhook") as server:
        send(server, message(template=template))

        assert verified(server.calls[0]) == {
            **{"text": 'critical: Disk "full"\n ', "n": "412", "cost": "$5"},
        }


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ('{"a": "${titel}"}', "No such fact: titel"),
        ('{"a": "${title}"', "makes no JSON"),
        ('{"a": "$ 5"}', "write \\$\\$"),
        ('{"a": "${title.__class__}"}', "write \\$\\$"),
    ],
)
def test_a_body_that_cannot_be_is_refused_in_a_sentence(template: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        webhook.clean_template(template, EVENT)


def test_only_410_says_that_the_address_is_gone() -> None:
    assert error_of(Reply(410, "")).is_gone
    assert error_of(Reply(410, "")).permanent
    assert not error_of(Reply(404, "")).is_gone


@pytest.mark.parametrize(
    ("status", "permanent"), [(302, True), (400, True), (429, False), (500, False)]
)
def test_other_answers_are_final_or_tried_again(status: int, permanent: bool) -> None:
    error = error_of(Reply(status, "no s3cr3tpart here", {"Location": "https://x.example/"}))

    assert error.permanent is permanent
    assert "s3cr3tpart" not in error.text


def test_what_a_receiver_answers_is_kept_in_short() -> None:
    with receiver("webhook", Reply(200, "queued " * 100)) as server:
        text = send(server).text

    assert text.startswith("HTTP 200 queued queued")
    assert len(text.encode()) < 320


@pytest.mark.parametrize("text", ["whsec_", "whsec_!!", "secret", "whsec_c2hvcnQ="])
def test_a_secret_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        webhook.clean_secret(text)


def test_a_new_secret_is_one() -> None:
    assert webhook.clean_secret(f" {webhook.new_secret()}  {SECRET}").endswith(f" {SECRET}")
    assert json.loads(webhook.body_of(message(event={})))["data"]["title"] == "Disk full"
