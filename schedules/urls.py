"""Addresses of the calendar and of its feeds."""

from django.urls import path

from schedules import covers, feeds, views

app_name = "schedules"

urlpatterns = [
    path("calendar", views.calendar_page, name="calendar"),
    path("calendar/cover", covers.cover, name="cover"),
    path("calendar/covers/<int:pk>", covers.cover_change, name="cover_change"),
    path("calendar/feeds", feeds.new_link, name="new_link"),
    path("ical/<str:token>.ics", feeds.feed, name="feed"),
]
