"""Where alerts come in, with and without a slash at the end, and what their incident shows of them.

No redirect here: it would turn a monitor's POST into a GET.
"""

from django.urls import path, re_path

from alertsources import ingest, opsgenie, views
from alertsources.source_pages import acts
from alertsources.source_pages import views as pages

NUMBER = r"(?P<pk>\d{1,18})"

app_name = "alertsources"
urlpatterns = [
    re_path(r"^api/v1/alerts/?$", ingest.receive, name="alerts"),
    re_path(r"^api/v1/alerts/(?P<kind>[^/]+)/?$", ingest.receive, name="alerts-of-kind"),
    re_path(r"^opsgenie/v2/alerts/?$", opsgenie.create, name="opsgenie"),
    # An alias may hold slashes.
    re_path(
        r"^opsgenie/v2/alerts/(?P<identifier>.+)/(?P<action>[a-z]+)/?$",
        opsgenie.act,
        name="opsgenie-act",
    ),
    re_path(r"^in/(?P<key>[^/]+)/?$", ingest.receive, name="in"),
    path("incidents/<int:pk>/silence", views.silence_incident, name="silence_incident"),
    path("alert-sources", pages.source_list, name="sources"),
    path("alert-sources/new", acts.source_new, name="source_new"),
    path("alert-sources/<int:pk>", pages.source_page, name="source"),
    path("alert-sources/<int:pk>/live", pages.source_live, name="source_live"),
    path("alert-sources/<int:pk>/edit", acts.source_edit, name="source_edit"),
    path("alert-sources/<int:pk>/key", acts.source_key, name="source_key"),
    path("alert-sources/<int:pk>/switch", acts.source_switch, name="source_switch"),
    path("alert-sources/<int:pk>/test", acts.source_test, name="source_test"),
    path(
        "alert-sources/<int:pk>/messages/<int:number>", pages.source_message, name="source_message"
    ),
    path("silences/<int:pk>/end", views.end_silence, name="end_silence"),
    path("incidents/<int:pk>/alerts", views.incident_alerts, name="incident-alerts"),
]
