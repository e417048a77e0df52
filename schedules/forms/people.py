"""The forms for a new person and for one who is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.password_validation import validate_password

from schedules.forms.inputs import ZoneSelect, browser_input
from schedules.models import User

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    PersonModelForm = forms.ModelForm[User]
    PersonChangeForm = UserChangeForm[User]
else:
    PersonModelForm = forms.ModelForm
    PersonChangeForm = UserChangeForm


class NewPersonForm(PersonModelForm):
    """A person who can be paged; a password only if they shall sign in."""

    new_password = forms.CharField(
        label="Password",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Empty: can be paged and answer by link, but not sign in.",
    )

    class Meta:
        model = User
        fields = ["name", "email", "time_zone"]
        widgets = {"time_zone": ZoneSelect}

    def clean_new_password(self) -> str:
        password: str = self.cleaned_data["new_password"]
        if password:
            known = {name: self.cleaned_data.get(name, "") for name in ("name", "email")}
            validate_password(password, User(**known))
        return password

    def save(self, commit: bool = True) -> User:
        # None makes a password that nothing matches.
        self.instance.set_password(self.cleaned_data["new_password"] or None)
        return super().save(commit)


class PersonForm(PersonChangeForm):
    class Meta:
        model = User
        fields = [
            "name", "email", "time_zone", "password", "remind_hours", "wants_handover_note",
            "quiet_from", "quiet_until", "is_active", "is_staff", "is_superuser",
        ]  # fmt: skip
        widgets = {
            "time_zone": ZoneSelect,
            "quiet_from": browser_input("time"),
            "quiet_until": browser_input("time"),
        }
        labels = {
            "is_active": "On",
            "is_staff": "Opens the admin",
            "is_superuser": "Admin",
            "remind_hours": "Reminder, hours before",
            "wants_handover_note": "Note at the hand-over",
        }
        help_texts = {
            "is_staff": "Leads may, without this, for what is their teams'.",
            "is_superuser": "May see and change everything, in every team.",
            "remind_hours": "How many hours before a shift to remind them of it, once; "
            "24 is a day, 168 a week, 0: never.",
            "wants_handover_note": "A message when their shift begins, with what is open in "
            "the team.",
        }
