"""What leads and admins do to a source: make it, change it, its key, switch it, try it out."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from alertsources import awaiting, keys, switching, trying
from alertsources.models import AlertSource
from alertsources.source_pages import once, sight
from alertsources.source_pages.form import SourceForm, change, create
from alertsources.trying import NotTried

PAGE = "alertsources:source"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def source_new(request: HttpRequest) -> HttpResponse:
    user = sight.person_of(request)
    if not sight.teams_led(user).exists():
        raise PermissionDenied("Leads of a team and admins make its alert sources.")
    form = SourceForm(request.POST if request.method == "POST" else None, user=user)
    if form.is_valid() and (key := create(form)):
        source = form.instance
        _log(request, source, "Made on its page.", ADDITION)
        messages.success(request, f"{source} is ready. Its key is shown only now.")
        once.show_once(request, source, key)
        return redirect(PAGE, source.pk)
    return render(request, "alertsources/source_form.html", {"section": "sources", "form": form})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def source_edit(request: HttpRequest, pk: int) -> HttpResponse:
    source = sight.changeable(request, pk)
    user = sight.person_of(request)
    posted = request.POST if request.method == "POST" else None
    form = SourceForm(posted, instance=source, user=user)
    if form.is_valid() and change(form):
        names = ", ".join(str(form[name].label).lower() for name in form.changed_data)
        _log(request, form.instance, f"Changed on its page: {names or 'nothing'}.")
        messages.success(request, "Saved. It holds for what comes from now on.")
        return redirect(PAGE, pk)
    context = {"section": "sources", "form": form, "source": AlertSource.objects.get(pk=pk)}
    return render(request, "alertsources/source_form.html", context)


@require_POST
def source_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Another key; the old one works until its change-over ends, or not any more if asked."""
    source = sight.changeable(request, pk)
    at_once = bool(request.POST.get("at_once"))
    key = keys.change_key(
        source, seen=request.POST.get("seen", ""), now=timezone.now(), at_once=at_once
    )
    if key is None:
        messages.warning(request, "The key was changed a moment ago: nothing was done.")
        return redirect(PAGE, pk)
    _log(request, source, "New key.")
    messages.success(request, "The old key works no more." if at_once else keys.OVERLAP_SAID)
    once.show_once(request, source, key)
    return redirect(PAGE, pk)


@require_POST
def source_switch(request: HttpRequest, pk: int) -> HttpResponse:
    source = sight.changeable(request, pk)
    is_on = request.POST.get("to") == "on"
    try:
        changed = switching.switch_on(source) if is_on else switching.switch_off(source)
    except switching.Refused as refused:
        messages.error(request, str(refused))
        return redirect(PAGE, pk)
    word = "on" if is_on else "off"
    if changed:
        _log(request, source, f"Switched {word}.")
    messages.success(request, f"{source.name} is switched {word}.")
    return redirect(PAGE, pk)


@require_POST
def source_test(request: HttpRequest, pk: int) -> HttpResponse:
    """A test alert, which pages whoever presses; the policy runs only where that is said.

    Or the sender's own test, which is awaited.
    """
    source = sight.changeable(request, pk)
    how = request.POST.get("how")
    runs_policy = how == "policy"
    user = sight.person_of(request)
    try:
        if how in {"await", "stop"}:
            said = awaiting.switch(source, user, is_on=how == "await", now=timezone.now())
            messages.success(request, said)
            return redirect(PAGE, pk)
        taken = trying.try_out(source, user, runs_policy=runs_policy, now=timezone.now())
    except NotTried as why:
        messages.error(request, str(why))
    else:
        level = messages.SUCCESS if taken.incidents else messages.WARNING
        messages.add_message(request, level, trying.in_words(taken, runs_policy=runs_policy))
    return redirect(PAGE, pk)


def _log(request: HttpRequest, source: AlertSource, text: str, flag: int = CHANGE) -> None:
    """Where the admin keeps its history, so that there is one."""
    by = sight.person_of(request)
    LogEntry.objects.log_actions(by.pk, [source], flag, text, single_object=True)
