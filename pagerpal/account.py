"""One's own account: the password, the browsers one is signed in with; links to choose one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import auth, messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.password_validation import (
    password_validators_help_texts,
    validate_password,
)
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from pagerpal import password_links, peers, second_factor, sign_ins, throttle
from pagerpal.api import tokens
from pagerpal.password_links import INVITATION, BadLink
from schedules import roles
from schedules.models import User

TOO_OFTEN = "Too many tries. Wait 15 minutes."
ASKED_TOO_OFTEN = "You have asked often enough: look at your mails, or wait an hour."


class NewPasswordForm(forms.Form):
    """One field: whoever mistypes it asks for another link."""

    password = forms.CharField(
        label="New password",
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.fields["password"].help_text = " ".join(password_validators_help_texts())

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password, self.user)
        return password


class TokenForm(forms.Form):
    name = forms.CharField(
        label="What it is for",
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="So that you know later which one to revoke.",
    )
    scope = forms.ChoiceField(
        label="It may", choices=[("read", "only read"), ("write", "read and write")]
    )
    days = forms.IntegerField(
        label="Days until it ends",
        min_value=1,
        max_value=tokens.LONGEST_DAYS,
        initial=tokens.DAYS,
    )


class ChangePasswordForm(NewPasswordForm):
    current = forms.CharField(
        label="Password until now",
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ["current", "password"]

    def clean_current(self) -> str:
        typed: str = self.cleaned_data["current"]
        if not throttle.take(throttle.PER_CODE, f"own:{self.user.pk}", now=timezone.now()):
            raise forms.ValidationError(TOO_OFTEN)
        if not self.user.check_password(typed):
            raise forms.ValidationError("That is not your password.")
        throttle.forget(throttle.PER_CODE, f"own:{self.user.pk}")
        return typed


class ForgottenForm(forms.Form):
    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )


def person_of(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  nobody else gets past the sign-in
    return request.user


# --- One's own page ------------------------------------------------------------------------------


@never_cache
@require_http_methods(["GET", "HEAD"])
def account(request: HttpRequest) -> HttpResponse:
    return shown(request)


@never_cache
@sensitive_post_parameters()
@require_POST
def change_password(request: HttpRequest) -> HttpResponse:
    """The other browsers are signed out; this one stays."""
    user = person_of(request)
    form = ChangePasswordForm(request.POST, user=user)
    if not form.is_valid():
        return shown(request, change=form)
    try:
        password_links.use(user, form.cleaned_data["password"])
    except BadLink:
        messages.error(request, "Your password was changed meanwhile: sign in with the new one.")
        return redirect("login")
    old_key = request.session.session_key
    auth.update_session_auth_hash(request, user)
    sign_ins.moved(old_key, request.session.session_key)
    sign_ins.end_all(user, besides=request.session.session_key)
    messages.success(request, "The password is changed. Your other browsers are signed out.")
    return redirect("account")


@never_cache
@require_POST
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    """Every browser of this person, this one too; or one of them, by its number."""
    user, number = person_of(request), request.POST.get("one", "")
    rows = [row for row in sign_ins.of(user) if not number or str(row.pk) == number]
    is_own = any(row.session_key == request.session.session_key for row in rows)
    ended = sign_ins.end_all(user) if not number else sign_ins.end(rows)
    if is_own or not number:
        auth.logout(request)
        messages.success(request, "You are signed out everywhere." if not number else "Signed out.")
        return redirect("login")
    messages.success(request, "Signed out there." if ended else "That one was signed out already.")
    return redirect("account")


@never_cache
@require_POST
def make_token(request: HttpRequest) -> HttpResponse:
    """The answer is this page with the token in it, which no other page shows again."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return shown(request, token_form=form)
    asked = form.cleaned_data
    how = {"scope": asked["scope"], "days": asked["days"], "now": timezone.now()}
    try:
        token, text = tokens.make(person_of(request), asked["name"], **how)
    except tokens.Refused as refused:
        form.add_error(None, refused.message)
        return shown(request, token_form=form)
    return shown(request, new_token=text, new_token_name=token.name)


