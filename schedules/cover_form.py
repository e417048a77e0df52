"""The form behind "Cover this shift"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import Q

from schedules import covering
from schedules.models import Membership, Rotation, RotationMember, User
from schedules.moments import MomentField

NOBODY = "nobody"


class CoverForm(forms.Form):
    """Who is on call instead, from when to when; times in the zone in force."""

    rotation = forms.TypedChoiceField(
        coerce=int, error_messages={"required": "Choose the rotation."}
    )
    who = forms.ChoiceField(label="Who", error_messages={"required": "Choose who takes it."})
    starts_at = MomentField(label="From", error_messages={"required": "Say from when."})
    ends_at = MomentField(label="Until", error_messages={"required": "Say until when."})

    def __init__(
        self,
        *args: Any,
        rotations: Sequence[Rotation],
        people: Iterable[User],
        me: User,
        now: datetime,
        is_chosen: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        self.rotations = {rotation.pk: rotation for rotation in rotations}
        self.people = {str(person.pk): person for person in people}
        names = [(key, _name(person, me)) for key, person in self.people.items()]
        self._offer("who", [("", "Choose who takes it"), *names, (NOBODY, "Nobody, on purpose")])
        listed = [(str(rotation.pk), str(rotation)) for rotation in rotations]
        self._offer("rotation", listed if len(listed) == 1 else [("", "Choose"), *listed])
        if is_chosen:
            self.fields["rotation"].widget = forms.HiddenInput()

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field: forms.ChoiceField = self.fields[name]  # type: ignore[assignment]
        field.choices = choices

    @property
    def chosen_rotation(self) -> Rotation:
        return self.rotations[self.cleaned_data["rotation"]]

    @property
    def person(self) -> User | None:
        """None: nobody, on purpose."""
        return self.people.get(self.cleaned_data["who"])

    def clean(self) -> dict[str, Any]:
        """Refuse, beside its field, what covering would refuse as a whole."""
        found = super().clean() or self.cleaned_data
        start, end = found.get("starts_at"), found.get("ends_at")
        if not start or not end:
            return found
        if end <= start:
            self.add_error("ends_at", "It must end after it starts.")
        elif end <= self.now:
            self.add_error("ends_at", "This time is over already: what was, stays.")
        elif end - start > covering.LONGEST:
            self.add_error("ends_at", f"{covering.LONGEST.days} days is the most.")
        return found


def people_for(rotations: Iterable[Rotation]) -> list[User]:
    """Whoever may be put on call in one of these: their members, and who answers in their teams."""
    listed = list(rotations)
    teams = {rotation.team_id for rotation in listed}
    seats = Membership.objects.filter(team__in=teams, role__in=covering.ANSWERING)
    places = RotationMember.objects.filter(rotation__in=listed)
    may = Q(pk__in=seats.values("user")) | Q(pk__in=places.values("user"))
    return list(User.objects.filter(may, is_active=True))


def _name(person: User, me: User) -> str:
    return f"{person} (you)" if person == me else str(person)
