"""What the severity words of monitors mean here."""

from __future__ import annotations

from incidents.models import SEVERITY_RANK

_WORDS = {
    "critical": "critical crit page pager disaster emergency fatal p1 sev0 sev1",
    "high": "high error err major p2 sev2",
    "warning": "warning warn average minor degraded p3 sev3",
    "info": "info information notice none ok low p4 p5 sev4",
}
MEANING = {word: severity for severity, words in _WORDS.items() for word in words.split()}


def severity_of(word: str, default: str) -> str:
    """The severity a word stands for; the default when it is missing or unknown."""
    return MEANING.get(word.strip().lower(), default)


def worse(one: str, other: str) -> bool:
    return SEVERITY_RANK[one] < SEVERITY_RANK[other]
