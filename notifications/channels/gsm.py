"""What fits into a text message: the GSM alphabet, its parts, and a text cut to them."""

from __future__ import annotations

import unicodedata

# https://www.unicode.org/Public/MAPPINGS/ETSI/GSM0338.TXT
_ONE_UNIT = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_TWO_UNITS = frozenset("^{}\\[]~|€\f")
# One letter outside the alphabet makes every letter of the message cost double.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u2032`\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2022\u00b7", "-"),
        **dict.fromkeys("\u00a0\u2007\u2009\u202f\t", " "),
        **{"\u2026": "...", "\u2192": "->", "\u2190": "<-", "\u2265": ">=", "\u2264": "<="},
        "\u00d7": "x",
    }
)
ONE_GSM, MORE_GSM = 160, 153
ONE_WIDE, MORE_WIDE = 70, 67
CUT = "..."
# Pictures, what joins and colours them, and what stands for nothing.
_DROPPED = frozenset({"So", "Sk", "Cs", "Cn", "Cf", "Mn", "Me"})


def plain(text: str) -> str:
    """The same words in the alphabet of text messages, where it has them; without pictures."""
    return "".join(_plain(letter) for letter in text.translate(_PLAIN))


def _plain(letter: str) -> str:
    if letter in _ONE_UNIT or letter in _TWO_UNITS:
        return letter
    if unicodedata.category(letter) in _DROPPED:
        return ""
    kept = "".join(one for one in unicodedata.normalize("NFKD", letter) if one in _ONE_UNIT)
    return kept or letter


def parts(text: str) -> int:
    """As how many messages it is sent, and paid; each of several has a header of its own."""
    units = [1 if letter in _ONE_UNIT else 2 for letter in text]
    if all(letter in _ONE_UNIT or letter in _TWO_UNITS for letter in text):
        one, more = ONE_GSM, MORE_GSM
    else:
        units = [len(letter.encode("utf-16-le", "surrogatepass")) // 2 for letter in text]
        one, more = ONE_WIDE, MORE_WIDE
    return 1 if sum(units) <= one else _filled(units, more)


def _filled(units: list[int], most: int) -> int:
    """A letter of two units is never split: it begins the next part."""
    number, used = 1, 0
    for size in units:
        number, used = (number, used + size) if used + size <= most else (number + 1, size)
    return number


def fit(text: str, most: int, *, end: str = "") -> str:
    """The text with `end` behind it in at most `most` parts; the text is cut, never the end."""
    if parts(text + end) <= most:
        return text + end
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if parts(_cut(text, middle) + end) <= most:
            low = middle
        else:
            high = middle - 1
    return _cut(text, low) + end


def _cut(text: str, size: int) -> str:
    return f"{text[:size].rstrip()}{CUT}" if size else ""
