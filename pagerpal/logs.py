"""How a line of the log looks, as text or as JSON, and how keys and answer links are kept out."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from schedules import about

# Each leaves its first group and replaces the secret after it.
SECRETS = (
    # Path parts: alert source keys, the tokens of answer links and of calendars; a key that was
    # put where the kind of a source belongs.
    re.compile(
        r"(/in/|/a/|/me/got-it/|/ical/|/hooks/infobip/[a-z]+/|/password/|/team/enter/)[A-Za-z0-9_:.%=-]{4,}"
    ),
    re.compile(r"(/api/v1/alerts/)[A-Za-z0-9]{24,}"),
    # Parameters of a query or a form.
    re.compile(
        r"((?<![A-Za-z0-9])(?:api_?key|key|auth_token|token)=)[^&\s\"'<>,;)]+", re.IGNORECASE
    ),
    # Headers, as text or as they stand in a dictionary.
    re.compile(
        r"((?<![A-Za-z0-9])(?:HTTP_)?(?:X[-_](?:API|ALERT[-_]SOURCE|ROUTING)[-_]KEY)"
        r"['\"]?\s*[:=]\s*b?['\"]?)[^\s'\",;)]+",
        re.IGNORECASE,
    ),
    re.compile(
        r"(Authorization['\"]?\s*[:=]\s*b?['\"]?(?:[A-Za-z]+ +)?)[^\s'\",;)]+", re.IGNORECASE
    ),
    re.compile(r"(\b(?:Bearer|GenieKey|Basic) +)(?=[^\s]*[0-9A-Z=])[A-Za-z0-9+/._~=-]{8,}"),
    # Tokens of people for the API, wherever they stand.
    re.compile(r"(\bpp_)[A-Za-z0-9]{20,}"),
    # Alert source keys in mail addresses; user and password of a web address.
    re.compile(r"()\b[A-Za-z0-9]{32}(?=@)"),
    re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@'\"]+(?=@)", re.IGNORECASE),
)
_plain = logging.Formatter()


def mask(text: str) -> str:
    for secret in SECRETS:
        text = secret.sub(r"\1***", text)
    return text


class MaskSecrets(logging.Filter):
    """Rewrites a record's text before any handler sees it, and that of its exception."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        masked = mask(text)
        if masked != text:
            record.msg, record.args = masked, ()
        if record.exc_info and not record.exc_text:
            record.exc_text = mask(_plain.formatException(record.exc_info))
        return True


FORMATS = ("text", "json")
INCIDENT = "incident:"
# What this process is for; `play` says it, and whatever is forked from here on keeps it.
_role = "command"
_format = "text"


def play(role: str) -> None:
    """From now on this process, and whatever it forks, is the `web`, the `worker` ..."""
    global _role
    _role = role


def is_json() -> bool:
    return _format == "json"


def config(form: str, level: str) -> dict[str, Any]:
    """For logging.config.dictConfig: one handler, to standard error, for all that is said."""
    global _format
    _format = form
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"masked": {"()": "pagerpal.logs.MaskSecrets"}},
        "formatters": {
            "text": {"()": "pagerpal.logs.Text"},
            "json": {"()": "pagerpal.logs.Json"},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "filters": ["masked"],
                "formatter": form,
            },
        },
        "loggers": {
            # Each task and each process of the pool would be a line.
            "django-q": {"level": "WARNING"},
            # It comes with a handler of its own, which would write beside ours.
            "gunicorn.error": {"level": "WARNING", "handlers": [], "propagate": True},
        },
        "root": {"handlers": ["console"], "level": level},
    }


def context(record: logging.LogRecord) -> dict[str, Any]:
    """The request and the incident, or other thread of messages, that a line is about."""
    found: dict[str, Any] = {}
    # Django says that an answer is an error after the request has left all middleware.
    request = getattr(record, "request", None)
    if asked := getattr(request, "request_id", "") or about.request_id.get():
        found["request_id"] = asked
    thread = about.thread.get()
    number = thread.removeprefix(INCIDENT)
    if thread.startswith(INCIDENT) and number.isdecimal():
        found["incident"] = int(number)
    elif thread:
        found["about"] = thread
    return found


class Text(logging.Formatter):
    """A line for people, which names at its end the request and the incident, if there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s%(said)s")

    def format(self, record: logging.LogRecord) -> str:
        said = " ".join(f"{name}={value}" for name, value in context(record).items())
        record.said = f" [{said}]" if said else ""
        return super().format(record)


class Json(logging.Formatter):
    """A line for programs: one JSON object, in ASCII, whatever is in the message."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "role": _role,
            "pid": record.process,
            **context(record),
        }
        if record.exc_text or record.exc_info:
            line["error"] = record.exc_text or self.formatException(record.exc_info)  # type: ignore[arg-type]
        if record.stack_info:
            line["stack"] = mask(record.stack_info)
        return json.dumps(line)
