"""The buttons below the list, for several incidents together."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from incidents import acts
from incidents.lifecycle import Actor
from incidents.models import Incident
from incidents.signed_out import survives
from incidents.wishes import number
from schedules.models import User

TOGETHER = ("acknowledge", "resolve")
# No page of the list shows more.
MOST = 200


@survives
@require_POST
def together(request: HttpRequest) -> HttpResponse:
    """Acknowledge or resolve what was ticked, each by itself, and say how many that was."""
    user: User = request.user  # type: ignore[assignment]
    word = request.POST.get("act", "")
    asked = {number(text) for text in request.POST.getlist("incident")[:MOST]} - {0}
    if word not in TOGETHER:
        messages.error(request, "Unknown act: nothing was changed.")
    elif not asked:
        messages.error(request, "Tick the incidents first: nothing was changed.")
    else:
        _do(request, user, word, asked)
    following = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(following, {request.get_host()}):
        return HttpResponseRedirect(following)
    return redirect("incidents:list")


def _do(request: HttpRequest, user: User, word: str, asked: set[int]) -> None:
    found = Incident.objects.visible_to(user).filter(pk__in=asked).order_by("pk")
    ids = [incident.pk for incident in found if acts.may_act(user, incident)]
    by = Actor.person(user, "page")
    said, refused = acts.perform_each(word, ids, by=by, now=timezone.now())
    if said:
        messages.success(request, said)
    for why in refused:
        messages.error(request, why)
    if left := len(asked) - len(ids):
        messages.warning(request, f"{left} are not yours to act on: left as they were.")
