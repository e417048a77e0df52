"""The form for a rotation: how long a turn is, who takes turns, and in which hours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Max
from django.utils import timezone

from schedules.editing import Change
from schedules.forms.inputs import ZoneSelect, browser_input
from schedules.models import (
    LONGEST_TURN,
    MOST_MEMBERS,
    WEEKDAYS,
    Rotation,
    RotationMember,
    RotationWindow,
    Team,
)
from schedules.oncall import PlannedShift

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    RotationModelForm = forms.ModelForm[Rotation]
    PlaceModelForm = forms.ModelForm[RotationMember]
    PlaceModelFormSet = forms.BaseInlineFormSet[RotationMember, Rotation, PlaceModelForm]
    WindowModelForm = forms.ModelForm[RotationWindow]
else:
    RotationModelForm = PlaceModelForm = WindowModelForm = forms.ModelForm
    PlaceModelFormSet = forms.BaseInlineFormSet

CUSTOM = "custom"
NAMED = {"weekly": (1, "weeks"), "biweekly": (2, "weeks")}
TURNS = [
    ("weekly", "Weekly"),
    ("biweekly", "Biweekly: every two weeks"),
    (CUSTOM, "Custom: every so many hours, days, weeks or months"),
]
NUMBER = f"Give a number from 1 to {LONGEST_TURN}."
HOW_LONG = "Say after how many hours, days, weeks or months the next person takes over."
EITHER = "You gave a length of your own: choose Custom for it, or empty its two fields."
NOBODY = (
    "Add at least one member, or switch the rotation off: "
    "while it is on and empty, it pages nobody."
)


class RotationForm(RotationModelForm):
    """Turns by name (weekly, biweekly), or of any length under "custom"."""

    # Shown again, not saved: what was posted is only being looked at.
    only_shown = False

    # Of the save that this form is in, see RotationAdmin.
    begun: Change | None = None
    planned_before: list[PlannedShift] | None = None

    turns = forms.ChoiceField(
        label="A turn lasts",
        choices=TURNS,
        widget=forms.RadioSelect,
        help_text="How long one person is on call before the next takes over.",
    )
    every = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_TURN,
        help_text="For custom turns alone, such as 12 hours or 3 days.",
        error_messages={"min_value": NUMBER, "max_value": NUMBER, "invalid": NUMBER},
    )
    unit = forms.ChoiceField(
        label="Unit",
        required=False,
        choices=[("", "choose"), *Rotation.Unit.choices],
        help_text="For custom turns alone.",
    )
    position = forms.IntegerField(
        label="Order",
        required=False,
        min_value=0,
        max_value=32767,
        help_text="Where it stands among its team's rotations, lowest first. Empty: last.",
    )

    class Meta:
        model = Rotation
        fields = [
            "team", "name", "position", "every", "unit", "starts_on", "handover_time", "time_zone",
            "ends_on", "is_active",
        ]  # fmt: skip
        widgets = {
            "time_zone": ZoneSelect(empty="The team's own zone"),
            "starts_on": browser_input("date"),
            "handover_time": browser_input("time"),
            "ends_on": browser_input("date"),
        }
        labels = {"is_active": "On", "handover_time": "Hand-over time", "ends_on": "Ends on"}
        help_texts = {
            "team": "Whose schedule it is; its members come from this team.",
            "name": "What the calendar and the messages call it: primary, secondary, Europe.",
            "starts_on": "The first person's first turn begins on this day at the hand-over time; "
            "before that nobody is on call. Weekly turns change on this day of the week.",
            "handover_time": "Turns change at this time by the clocks of the time zone, summer and "
            "winter. Custom turns of hours are counted from it.",
            "time_zone": "The zone of the hand-over time and of the hours below.",
            "is_active": "Off: nobody is on call in it; steps that name it find nobody.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = timezone.now()
        if "team" not in self.fields:  # only to be looked at
            return
        length = (self.instance.every, self.instance.unit)
        name = next((word for word, meant in NAMED.items() if meant == length), CUSTOM)
        self.initial["turns"] = name
        if name != CUSTOM:
            self.initial.update(every=None, unit="")
        self.fields["time_zone"].required = False
        if self.instance.pk:
            self.fields["team"].disabled = True
            self.fields["team"].help_text = "A rotation stays with its team."
        else:
            first = {"position": None, "time_zone": "", "starts_on": timezone.localdate()}
            self.initial = {**first, **self.initial}

    def is_valid(self) -> bool:
        return super().is_valid() and not self.only_shown

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self._clean_length(cleaned)
        team: Team | None = cleaned.get("team")
        if team and cleaned.get("time_zone") == "":
            cleaned["time_zone"] = team.time_zone
        if team and "position" in cleaned and cleaned["position"] is None:
            last = team.rotations.exclude(pk=self.instance.pk).aggregate(last=Max("position"))
            cleaned["position"] = 0 if last["last"] is None else last["last"] + 1
        return cleaned

    def _clean_length(self, cleaned: dict[str, Any]) -> None:
        """The length of a turn, by its name or as it was given."""
        if not {"turns", "every", "unit"} <= cleaned.keys():
            return
        given = cleaned["every"], cleaned["unit"]
        if cleaned["turns"] == CUSTOM:
            if None in given or "" in given:
                self.add_error("turns", HOW_LONG)
            return
        meant = NAMED[cleaned["turns"]]
        changed = {"every", "unit"}.intersection(self.changed_data)
        if changed and given not in (meant, (None, "")):
            self.add_error("turns", EITHER)
        cleaned["every"], cleaned["unit"] = meant


class PlaceForm(PlaceModelForm):
    position = forms.IntegerField(
        label="Order",
        required=False,
        min_value=0,
        max_value=32767,
        help_text="Lowest first; empty: last.",
    )

    class Meta:
        model = RotationMember
        fields = ["position", "user"]
        labels = {"user": "Person"}
        help_texts = {"user": "A member of the rotation's team who is switched on."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            # The model's default would put whoever is added in front of nearly everybody.
            self.initial.pop("position", None)


class PlaceFormSet(PlaceModelFormSet):
    """The order of the members. Who is in it already stays, whatever became of them since."""

    def clean(self) -> None:
        super().clean()
        live = [form for form in self.forms if form not in self.deleted_forms]
        filled = [form for form in live if form.cleaned_data.get("user")]
        self._put_last(filled)
        self._refuse_strangers(filled)
        if len(filled) > MOST_MEMBERS:
            text = f"{len(filled)} members: a rotation takes at most {MOST_MEMBERS}."
            raise forms.ValidationError(text)
        if not filled and not any(form.errors for form in live) and self.instance.is_active:
            raise forms.ValidationError(NOBODY)

    def _put_last(self, filled: list[PlaceModelForm]) -> None:
        """Those without a position, in the order in which they were entered."""
        last = max((form.cleaned_data.get("position") or 0 for form in filled), default=0)
        for form in filled:
            if "position" in form.cleaned_data and form.cleaned_data["position"] is None:
                last += 1
                form.instance.position = last

    def _refuse_strangers(self, filled: list[PlaceModelForm]) -> None:
        """Whoever is added must be on, and one of the team."""
        team = self.instance.team if self.instance.team_id else None
        fresh = [form for form in filled if "user" in form.changed_data]
        if team is None or not fresh:
            return
        people = set(team.memberships.values_list("user_id", flat=True))
        for form in fresh:
            user = form.cleaned_data["user"]
            if not user.is_active:
                form.add_error("user", f"{user} is switched off and cannot be paged.")
            elif user.pk not in people:
                form.add_error("user", f"{user} is not in {team}: add them to the team first.")


class WindowForm(WindowModelForm):
    days = forms.MultipleChoiceField(
        choices=[(str(number), name) for number, name in enumerate(WEEKDAYS)],
        widget=forms.CheckboxSelectMultiple,
        help_text="The days on which these hours begin. Outside all of a rotation's hours "
        "nobody is on call, on purpose.",
        error_messages={"required": "Choose at least one day."},
    )

    class Meta:
        model = RotationWindow
        fields = ["days", "starts", "ends"]
        widgets = {"starts": browser_input("time"), "ends": browser_input("time")}
        labels = {"starts": "From", "ends": "Until"}
        help_texts = {
            "starts": "In the rotation's time zone.",
            "ends": "Earlier than From: on the next day, so Fri 22:00 until 06:00 ends on "
            "Saturday. The same as From: 24 hours.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["days"] = list(self.initial.get("days") or "")

    def clean_days(self) -> str:
        return "".join(sorted(set(self.cleaned_data["days"])))
