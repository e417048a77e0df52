"""The part of the API that is about where alerts come from; imported at the first call."""

from alertsources import matching, reprocessing, silences, switching, trying
from alertsources.api import alerts, silencing, sources

ROUTERS = (
    ("/alert-sources", sources.router),
    ("/incidents", alerts.router),
    ("/silences", silencing.router),
)
REFUSALS = (
    silences.Refused,
    switching.Refused,
    matching.BadMatcher,
    trying.NotTried,
    reprocessing.NotNow,
)
