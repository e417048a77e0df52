"""The life of an incident: which states follow which, and the only code that changes them.

Every act locks the incident row first, so of two people who act together one is first and the
other is told so. Once an act that ends paging has committed, no notification of that incident
can be claimed: the same transaction cancels them.
"""

from incidents.lifecycle.acting import ALLOWED, Actor, Moved, Refused, are_on, on_locked
from incidents.lifecycle.answering import (
    acknowledge,
    reopen,
    resolve,
    resolve_locked,
    snooze,
    take_over,
)
from incidents.lifecycle.growing import GROWTH_PAUSE, change_severity, join, owner_was_not_told
from incidents.lifecycle.merging import merge, split
from incidents.lifecycle.noting import add_note, mark_noise
from incidents.lifecycle.opening import Opening, open_incident, open_incidents, urgency_of
from incidents.lifecycle.paging import (
    RUN_DUE_STEPS,
    escalate_now,
    give,
    put_off,
    release,
    unacknowledge,
)
from incidents.lifecycle.promising import Promise, ask_next, count_to_ask, look_again, until

__all__ = [
    "ALLOWED",
    "GROWTH_PAUSE",
    "RUN_DUE_STEPS",
    "Actor",
    "Moved",
    "Opening",
    "Promise",
    "Refused",
    "acknowledge",
    "add_note",
    "are_on",
    "ask_next",
    "change_severity",
    "count_to_ask",
    "escalate_now",
    "give",
    "join",
    "look_again",
    "mark_noise",
    "merge",
    "on_locked",
    "open_incident",
    "open_incidents",
    "owner_was_not_told",
    "put_off",
    "release",
    "reopen",
    "resolve",
    "resolve_locked",
    "snooze",
    "split",
    "take_over",
    "unacknowledge",
    "until",
    "urgency_of",
]
