"""Keeps keys and answer links out of the logs."""

import logging
import re

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
