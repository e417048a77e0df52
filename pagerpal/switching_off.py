"""The admin's page before a setting goes: where it is used, and that most are only switched off."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from alertsources import switching
from alertsources.models import AlertSource
from notifications.models import TeamChannel
from pagerpal import uses
from schedules import editing
from schedules.models import Rotation, Team, User
from schedules.signals import team_closing

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    AnyModelAdmin = object

# Why they stay, for whoever looks for the button that is not there.
NEVER_DELETED = {
    Rotation: "Rotations are switched off, never deleted: past shifts go on naming them.",
    Team: "Teams are switched off, never deleted: their incidents go on naming them.",
    User: "People are switched off, never deleted: the history goes on naming them.",
    TeamChannel: "Rooms are switched off, never deleted: the log goes on naming them.",
    AlertSource: "Sources are switched off, never deleted: incidents go on naming them.",
}
FLAGS = ("is_active", "is_on")
MOST_TOLD = 5


class Goes(AnyModelAdmin):
    """Before a ModelAdmin: says where a setting is used before it is deleted or switched off."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Not many at once: what each is used for has to be read."""
        found = super().get_actions(request)
        if self.model in uses.FINDERS:
            found.pop("delete_selected", None)
        return found

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Beside the box that switches it off: what names it, read before it is unticked."""
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        if obj is None or obj.pk is None or self.model not in NEVER_DELETED or not _is_on(obj):
            return form
        box = form.base_fields.get(_flag(obj))
        used = uses.of(obj) if box and request.method == "GET" else []
        if used:
            told = [f"{use.where}: {use.then}" for use in used[:MOST_TOLD]]
            told += [f"and {len(used) - MOST_TOLD} more"] * (len(used) > MOST_TOLD)
            box = copy(box)
            # As text: Django shows help as mark-up, and people choose these names.
            said = escape(f"Switched off, it is still named by {'; '.join(told)}.")
            box.help_text = f"{box.help_text} {said}".strip()
            form.base_fields = {**form.base_fields, _flag(obj): box}
        return form

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        found = context.get("original")
        if found and _is_on(found) and self._may_switch(request, found):
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_delete"
            context["switch_off_url"] = reverse(name, args=[found.pk])
        return super().render_change_form(request, context, *args, **kwargs)

    def _may_switch(self, request: HttpRequest, found: Any) -> bool:
        if self.model not in NEVER_DELETED or found == request.user:
            return False
        return self.has_change_permission(request, found)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if self.model not in uses.FINDERS:
            return super().delete_view(request, object_id, extra_context)
        found = self.get_object(request, object_id)
        if found is None:
            raise Http404
        used = uses.of(found)
        if self.model not in NEVER_DELETED:
            return super().delete_view(request, object_id, {**(extra_context or {}), "uses": used})
        if not self._may_switch(request, found):
            raise PermissionDenied
        # People go by an action of their list, which also asks who takes over.
        if request.method == "POST" and not isinstance(found, User):
            return self._go(request, found)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Switch off {found}?" if _is_on(found) else f"{found} is switched off",
            "opts": self.opts,
            "object": found,
            "is_on": _is_on(found),
            "why": NEVER_DELETED[self.model],
            "uses": used,
            "is_person": isinstance(found, User),
        }
        return TemplateResponse(request, "admin/switch_off.html", context)

    def _go(self, request: HttpRequest, found: Any) -> HttpResponse:
        by: User = request.user  # type: ignore[assignment]
        objections = _switch_off(found, by) if _is_on(found) else []
        for why in objections:
            self.message_user(request, why, messages.ERROR)
        if not objections:
            self.message_user(request, f"{found} is switched off.", messages.SUCCESS)
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", found.pk)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Whoever switches it off in its form reads the same, after it."""
        super().save_related(request, form, formsets, change)
        goes = change and set(FLAGS) & set(form.changed_data) and not _is_on(form.instance)
        if goes and self.model in NEVER_DELETED:
            for use in uses.of(form.instance):
                text = f"Still named by {use.where}: {use.then}."
                self.message_user(request, text, messages.WARNING)


def _flag(found: Any) -> str:
    return next(name for name in FLAGS if hasattr(found, name))


def _is_on(found: Any) -> bool:
    return any(getattr(found, name, False) for name in FLAGS)


def _switch_off(found: Any, by: User) -> list[str]:
    """Why it stays on; nothing when it is off now."""
    now = timezone.now()
    if isinstance(found, AlertSource):
        switching.switch_off(found)
        return []
    with transaction.atomic():
        if isinstance(found, Team):
            answers = team_closing.send(sender=Team, team=found)
            if objections := [why for _, why in answers if why]:
                return objections
        change = editing.begin(found, now=now) if isinstance(found, Rotation) else None
        setattr(found, _flag(found), False)
        found.save(update_fields=[_flag(found)])
        if change:
            change.finish(by=by, now=now)
    return []
