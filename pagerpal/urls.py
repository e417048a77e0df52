"""Every address of PagerPal."""

from django.contrib import admin
from django.urls import path

from pagerpal import health_views

urlpatterns = [
    path("admin/", admin.site.urls),
    *health_views.urlpatterns,
]
