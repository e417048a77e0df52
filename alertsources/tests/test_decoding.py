"""What bytes mean, whatever their content type says."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from alertsources.decoding import decode

MULTIPART = (
    b'--b1\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    b'--b1\r\nContent-Disposition: form-data; name="x"; filename="a.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\ny\r\n--b1--\r\n"
)


@pytest.mark.parametrize("field", [b"data", b"payload"])
def test_a_form_may_hold_the_message_in_a_field(field: bytes) -> None:
    assert decode(MULTIPART % (field, b'{"a": [1]}')) == {"a": [1]}
    assert decode(field + b"=%7B%22a%22%3A%5B1%5D%7D") == {"a": [1]}
    assert decode(field + b'={"a": [1]}') == {"a": [1]}


def test_the_fields_of_any_other_form_are_the_message() -> None:
    assert decode(MULTIPART % (b"title", b"Disk full")) == {"title": "Disk full", "x": "y"}
    assert decode(b"title=Disk+full&status=&Tags=a%2Cb\n") == {
        "title": "Disk full",
        "status": "",
        "Tags": "a,b",
    }


@pytest.mark.parametrize(
    "body",
    [
        *(b"hello", b"a b=c", b"=", b"--", b"--\r\n", b"--b1\r\nno end", b"<x a=1>", b"\xff=\xfe "),
        *(b"data=hello", b'{"a": "b=c&d=e"', b"--b1\r\n\r\nx\r\n--b1--"),
    ],
)
def test_neither_json_nor_a_form_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        decode(body)


@pytest.mark.parametrize(
    "body",
    [
        b"a=1&" * 250_000 + b'"',
        b"--" + b"x" * 1_000_000,
        b"--a\r\n" * 200_000,
        b"&" * 1_000_000,
        b"=" * 1_000_000,
        b"a%" * 500_000,
    ],
)
def test_no_body_of_one_mebibyte_takes_long(body: bytes) -> None:
    begun = time.process_time()

    with suppress(ValueError):
        decode(body)

    assert time.process_time() - begun < 1
