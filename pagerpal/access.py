"""Signing in and out, and the first-run screen that makes the first admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import auth, messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.password_validation import (
    password_validators_help_texts,
    validate_password,
)
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from pagerpal import first_run, known_browsers, peers, second_factor, second_step, throttle
from schedules import zones
from schedules.forms import ZoneSelect
from schedules.models import User, validate_zone

WRONG_CODE = 'That is not the code. The server\'s log has it, in the line that begins "First run".'
TOO_MANY = (
    "Too many wrong codes. Wait 10 minutes, or run manage.py create_admin --email on the server."
)


TOO_MANY_TRIES = (
    "Too many tries. Wait 15 minutes, or ask for a new password: that ends the wait at once."
)


class SignInForm(AuthenticationForm):
    """Each try is counted before the password is looked at: for the address it comes from, and
    for the account, or for the browser in which that account was signed in before."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "No active person has this e-mail address and password.",
    }
    is_refused = False

    def clean(self) -> dict[str, Any]:
        assert self.request  # noqa: S101  the view gives it
        email = str(self.cleaned_data.get("username", ""))
        peer = peers.network_of(peers.address_of(self.request))
        known = known_browsers.number_of(self.request, email)
        now = timezone.now()
        if known:
            limit, key = throttle.PER_BROWSER, known
            may_try = True
        else:
            limit, key = throttle.PER_ACCOUNT, email
            may_try = throttle.take(throttle.PER_ADDRESS, peer, now=now)
        self.is_refused = not (may_try and throttle.take(limit, key, now=now))
        if self.is_refused:
            raise forms.ValidationError(TOO_MANY_TRIES)
        cleaned = super().clean()
        if not known:
            throttle.give_back(throttle.PER_ADDRESS, peer)
        throttle.forget(limit, key)
        return cleaned

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "E-mail"
        self.fields["username"].widget.input_type = "email"


class FirstRunForm(forms.Form):
    code = forms.CharField(
        label="One-time code",
        max_length=40,
        help_text="It is in the server's log, because only who runs the server can read that.",
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )
    name = forms.CharField(
        label="Your name", max_length=80, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
        help_text="You sign in with it.",
    )
    password = forms.CharField(
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    time_zone = forms.CharField(
        initial=zones.of_this_machine,
        validators=[validate_zone],
        widget=ZoneSelect,
        help_text="Times are shown to you in it.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = " ".join(password_validators_help_texts())
        if not self.is_bound:
            self.fields["time_zone"].widget.attrs["data-guess-zone"] = ""

    def clean_code(self) -> str:
        now = timezone.now()
        if first_run.tries.are_used_up(now):
            raise forms.ValidationError(TOO_MANY)
        typed: str = self.cleaned_data["code"]
        if not first_run.is_right(typed):
            first_run.tries.count_wrong(now)
            raise forms.ValidationError(WRONG_CODE)
        return typed

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        known = {field: self.cleaned_data.get(field, "") for field in ("name", "email")}
        validate_password(password, User(**known))
        return password


# Open to all: it is the door.
@login_not_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def login(request: HttpRequest) -> HttpResponseBase:
    """Sign in; while nobody can, make the first admin instead."""
    if request.user.is_authenticated:
        # Never to ?next=: a page that sent them here although they are signed in would do so again.
        return redirect("dashboard")
    if first_run.is_needed():
        return _make_first_admin(request)
    return _sign_in(request)


def _make_first_admin(request: HttpRequest) -> HttpResponse:
    form = FirstRunForm(request.POST or None)
    if not form.is_valid():
        first_run.log_code()
        return render(request, "access/first_run.html", {"form": form})
    facts = {name: form.cleaned_data[name] for name in ("email", "name", "password", "time_zone")}
    user = first_run.make_first_admin(**facts)
    if user is None:
        messages.error(request, "Somebody else made the first admin a moment ago. Sign in.")
        return redirect("login")
    auth.login(request, user)
    return redirect("set_up")


class SignInView(LoginView):
    """The password; then, for whoever has one, the second step."""

    form_class = SignInForm

    def form_valid(self, form: Any) -> HttpResponse:
        user: User = form.get_user()
        if second_factor.is_on(user):
            return second_step.ask(self.request, user, self.get_success_url())
        return known_browsers.remember(super().form_valid(form), user)

    def form_invalid(self, form: Any) -> HttpResponse:
        response = super().form_invalid(form)
        response.status_code = 429 if form.is_refused else 200
        return response


_sign_in = SignInView.as_view()

urlpatterns = [
    path("login", login, name="login"),
    path("logout", LogoutView.as_view(http_method_names=["post", "options"]), name="logout"),
]
