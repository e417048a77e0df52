"""PagerPal's admin site: its title, what its first page says, the order of its sections."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from pagerpal import admin_home, permissions


class PagerPalAdminSite(admin.AdminSite):
    site_header = "PagerPal"
    site_title = "PagerPal admin"
    index_title = "Set up"
    empty_value_display = "none"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Every model with the rules of `permissions` before its own."""
        guarded = permissions.guarded(admin_class or admin.ModelAdmin)
        super().register(model_or_iterable, guarded, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "opens_admin", False))

    @method_decorator(never_cache)
    @login_not_required
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """One door for all: PagerPal's own, with its throttling and its second factor."""
        if not request.user.is_authenticated:
            return redirect_to_login(request.GET.get(REDIRECT_FIELD_NAME, reverse("admin:index")))
        if not self.has_permission(request):
            raise PermissionDenied("Admins and leads of a team may open the admin.")
        return redirect("admin:index")

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        return redirect("account")

    def get_app_list(self, request: Any, app_label: str | None = None) -> list[Any]:
        found = super().get_app_list(request, app_label)
        if app_label is not None:
            return found
        return admin_home.in_sections(found, reverse("admin:index"))

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        found = admin_home.blocks(request.user, timezone.now())  # type: ignore[arg-type]
        return super().index(request, {**found, **(extra_context or {})})
