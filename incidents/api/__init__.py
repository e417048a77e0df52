"""The part of the API that is about incidents, policies and figures; imported at the first call."""

from incidents.api import acts, incidents, log, policies
from incidents.lifecycle import Refused

ROUTERS = (
    ("/incidents", incidents.router),
    ("/incidents", acts.router),
    ("/escalation-policies", policies.router),
    ("/log", log.router),
)
REFUSALS = (Refused,)
