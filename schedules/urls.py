"""Addresses of the calendar, of its feeds, and of who is on call for programs."""

from django.urls import path

from schedules import api, covers, feeds, views

app_name = "schedules"

urlpatterns = [
    path("calendar", views.calendar_page, name="calendar"),
    path("calendar/cover", covers.cover, name="cover"),
    path("calendar/covers/<int:pk>", covers.cover_change, name="cover_change"),
    path("calendar/feeds", feeds.new_link, name="new_link"),
    path("ical/<str:token>.ics", feeds.feed, name="feed"),
    path("api/v1/on-call", api.on_call, name="on_call_api"),
]
