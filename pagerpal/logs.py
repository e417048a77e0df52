"""Keeps keys and answer links out of the logs."""

import logging
import re

# The path parts that are secrets: alert source keys, the tokens of answer links and of calendars.
SECRET_PATHS = re.compile(r"(/in/|/a/|/ical/)[A-Za-z0-9_:.%=-]{4,}")
# The same keys in mail addresses.
SECRET_ADDRESSES = re.compile(r"\b[A-Za-z0-9]{32}@")


def mask(text: str) -> str:
    return SECRET_ADDRESSES.sub("***@", SECRET_PATHS.sub(r"\1***", text))


class MaskSecrets(logging.Filter):
    """Rewrites a record's text before any handler sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        masked = mask(text)
        if masked != text:
            record.msg, record.args = masked, ()
        return True
