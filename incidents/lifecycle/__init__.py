"""The life of an incident: which states follow which, and the only code that changes them.

Every act locks the incident row first, so of two people who act together one is first and the
other is told so. Once an act that ends paging has committed, no notification of that incident
can be claimed: the same transaction cancels them.
"""

from incidents.lifecycle.acting import ALLOWED, Actor, Moved, Refused
from incidents.lifecycle.answering import acknowledge, reopen, resolve, resolve_locked
from incidents.lifecycle.growing import GROWTH_PAUSE, join, owner_was_not_told
from incidents.lifecycle.noting import add_note
from incidents.lifecycle.opening import Opening, open_incident, open_incidents, urgency_of
from incidents.lifecycle.paging import RUN_DUE_STEPS, escalate_now, release

__all__ = [
    "ALLOWED",
    "GROWTH_PAUSE",
    "RUN_DUE_STEPS",
    "Actor",
    "Moved",
    "Opening",
    "Refused",
    "acknowledge",
    "add_note",
    "escalate_now",
    "join",
    "open_incident",
    "open_incidents",
    "owner_was_not_told",
    "release",
    "reopen",
    "resolve",
    "resolve_locked",
    "urgency_of",
]
