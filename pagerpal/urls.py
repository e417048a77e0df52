"""Every address of PagerPal."""

from django.contrib import admin
from django.urls import include, path, re_path

from incidents.answer_all import answer_all
from incidents.views import answer
from notifications import hooks
from pagerpal import access, account, health_views, metrics_views, second_step, team_pages
from pagerpal.api import docs
from pagerpal.api.door import door
from pagerpal.dashboard import dashboard
from pagerpal.set_up import views as set_up
from pagerpal.system import views as system

urlpatterns = [
    path("", dashboard, name="home"),
    path("dashboard", dashboard, name="dashboard"),
    path("", include("incidents.urls")),
    path("", include("alertsources.urls")),
    path("", include("notifications.urls")),
    path("", include("schedules.urls")),
    path("a/all-<str:token>", answer_all, name="answer_all"),
    path("a/<str:token>", answer, name="answer"),
    *hooks.urlpatterns,
    *access.urlpatterns,
    *account.urlpatterns,
    *second_step.urlpatterns,
    *set_up.urlpatterns,
    *team_pages.urlpatterns,
    path("admin/", admin.site.urls),
    *health_views.urlpatterns,
    *metrics_views.urlpatterns,
    *system.urlpatterns,
    path("api/v1/docs", docs.docs, name="api-docs"),
    # All but the intake of alerts, which is above.
    re_path(r"^api/v1/?(?P<rest>.*)$", door, name="api"),
]
