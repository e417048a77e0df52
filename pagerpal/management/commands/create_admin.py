"""Makes an admin, or turns a person into one."""

from __future__ import annotations

import secrets
import sys
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from pagerpal import migrating, second_factor, throttle
from schedules.models import User


class Command(BaseCommand):
    help = "Make an admin, or turn the person with this address into one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", required=True, help="What the admin signs in with.")
        parser.add_argument("--name", default="", help="Default: what stands before the @.")
        password = parser.add_mutually_exclusive_group()
        password.add_argument(
            "--password-stdin", action="store_true", help="Read the password from standard input."
        )
        password.add_argument(
            "--generate-password",
            action="store_true",
            help="Make a password and print it. A new person gets one in any case.",
        )

        parser.add_argument(
            "--without-second-step",
            action="store_true",
            help="For whoever lost the phone: no code is asked for any more after the password.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        email = _clean_email(options["email"])
        migrating.bring_up_to_date(verbosity=0)
        user = User.objects.filter(email__iexact=email).first()
        is_new = user is None
        user = user or User(email=email, name=options["name"] or email.partition("@")[0])
        user.name = options["name"][:80] or user.name
        was_admin = user.is_superuser and user.is_active
        user.is_active = user.is_staff = user.is_superuser = True
        password = _password(user, options, is_new=is_new)
        if password:
            user.set_password(password)
        user.save()
        throttle.forget(throttle.PER_ACCOUNT, email)
        if options["without_second_step"] and second_factor.switch_off(user):
            self.stdout.write("The second step is off.")
        self.stdout.write(_what_happened(user, is_new=is_new, was_admin=was_admin))
        if not options["password_stdin"] and password:
            self.stdout.write(f"Password, shown this once: {password}")
        self.stdout.write(_how_to_sign_in(user))


def _clean_email(text: str) -> str:
    email = text.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise CommandError(f"--email: {text!r} is not an e-mail address.") from None
    return email


def _password(user: User, options: dict[str, Any], *, is_new: bool) -> str:
    """The password to set; empty: leave it as it is."""
    if options["password_stdin"]:
        password = sys.stdin.readline().rstrip("\r\n")
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError("--password-stdin: " + " ".join(error.messages)) from None
        return password
    if is_new or options["generate_password"]:
        return secrets.token_urlsafe(15)
    return ""


def _what_happened(user: User, *, is_new: bool, was_admin: bool) -> str:
    if is_new:
        return f"Made an admin: {user.name}, {user.email}."
    if was_admin:
        return f"{user.name}, {user.email}, was an admin already."
    return f"{user.name}, {user.email}, is an admin now."


def _how_to_sign_in(user: User) -> str:
    if not user.has_usable_password():
        return "There is no password to sign in with: run this again with --generate-password."
    return f"Sign in at {settings.PAGERPAL_BASE_URL}/login"
