"""What the admin's pages of this floor share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.widgets import AutocompleteSelect
from django.forms import ModelChoiceField
from django.http import HttpRequest

from schedules.models import User

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    AnyAdmin = BaseModelAdmin[Any]
else:
    AnyAdmin = BaseModelAdmin


class NoDelete:
    """People, teams and rotations are switched off, so that history keeps its names."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class SturdyAutocomplete(AutocompleteSelect):
    """The admin's own fails on a value that is no number, from an address or a made-up form."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        return super().optgroups(name, [one for one in value if str(one).isdecimal()], attr)


class ChoosesSturdily(AnyAdmin):
    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", SturdyAutocomplete(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


def without_side_doors(field: Any) -> None:
    """No icons beside a choice that add, change or show another person or team."""
    if field is not None:
        for door in ("add", "change", "view", "delete"):
            setattr(field.widget, f"can_{door}_related", False)


def person_of(request: HttpRequest) -> User:
    """Who is signed in: the admin lets nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user
