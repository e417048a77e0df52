"""Where "Saved." waits for the next page: a cookie of our naming, or the session."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class NoticeCookie(CookieStorage):
    cookie_name = "__Host-notices" if settings.SESSION_COOKIE_SECURE else "notices"


class Notices(FallbackStorage):
    storage_classes = (NoticeCookie, SessionStorage)
