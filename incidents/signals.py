"""What this floor tells the floors above, inside the transaction that does it."""

from django.dispatch import Signal

# An incident was resolved or reopened. Sent by lifecycle right after it has locked the incident
# and before it touches pages; the floor above moves, answers or frees its alerts and groups.
# Arguments: incident (locked), move ("resolved" | "reopened"), by_monitor (bool), now.
# A receiver may raise `incidents.lifecycle.Refused` to refuse a reopen.
incident_moved = Signal()
