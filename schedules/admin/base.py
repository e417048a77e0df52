"""What the admin's pages of this floor share."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from schedules.models import User


class NoDelete:
    """People, teams and rotations are switched off, so that history keeps its names."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def without_side_doors(field: Any) -> None:
    """No icons beside a choice that add, change or show another person or team."""
    if field is not None:
        for door in ("add", "change", "view", "delete"):
            setattr(field.widget, f"can_{door}_related", False)


def person_of(request: HttpRequest) -> User:
    """Who is signed in: the admin lets nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user
