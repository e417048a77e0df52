"""The part of the API that is about how people are reached; imported at the first call."""

from notifications.api import channels, me, methods, notifications
from notifications.limits import Refused

ROUTERS = (
    ("/notifications", notifications.router),
    ("/me", me.router),
    ("/users", methods.router),
    ("/team-channels", channels.router),
)
REFUSALS = (Refused,)
