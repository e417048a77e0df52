"""The buttons of the admin that try a source out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone

from alertsources import awaiting, trying
from alertsources.models import AlertSource
from alertsources.trying import NotTried
from schedules.models import User

if TYPE_CHECKING:
    SourceModelAdmin = admin.ModelAdmin[AlertSource]
else:
    SourceModelAdmin = admin.ModelAdmin


class TrialTools(SourceModelAdmin):
    """Adds "Send test alert" to the admin of sources, as their own page has it."""

    change_form_template = "admin/alertsources/alertsource/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.test_view)
        name = "alertsources_alertsource_test"
        return [path("<int:pk>/test/", view, name=name), *super().get_urls()]

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        source = self.get_object(request, str(pk))
        if source is None:
            raise Http404
        if not self.has_change_permission(request, source):
            raise PermissionDenied
        assert isinstance(request.user, User)  # noqa: S101  the admin is behind the sign-in
        how = request.POST.get("how")
        runs_policy, now = how == "policy", timezone.now()
        try:
            if how == "await":
                said = awaiting.switch(source, request.user, is_on=True, now=now)
                self.message_user(request, said, messages.SUCCESS)
                return redirect("admin:alertsources_alertsource_change", pk)
            taken = trying.try_out(source, request.user, runs_policy=runs_policy, now=now)
        except NotTried as why:
            self.message_user(request, str(why), messages.ERROR)
        else:
            level = messages.SUCCESS if taken.incidents else messages.WARNING
            self.message_user(request, trying.in_words(taken, runs_policy=runs_policy), level)
        return redirect("admin:alertsources_alertsource_change", pk)
