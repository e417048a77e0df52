"""The admin's forms for people, teams and rotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.password_validation import validate_password
from django.forms.widgets import DateTimeBaseInput
from django.utils import timezone

from schedules import oncall, zones
from schedules.models import Membership, Override, Rotation, RotationMember, Team, User
from schedules.signals import team_closing

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    PersonModelForm = forms.ModelForm[User]
    PersonChangeForm = UserChangeForm[User]
    TeamModelForm = forms.ModelForm[Team]
    MembershipModelForm = forms.ModelForm[Membership]
    RotationModelForm = forms.ModelForm[Rotation]
    PlaceModelForm = forms.ModelForm[RotationMember]
    OverrideModelForm = forms.ModelForm[Override]
    PlaceModelFormSet = forms.BaseInlineFormSet[RotationMember, Rotation, PlaceModelForm]
else:
    PersonModelForm = TeamModelForm = MembershipModelForm = forms.ModelForm
    RotationModelForm = PlaceModelForm = OverrideModelForm = forms.ModelForm
    PersonChangeForm = UserChangeForm
    PlaceModelFormSet = forms.BaseInlineFormSet


class ZoneSelect(forms.Select):
    """Every zone by name; a browser finds one by its first letters."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, choices=zones.choices())


def browser_input(kind: str) -> DateTimeBaseInput:
    """The browser's own field: the admin's notes on server time, which a rotation does not use."""
    widgets: dict[str, tuple[type[DateTimeBaseInput], str]] = {
        "date": (forms.DateInput, "%Y-%m-%d"),
        "time": (forms.TimeInput, "%H:%M"),
        "datetime-local": (forms.DateTimeInput, "%Y-%m-%dT%H:%M"),
    }
    widget, written = widgets[kind]
    return widget(attrs={"type": kind}, format=written)


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
            "name", "email", "time_zone", "password", "is_active", "is_staff", "is_superuser"
        ]  # fmt: skip
        widgets = {"time_zone": ZoneSelect}
        labels = {"is_active": "On", "is_staff": "Staff", "is_superuser": "Admin"}
        help_texts = {"is_superuser": "May see and change everything, in every team."}


class TeamForm(TeamModelForm):
    class Meta:
        model = Team
        fields = [
            "name", "time_zone", "hours_start", "hours_end", "hours_weekends", "fallback_people",
            "is_active",
        ]  # fmt: skip
        widgets = {
            "time_zone": ZoneSelect,
            "hours_start": browser_input("time"),
            "hours_end": browser_input("time"),
        }
        labels = {"is_active": "On", "hours_weekends": "Also at weekends"}
        help_texts = {"is_active": "Off: only when it has no open incidents and no active sources."}

    def clean_is_active(self) -> bool:
        """A team is only switched off when nothing above it still needs it."""
        is_active: bool = self.cleaned_data["is_active"]
        if self.instance.pk and "is_active" in self.changed_data and not is_active:
            answers = team_closing.send(sender=Team, team=self.instance)
            objections = [reason for _, reason in answers if reason]
            if objections:
                raise forms.ValidationError(objections)
        return is_active


class MembershipForm(MembershipModelForm):
    """Another person is another membership: whoever leaves a team is handed on for."""

    class Meta:
        model = Membership
        fields = ["user", "role"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["user"].disabled = True


class RotationForm(RotationModelForm):
    class Meta:
        model = Rotation
        fields = [
            "team", "name", "position", "every", "unit", "starts_on", "handover_time", "time_zone",
            "is_active",
        ]  # fmt: skip
        widgets = {
            "time_zone": ZoneSelect,
            "starts_on": browser_input("date"),
            "handover_time": browser_input("time"),
        }
        labels = {"is_active": "On"}
        help_texts = {"is_active": "Off: nobody is on call in it; steps that name it find nobody."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Read before anything is saved, so that the save can say whether it changed.
        self.on_call_before = (
            oncall.who_is_on_call(self.instance, timezone.now())
            if self.is_bound and self.instance.pk
            else None
        )


class PlaceForm(PlaceModelForm):
    position = forms.IntegerField(
        required=False, min_value=0, max_value=32767, help_text="Lowest first; empty: last."
    )

    class Meta:
        model = RotationMember
        fields = ["position", "user"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            # The model's default would put whoever is added in front of nearly everybody.
            self.initial.pop("position", None)


class PlaceFormSet(PlaceModelFormSet):
    def clean(self) -> None:
        """Put those without a position last, in the order in which they were entered."""
        super().clean()
        filled = [form for form in self.forms if form.cleaned_data.get("user")]
        last = max((form.cleaned_data.get("position") or 0 for form in filled), default=-1)
        for form in filled:
            if form.cleaned_data.get("position") is None:
                last += 1
                form.instance.position = last


class OverrideForm(OverrideModelForm):
    class Meta:
        model = Override
        fields = ["rotation", "user", "starts_at", "ends_at"]
        # The admin's two fields for one moment come with notes on server time.
        field_classes = {"starts_at": forms.DateTimeField, "ends_at": forms.DateTimeField}
        widgets = {
            "starts_at": browser_input("datetime-local"),
            "ends_at": browser_input("datetime-local"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zone = timezone.get_current_timezone_name()
        self.fields["starts_at"].help_text = f"Your local time ({zone})."
