"""Gives bodies that come in chunks a length: without one Django reads nothing.

Some monitors send `Transfer-Encoding: chunked`, and under WSGI Django trusts Content-Length only.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LIMIT = 1024 * 1024


def dechunk(app: WSGIApplication, limit: int = LIMIT) -> WSGIApplication:
    """Wrap a WSGI application; a chunked body over the limit is answered 413."""

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _is_chunked(environ):
            # One byte more than allowed tells "too large" from "just fits".
            body = environ["wsgi.input"].read(limit + 1)
            if len(body) > limit:
                return _too_large(start_response, limit)
            environ["wsgi.input"] = io.BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        return app(environ, start_response)

    return wrapped


def _is_chunked(environ: WSGIEnvironment) -> bool:
    """Only where the server ends the input where the body ends: else a read would wait for ever."""
    return (
        "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        and bool(environ.get("wsgi.input_terminated"))
        and not environ.get("CONTENT_LENGTH")
    )


def _too_large(start_response: StartResponse, limit: int) -> list[bytes]:
    error = f"The message is larger than {limit} bytes; send fewer alerts at once."
    answer = json.dumps({"error": error}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
    start_response("413 Content Too Large", headers)
    return [answer]
