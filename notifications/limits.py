"""How often PagerPal writes to an address because somebody pressed a button: it floods nobody."""

from __future__ import annotations

from datetime import datetime, timedelta

from notifications.channels.texts import clean
from notifications.models import ContactMethod, Notification

A_MINUTE = timedelta(minutes=1)
AN_HOUR = timedelta(hours=1)
MOST_AN_HOUR = 5
# To all addresses that one person enters, one after the other.
MOST_OF_ONE_PERSON = 20


class Refused(Exception):
    """Not done; the message says why, for whoever asked."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def check(method: ContactMethod, purpose: str, *, now: datetime) -> None:
    """Let one message to this address through a minute and five an hour, twenty of one person.

    Raises Refused. Holds, until the caller's transaction ends, whatever else asks the same of this
    address, of any person.
    """
    same = ContactMethod.objects.filter(channel=method.channel, address=method.address)
    list(same.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    # What is asked for is said once, so that it is found by its void_at.
    sent = Notification.objects.filter(
        purpose=purpose, void_at__gt=now - AN_HOUR, created_at__gt=now - AN_HOUR
    )
    if sent.filter(user=method.user_id).count() >= MOST_OF_ONE_PERSON:
        raise Refused(f"{MOST_OF_ONE_PERSON} within an hour are enough. Try again later.")
    there = sent.filter(channel=method.channel, address=clean(method.address))
    times = list(there.order_by("-created_at").values_list("created_at", flat=True)[:MOST_AN_HOUR])
    if times and now - times[0] < A_MINUTE:
        seconds = (times[0] + A_MINUTE - now).seconds
        raise Refused(f"One was sent to this address just now. Again in {seconds} seconds.")
    if len(times) == MOST_AN_HOUR:
        minutes = (times[-1] + AN_HOUR - now).seconds // 60 + 1
        raise Refused(f"{MOST_AN_HOUR} were sent to this address. Again in {minutes} minutes.")