@never_cache
@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    ended = tokens.revoke(person_of(request), pk)
    said = "Revoked: whatever used it is refused from now on." if ended else "It was gone already."
    messages.success(request, said)
    return redirect("account")


def shown(request: HttpRequest, **extra: Any) -> HttpResponse:
    user = person_of(request)
    context = {
        "section": "me",
        "change": ChangePasswordForm(user=user),
        "sign_ins": sign_ins.of(user),
        "second_factor": second_factor.is_on(user),
        "codes_left": second_factor.codes_left(user),
        "own_key": request.session.session_key,
        "tokens": list(tokens.of(user)),
        "token_form": TokenForm(),
        "now": timezone.now(),
        **extra,
    }
    return render(request, "access/account.html", context)


# --- Forgotten, and invited ----------------------------------------------------------------------


# Whoever forgot their password is not signed in.
@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Ask for a mail with a link; says the same whether anybody has this address or not."""
    form = ForgottenForm(request.POST or None)
    context: dict[str, Any] = {"form": form, "can_mail": password_links.can_mail()}
    if context["can_mail"] and form.is_valid():
        email, peer = form.cleaned_data["email"], peers.network_of(peers.address_of(request))
        if password_links.ask(email, peer, now=timezone.now()):
            context["asked"] = email
        else:
            form.add_error("email", ASKED_TOO_OFTEN)
    return render(request, "access/forgotten.html", context)


# The token is what lets them in; a look at the page changes nothing, as mail scanners look too.
# Without a referrer, which would hold the token, browsers send no origin that could be checked.
@csrf_exempt
@login_not_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def choose_password(request: HttpRequest, token: str) -> HttpResponse:
    response = _choose_password(request, token)
    response["Referrer-Policy"] = "no-referrer"
    return response


def _choose_password(request: HttpRequest, token: str) -> HttpResponse:
    try:
        user = password_links.person_of(token)
        form = NewPasswordForm(request.POST or None, user=user)
        if not form.is_valid():
            return render(request, "access/choose_password.html", {"form": form, "person": user})
        password_links.use(user, form.cleaned_data["password"])
    except BadLink:
        return render(request, "access/bad_link.html", status=410)
    sign_ins.end_all(user)
    messages.success(request, "The password is set. Sign in with it.")
    return redirect("login")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: HttpRequest, pk: int) -> HttpResponse:
    """For admins: a link with which this person chooses a password, shown this once."""
    if not roles.is_admin(person_of(request)):
        raise PermissionDenied("Admins make these links.")
    person = get_object_or_404(User, pk=pk, is_active=True)
    context: dict[str, Any] = {"person": person, "can_mail": password_links.can_mail()}
    context["second_factor"] = second_factor.is_on(person)
    if "second-step-off" in request.POST and person != request.user:
        second_factor.switch_off(person)
        messages.success(request, f"{person} signs in without the second step now.")
        return redirect("invite", pk)
    if request.method == "POST":
        context["link"] = password_links.make(person, INVITATION)
        context["is_mailed"] = context["can_mail"] and "mail" in request.POST
        if context["is_mailed"]:
            password_links.mail(person, INVITATION)
    return render(request, "access/invite.html", context)


urlpatterns = [
    path("me/account", account, name="account"),
    path("me/account/password", change_password, name="change_password"),
    path("me/account/sign-out", sign_out_everywhere, name="sign_out_everywhere"),
    path("me/account/tokens", make_token, name="make_token"),
    path("me/account/tokens/<int:pk>/revoke", revoke_token, name="revoke_token"),
    path("password", forgotten, name="forgotten"),
    path("password/<str:token>", choose_password, name="choose_password"),
    path("people/<int:pk>/link", invite, name="invite"),
]
