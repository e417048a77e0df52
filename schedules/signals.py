"""What this floor tells the floors above, inside the transaction that does it."""

from django.dispatch import Signal

# A person was switched off or left a team. Arguments: user, team (None: all teams), now.
person_left = Signal()

# A team is about to be switched off. A receiver that objects returns one sentence that says why;
# whoever sends it then leaves the team on. Arguments: team.
team_closing = Signal()

# Who is on call when may have changed in these rotations, from now on: they, their members, windows
# or overrides, or somebody in them was switched off. Arguments: rotation_ids, now.
schedule_changed = Signal()

# Asked where a page shows people who are or will be on call: a receiver returns, by id, a few words
# about each whom no message could reach. Arguments: user_ids.
people_shown = Signal()
