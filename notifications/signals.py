"""What this floor tells the floors above, inside the transaction that does it."""

from django.dispatch import Signal

# Rows of these threads are about to change and notification_settled may follow: whoever keeps
# rows per thread locks them now. Arguments: threads (list of str).
threads_touched = Signal()

# A message was taken and has failed later: is it still worth saying? Whoever knows that it is not
# answers False. Arguments: notification.
still_wanted = Signal()

# A notification reached an end (sent, delivered, held, failed, cancelled by a lapsed lease) or an
# attempt failed. Arguments: notification (Notification, as stored), now.
notification_settled = Signal()

# Somebody answered from where they are: a text message, a button. Whoever knows what it is about
# acts, and returns one sentence that says what happened. Arguments: user, reply (replies.Reply),
# threads (those of the message it answers, if that is known), via, said_at, now.
answer_received = Signal()

# The link in a message was opened or answered by a browser or an app that holds it. Sent robustly:
# what its receivers run into never stands between a person and the button. Arguments: request.
link_opened = Signal()
