"""What this floor tells the floors above, inside the transaction that does it."""

from django.dispatch import Signal

# A person was switched off or left a team. Arguments: user, team (None: all teams), now.
person_left = Signal()
