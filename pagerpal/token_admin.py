"""API tokens in the admin: whose there are, and for admins how to revoke them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from pagerpal.models import ApiToken

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    TokenModelAdmin = admin.ModelAdmin[ApiToken]
else:
    TokenModelAdmin = admin.ModelAdmin


@admin.register(ApiToken)
class ApiTokenAdmin(TokenModelAdmin):
    """Made by their people alone, as nobody else may see them; to revoke is to delete."""

    list_display = ["name", "user", "scope", "expires_at", "last_used_at"]
    list_filter = ["scope"]
    list_select_related = ["user"]
    search_fields = ["name", "user__name", "user__email"]
    fields = ["name", "user", "masked", "scope", "created_at", "expires_at", "last_used_at"]

    @admin.display(description="token")
    def masked(self, token: ApiToken) -> str:
        return token.masked

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Whoever revokes it reads first when a program last came with it."""
        found, *others = super().get_deleted_objects(objs, request)
        return [*found, *map(_then, objs)], *others

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _then(token: ApiToken) -> str:
    used = token.last_used_at
    last = f"last used {timezone.localtime(used):%d %b %Y %H:%M}" if used else "never used so far"
    return f"Then every program that comes with {token} is refused at once: {last}."
