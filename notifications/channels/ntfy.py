"""ntfy: push messages to phones, by the public server or one's own."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext

from notifications.channels import calls, ntfy_answers
from notifications.channels.base import Action, Deadline, Message, Receipt, SendError, register
from notifications.channels.texts import clean, clip, one_line

TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")
# For topics that somebody may have to type: no 0 or o, no 1 or l.
UNMISTAKABLE = "23456789abcdefghijkmnpqrstuvwxyz"
# Paths of the server itself: https://docs.ntfy.sh/publish/
RESERVED = frozenset(
    {"docs", "static", "file", "app", "metrics", "account", "settings", "signup", "login", "v1"}
)
# ntfy turns a longer message into an attachment, and push services carry about 4 kB in all.
MOST_MESSAGE = 3500
MOST_TITLE = 250
MOST_BODY = 8192
# What is tried once more when a server with smaller limits says "too large".
SHORT_MESSAGE = 1000
TOO_LARGE = frozenset({40014, 41301, 41303})
# The day's allowance is used up: another try today cannot help.
DAILY_LIMIT = 42908
# The server sends no Retry-After; its allowance grows by one message each 5 s.
PAUSE_AT_LIMIT = 7.0


class Ntfy:
    slug: ClassVar[str] = "ntfy"
    kind: ClassVar[str] = "ntfy"
    label: ClassVar[str] = "ntfy push"
    address_label: ClassVar[str] = "Topic"
    example_address: ClassVar[str] = "oncall-ann-7f3k9xq2m4"
    is_push: ClassVar[bool] = True

    def needs(self) -> list[str]:
        return []

    def clean_address(self, text: str) -> str:
        topic = text.strip()
        if not TOPIC.fullmatch(topic):
            raise ValueError("A topic has 1 to 64 letters, digits, hyphens and underscores.")
        if topic.lower() in RESERVED:
            raise ValueError(f"{topic} is a page of the ntfy server, not a topic.")
        return topic

    def suggest_address(self, name: str, seed: bytes = b"") -> str:
        """A topic of this person that nobody can guess: 80 bits, of the seed where one is given."""
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24] or "oncall"
        drawn = (seed or secrets.token_bytes(16))[:16]
        return f"{plain}-{''.join(UNMISTAKABLE[one % len(UNMISTAKABLE)] for one in drawn)}"

    def subscribe_link(self, topic: str) -> str:
        """What the Android app subscribes by: https://docs.ntfy.sh/subscribe/phone/#ntfy-links"""
        server = urlsplit(settings.NTFY_BASE_URL)
        rest = "" if server.scheme == "https" else "?secure=false"
        return f"ntfy://{server.netloc}{server.path}/{topic}{rest}"

    def hint(self) -> str:
        return f"Install the ntfy app and subscribe to this topic on {settings.NTFY_BASE_URL}."

    def send(self, message: Message, address: str, deadline: Deadline) -> Receipt:
        if not TOPIC.fullmatch(address):
            raise SendError("the address is not an ntfy topic", permanent=True)
        if message.clears:
            return self._clear(message.clears, address, deadline)
        answer = self._publish(payload(message, address), deadline)
        if _is_too_large(answer) and len(clean(message.body).encode()) > SHORT_MESSAGE:
            answer = self._publish(payload(message, address, most=SHORT_MESSAGE), deadline)
        return _receipt(answer, address)

    def _publish(self, body: bytes, deadline: Deadline) -> calls.Answer:
        headers = {**ntfy_answers.authorization(), "Content-Type": "application/json"}
        url = f"{settings.NTFY_BASE_URL}/"
        return calls.request("POST", url, deadline=deadline, headers=headers, payload=body)

    def _clear(self, key: str, address: str, deadline: Deadline) -> Receipt:
        url = f"{settings.NTFY_BASE_URL}/{address}/{sequence_id(key)}/clear"
        answer = calls.request("PUT", url, deadline=deadline, headers=ntfy_answers.authorization())
        if answer.status in {404, 405}:
            return Receipt(text="the ntfy server is too old to clear messages (needs 2.16)")
        return Receipt() if answer.is_taken else _receipt(answer, address)


