"""What the admin's pages of this floor share."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from schedules.models import User

UNSAVED = "Shown once it is saved."


class NoDelete:
    """People, teams and rotations are switched off, so that history keeps its names."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def person_of(request: HttpRequest) -> User:
    """Who is signed in: the admin lets nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user
