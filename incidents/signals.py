"""What this floor tells the floors above, inside the transaction that does it."""

from django.dispatch import Signal

# An incident was resolved, reopened, merged or split off. Sent by lifecycle right after it has
# locked the incidents and before it touches pages; the floor above moves, answers or frees its
# alerts and groups.
# Arguments: incident (locked), move ("resolved" | "reopened" | "merged" | "split"), by_monitor
# (bool), now; other, of the last two: the incident, locked too, that takes the alerts or gives
# them back.
# A receiver may raise `incidents.lifecycle.Refused` to refuse a reopen.
incident_moved = Signal()
