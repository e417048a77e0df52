"""Reduces HTML to its text, in time that grows with its length only.

The standard library's HTMLParser needs minutes for some 64 kB that are made for it (unclosed tags
and comments are looked for again and again). Nothing here is shown as HTML: what is left over of
a broken tag is ugly, never dangerous.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

LONGEST = 256_000
MOST_HREF = 500

# A tag never holds another "<", so each character is looked at once.
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,15})([^<>]*)>")
# Their content is not for people; each is skipped to its end, or to the end of everything.
SKIPPED = {"script", "style", "head", "title", "template"}
BLOCKS = {
    *("p", "div", "br", "tr", "li", "ul", "ol", "table", "hr", "pre", "blockquote", "section"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "article", "header", "footer", "dt", "dd"),
}
HREF = re.compile(r"""href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
BLANKS = re.compile(r"[ \t\r\f\v\xa0\u200b-\u200d\u034f\ufeff\xad]+")


def text_of(markup: str) -> str:
    """The words of a page, one line for each block, addresses of links in brackets after them."""
    text = html.unescape("".join(_pieces(_without_comments(markup[:LONGEST]))))
    lines = (BLANKS.sub(" ", line).strip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _without_comments(markup: str) -> str:
    """Without comments, declarations and conditional sections; an unclosed one ends it all."""
    kept, at = [], 0
    while (start := markup.find("<!", at)) >= 0:
        kept.append(markup[at:start])
        closing = "-->" if markup.startswith("<!--", start) else ">"
        end = markup.find(closing, start + 2)
        if end < 0:
            return "".join(kept)
        at = end + len(closing)
    return "".join([*kept, markup[at:]])


def _pieces(markup: str) -> Iterator[str]:
    at, skipping, link = 0, "", ""
    for tag in TAG.finditer(markup):
        name, is_end = tag[2].lower(), bool(tag[1])
        if skipping:
            if is_end and name == skipping:
                skipping, at = "", tag.end()
            continue
        # A line break in the source is only a blank.
        yield markup[at : tag.start()].replace("\n", " ")
        at = tag.end()
        yield _shown_for(name, is_end, link)
        if name == "a":
            link = "" if is_end else _web_address(tag[3])
        skipping = name if name in SKIPPED and not is_end else ""
    if not skipping:
        yield markup[at:].replace("\n", " ")


def _shown_for(name: str, is_end: bool, link: str) -> str:
    if name in BLOCKS:
        return "\n"
    if is_end and name in {"td", "th"}:
        return " "
    return f" ({link})" if is_end and name == "a" and link else ""


def _web_address(attributes: str) -> str:
    found = HREF.search(attributes)
    address = next((value for value in found.groups() if value), "").strip() if found else ""
    is_web = address.lower().startswith(("http://", "https://"))
    return address if is_web and len(address) <= MOST_HREF else ""
