"""Addresses of a person's own page, and of the link in a test."""

from django.urls import path

from notifications import me, me_acts

app_name = "notifications"

urlpatterns = [
    path("me", me.page, name="me"),
    path("me/methods", me_acts.add_method, name="add_method"),
    path("me/methods/<int:pk>/<slug:word>", me_acts.act_on_method, name="method"),
    path("me/rules", me_acts.add_rule, name="add_rule"),
    path("me/rules/<int:pk>", me_acts.change_rule, name="rule"),
    path("me/rules/<int:pk>/remove", me_acts.remove_rule, name="remove_rule"),
    path("me/progress", me.progress, name="progress"),
    path("me/page-now", me_acts.page_now, name="page_now"),
    path("me/got-it", me_acts.stop, name="stop"),
    path("me/got-it/<str:token>", me_acts.got_it, name="got_it"),
]
