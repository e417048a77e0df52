"""From the bytes of a request to the value in them, whatever its content type says."""

from __future__ import annotations

import json
import re
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

# What a field of a form is called when it holds the whole message as JSON.
MESSAGE_FIELDS = ("data", "payload")

# As browsers and programs write them: names and values without spaces, quotes or lines.
NAME, VALUE = rb"[\w.%+~*\[\]-]+", rb"[^\s\"<>{}&]*"
FORM = re.compile(rb"%b=%b(&%b=%b)*" % (NAME, VALUE, NAME, VALUE), re.ASCII)
MOST_FIELDS = 200


def decode(body: bytes) -> Any:
    """The JSON in a body: UTF-8, -16 or -32, with or without a byte order mark, or in a form.

    Bytes that are no text become replacement characters: a title with a hole pages better than
    no title. The text of a ValueError says what is wrong.
    """
    try:
        return _json(body)
    except ValueError as error:
        trouble = error
    fields = _form(body)
    if not fields:
        raise trouble
    for name in MESSAGE_FIELDS:
        if name in fields:
            return _json(fields[name].encode("utf-8", "surrogatepass"))
    return fields


def text_of_body(body: bytes) -> str:
    """The body as text, for whoever looks for words in what is no JSON."""
    return body.decode(json.detect_encoding(body), "replace")


def _json(body: bytes) -> Any:
    try:
        return json.loads(text_of_body(body))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise ValueError(f"it is not JSON ({error.msg}, {where})") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError:
        raise ValueError("it holds a number that is too long") from None


def _form(body: bytes) -> dict[str, str]:
    """The fields of a form of either type, told by its bytes; of several with one name the last.

    The boundary is its first line, so a body that was stored reads as it did when it came.
    """
    start = body[:1000].lstrip()
    if start.startswith(b"--"):
        return _multipart(body, start.partition(b"\n")[0].strip()[2:])
    if FORM.fullmatch(body.strip()) or start.startswith((b"data=", b"payload=")):
        found = parse_qsl(body.decode("utf-8", "replace").strip(), keep_blank_values=True)
        return dict(found[:MOST_FIELDS])
    return {}


def _multipart(body: bytes, boundary: bytes) -> dict[str, str]:
    if not boundary:
        return {}
    fields: dict[str, str] = {}
    for part in body.split(b"--" + boundary)[1:MOST_FIELDS]:
        head, has_body, value = part.lstrip(b"\r\n").partition(b"\r\n\r\n")
        if not has_body:
            continue
        name = (
            BytesParser(policy=HTTP)
            .parsebytes(head, headersonly=True)
            .get_param("name", header="content-disposition")
        )
        if isinstance(name, str):
            fields[name] = value.removesuffix(b"\r\n").decode("utf-8", "replace")
    return fields
