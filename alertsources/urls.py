"""Where alerts come in, with and without a slash at the end, and what their incident shows of them.

No redirect here: it would turn a monitor's POST into a GET.
"""

from django.urls import path, re_path

from alertsources import ingest, views

app_name = "alertsources"
urlpatterns = [
    re_path(r"^api/v1/alerts/?$", ingest.receive, name="alerts"),
    re_path(r"^api/v1/alerts/(?P<kind>[^/]+)/?$", ingest.receive, name="alerts-of-kind"),
    re_path(r"^in/(?P<key>[^/]+)/?$", ingest.receive, name="in"),
    path("incidents/<int:pk>/alerts", views.incident_alerts, name="incident-alerts"),
]
