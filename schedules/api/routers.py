"""The part of the API that is about people, teams and schedules."""

from schedules.api import covers, duty, feeds, people, rotations, teams
from schedules.covering import Refused

ROUTERS = (
    ("/teams", teams.router),
    ("/users", people.router),
    ("/rotations", rotations.router),
    ("/overrides", covers.router),
    ("", duty.router),
    ("/calendar-feeds", feeds.router),
)
REFUSALS = (Refused,)
