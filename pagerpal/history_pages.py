"""The history page of each setting in the admin: who changed what, when, from what to what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from schedules import setting_words
from schedules.models import SettingChange
from schedules.recorded import Recorded

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    AnyModelAdmin = object

PER_PAGE = 50


class TellsHistory(AnyModelAdmin):
    """Before a ModelAdmin: the history page of a setting says who changed what, and from what."""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not issubclass(self.model, Recorded):
            return super().history_view(request, object_id, extra_context)
        found = self.get_object(request, object_id)
        if found is None:
            raise Http404
        if not self.has_view_or_change_permission(request, found):
            raise PermissionDenied
        shown = self.admin_site.get_model_admin(SettingChange).get_queryset(request)
        page = Paginator(_about(shown, found), PER_PAGE).get_page(request.GET.get("p"))
        context = {
            **self.admin_site.each_context(request),
            "title": f"History: {found}",
            "opts": self.opts,
            "object": found,
            "page": page,
            "rows": [
                (
                    one,
                    setting_words.heading(one),
                    setting_words.sentence(one),
                    setting_words.lines(one),
                )
                for one in page.object_list
            ],
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/setting_history.html", context)


def _about(changes: QuerySet[SettingChange], found: Any) -> QuerySet[SettingChange]:
    """Its own lines and those of its parts."""
    name = found._meta.label_lower
    own = Q(model=name, row_id=found.pk)
    return changes.filter(own | Q(about_model=name, about_id=found.pk)).order_by("-pk")
