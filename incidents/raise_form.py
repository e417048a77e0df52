"""The form behind "Raise incident"."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django import forms

from incidents.models import EscalationPolicy, Incident, Severity
from incidents.raising import MOST_PEOPLE, Wish, default_policy
from notifications.channels.texts import clean, one_line
from schedules.models import Membership, Team, User

LONGEST_DETAIL = 10_000
LONGEST_TITLE: int = Incident._meta.get_field("title").max_length or 0
NOTHING_SAID = "Say in a few words what is wrong."
SEVERITIES = [
    (Severity.CRITICAL, "critical: wakes people"),
    (Severity.HIGH, "high: wakes people"),
    (Severity.WARNING, "warning: waits until they look"),
    (Severity.INFO, "info: only shown, pages nobody"),
]


class RaiseForm(forms.Form):
    """What is wrong, whose it is, and whom to page."""

    # Made with each new form: whatever is sent twice with it is raised once.
    form = forms.RegexField(
        r"^[\w-]{16,64}$",
        widget=forms.HiddenInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "This form is broken: open it anew."},
    )
    team = forms.TypedChoiceField(coerce=int, error_messages={"required": "Choose the team."})
    title = forms.CharField(
        label="What is wrong",
        max_length=LONGEST_TITLE,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": NOTHING_SAID},
    )
    detail = forms.CharField(
        label="Details",
        required=False,
        max_length=LONGEST_DETAIL,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="What you see, since when, what was tried.",
    )
    severity = forms.ChoiceField(choices=SEVERITIES, initial=Severity.HIGH)
    policy = forms.TypedChoiceField(coerce=int, empty_value=None, required=False)
    people = forms.MultipleChoiceField(
        label="Page these people at once",
        required=False,
        widget=forms.CheckboxSelectMultiple(),
        help_text="Besides whomever the policy pages.",
    )

    def __init__(
        self, *args: Any, teams: Sequence[Team], people: Sequence[User], me: User, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.teams = {team.pk: team for team in teams}
        self.offered = {str(person.pk): person for person in people if person != me}
        self.policies = {
            policy.pk: policy for policy in EscalationPolicy.objects.filter(team__in=teams)
        }
        named = [(pk, team.name) for pk, team in self.teams.items()]
        self._offer("team", named if len(named) == 1 else [("", "Choose"), *named])
        self._offer("people", _listed(self.offered, self.teams))
        self._offer("policy", self._policies())
        if all(policy.is_default for policy in self.policies.values()):
            self.fields["policy"].widget = forms.HiddenInput()  # there is nothing to choose
        if not self.offered:
            del self.fields["people"]

    def _offer(self, name: str, choices: list[Any]) -> None:
        field: forms.ChoiceField = self.fields[name]  # type: ignore[assignment]
        field.choices = choices

    def _policies(self) -> list[Any]:
        by_team: dict[int, list[tuple[int, str]]] = defaultdict(list)
        for policy in self.policies.values():
            by_team[policy.team_id].append((policy.pk, policy.name))
        groups = [(self.teams[pk].name, policies) for pk, policies in by_team.items()]
        return [("", "the team's default"), *groups]

    def clean_title(self) -> str:
        title = one_line(self.cleaned_data["title"])
        if not title:
            raise forms.ValidationError(NOTHING_SAID)
        return title

    def clean_detail(self) -> str:
        return clean(self.cleaned_data["detail"])

    def clean_people(self) -> list[User]:
        chosen = [self.offered[pk] for pk in dict.fromkeys(self.cleaned_data["people"])]
        if len(chosen) > MOST_PEOPLE:
            raise forms.ValidationError(f"{MOST_PEOPLE} people is the most.")
        return chosen

    def clean(self) -> dict[str, Any]:
        found = super().clean() or self.cleaned_data
        team, policy = found.get("team"), self.policies.get(found.get("policy") or 0)
        if team and policy and policy.team_id != team:
            text = f"This policy pages {self.teams[policy.team_id]}, not {self.teams[team]}."
            self.add_error("policy", text)
        return found

    @property
    def wish(self) -> Wish:
        """What a valid form asks for."""
        data = self.cleaned_data
        team = self.teams[data["team"]]
        return Wish(
            team=team,
            title=data["title"],
            form=data["form"],
            detail=data["detail"],
            severity=data["severity"],
            policy=self.policies[data["policy"]] if data["policy"] else default_policy(team),
            people=data.get("people", ()),
        )


def _listed(people: dict[str, User], teams: dict[int, Team]) -> list[tuple[str, str]]:
    """With the teams they are in; those of the teams on offer first."""
    theirs: dict[str, list[str]] = defaultdict(list)
    near = set()
    seats = Membership.objects.filter(user__in=people.values(), team__is_active=True)
    for seat in seats.select_related("team").order_by("team__name"):
        theirs[str(seat.user_id)].append(seat.team.name)
        if seat.team_id in teams:
            near.add(str(seat.user_id))
    order = sorted(people, key=lambda pk: pk not in near)
    return [
        (pk, f"{people[pk]} ({', '.join(theirs[pk])})" if theirs[pk] else str(people[pk]))
        for pk in order
    ]