def sequence_id(key: str) -> str:
    """The message's name on the server: the same for the same key, of characters it allows."""
    plain = re.sub(r"[^-_A-Za-z0-9]", "-", key)
    return plain if 0 < len(plain) <= 64 else f"pp-{hashlib.sha256(key.encode()).hexdigest()[:40]}"


def payload(message: Message, topic: str, *, most: int = MOST_MESSAGE) -> bytes:
    """The JSON to publish, its message cut until message and JSON are within ntfy's limits."""
    values: dict[str, Any] = {
        "topic": topic,
        "title": clip(one_line(message.title), MOST_TITLE),
        "message": clip(clean(message.body) or one_line(message.title), most),
        "priority": min(5, max(1, message.priority)),
        "tags": list(message.tags),
        "sequence_id": sequence_id(message.key),
        "actions": _actions(message),
    }
    if message.open_url:
        values["click"] = message.open_url
    text = _dump(values)
    while len(text) > MOST_BODY and values["message"]:
        # Escapes make a character longer in JSON, so that one cut may not be enough.
        size = len(values["message"].encode())
        values["message"] = clip(values["message"], min(size // 2, size - len(text) + MOST_BODY))
        text = _dump(values)
    return text


def _dump(values: dict[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode()


def _actions(message: Message) -> list[dict[str, Any]]:
    """ntfy shows three buttons at most; Acknowledge is always the first."""
    buttons: list[dict[str, Any]] = []
    if message.answer_url:
        buttons.append(_button(Action(message.button, message.answer_url, is_post=True)))
        buttons[0] |= _to_topic(message)
    buttons += [_button(action) for action in message.actions]
    if message.open_url:
        buttons.insert(2, _button(Action(gettext("Open"), message.open_url)))
    return buttons[:3]


def _button(action: Action) -> dict[str, Any]:
    button = {"action": "view", "label": action.label, "url": action.url}
    if action.is_post:
        return {**button, "action": "http", "method": "POST", "clear": True}
    return button


def _to_topic(message: Message) -> dict[str, Any]:
    """Where phones cannot reach PagerPal, the answer waits in a topic of the server."""
    url = ntfy_answers.address()
    return {"url": url, "body": ntfy_answers.token_for(message.key)} if url else {}


def _is_too_large(answer: calls.Answer) -> bool:
    return answer.status == 413 or answer.json.get("code") in TOO_LARGE


def _receipt(answer: calls.Answer, topic: str) -> Receipt:
    """What the server's answer means; raises SendError when it did not take the message."""
    said = answer.json
    if answer.is_taken and said.get("id"):
        return Receipt(provider_id=one_line(str(said["id"]))[:200])
    if answer.is_taken:
        raise SendError(_instead_of_an_id(answer, topic))
    if 300 <= answer.status < 400:
        words = "the server redirects, which is never followed; check NTFY_BASE_URL"
        raise calls.refusal(answer, words)
    words = ntfy_answers.quoted(answer, topic)
    if answer.status in {401, 403}:
        signs_in = ntfy_answers.SIGNS_IN
        words = f"{words or 'not allowed'}; check {signs_in}, and who may use this topic"
    error = calls.refusal(answer, words)
    if answer.status == 429 and error.retry_after is None:
        error.retry_after = PAUSE_AT_LIMIT
    error.permanent = error.permanent or said.get("code") == DAILY_LIMIT
    raise error


def _instead_of_an_id(answer: calls.Answer, topic: str) -> str:
    """What a server said that took nothing, as far as anybody knows, although it answered 2xx."""
    if answer.text.lstrip().startswith("<"):
        return "a web page answered instead of an ntfy server; check NTFY_BASE_URL"
    words = ntfy_answers.quoted(answer, topic)
    return words or "an answer without a message id; it may have been sent"


register(Ntfy())
