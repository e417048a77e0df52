"""Addresses of the responder pages, and of the links in messages."""

from django.urls import path

from incidents import bulk_views, list_views, log_views, raise_views, views
from incidents.acts import ACTS

app_name = "incidents"

urlpatterns = [
    path("incidents", list_views.incident_list, name="list"),
    path("incidents/raise", raise_views.raise_incident, name="raise"),
    path("incidents/log", log_views.log, name="log"),
    path("incidents/log.csv", log_views.log_csv, name="log-csv"),
    path("incidents/<int:pk>/report", log_views.report, name="report"),
    path("incidents/together", bulk_views.together, name="together"),
    path("incidents/<int:pk>", views.detail, name="detail"),
    path("incidents/<int:pk>/note", views.note, name="note"),
    path("incidents/<int:pk>/status", views.status, name="status"),
    path("incidents/<int:pk>/deliveries/<int:message>/again", views.again, name="again"),
    *(path(f"incidents/<int:pk>/{act}", views.act, {"word": act}, name=act) for act in ACTS),
]
