"""The form of a source on its own page: for whoever looks after it, with their teams to choose."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import IntegrityError, transaction
from django.db.models import Q

from alertsources.forms import FLAPPING, AlertSourceForm
from alertsources.keys import set_key
from alertsources.kind_forms import FIELDS_OF, KEPT
from alertsources.mail.words import RECOVERY_WORDS
from alertsources.models import AlertSource
from alertsources.secret_forms import FORGET, SECRET
from alertsources.source_pages.sight import teams_led
from alertsources.sources.base import takes_secret
from incidents.models import EscalationPolicy
from schedules.models import Team, User

BASICS = ["team", "name", "kind", "policy", "default_severity"]
DETAILS = [
    *("group_by", "group_labels", "wait_for", "auto_resolve_after", "warn_if_silent_for"),
    *(*FLAPPING, "limit_per_minute", "test_person", "keep_days", SECRET),
]


class SourceForm(AlertSourceForm):
    group_labels = forms.CharField(
        label="Labels to group by",
        required=False,
        max_length=500,
        help_text="Their names, separated by commas: alertname, cluster.",
    )

    class Meta(AlertSourceForm.Meta):
        fields = [*BASICS, *DETAILS]

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        teams = {team.pk: team for team in teams_led(user)}
        if self.instance.pk:
            teams[self.instance.team_id] = self.instance.team
        self._offer(list(teams))
        if len(teams) == 1:
            self.initial.setdefault("team", next(iter(teams)))
        self.initial["group_labels"] = ", ".join(map(str, self.instance.group_labels))
        of_kind = FIELDS_OF.get(self.instance.kind, ()) if self.instance.pk else ()
        for name in {RECOVERY_WORDS, *KEPT}.difference(of_kind):
            del self.fields[name]
        if not self.instance.signing_secret:
            del self.fields[FORGET]
            if self.instance.pk and not takes_secret(self.instance.kind):
                del self.fields[SECRET]

    def _offer(self, teams: list[int]) -> None:
        """Only what belongs to these teams can be chosen."""
        # Whoever is chosen stays a choice, though they left the team.
        known = Q(memberships__team__in=teams) | Q(pk=self.instance.test_person_id or 0)
        seen = User.objects.filter(known, is_active=True).distinct()
        offered: dict[str, Any] = {
            "team": Team.objects.filter(pk__in=teams),
            "policy": EscalationPolicy.objects.filter(team__in=teams).select_related("team"),
            "test_person": seen,
        }
        for name, rows in offered.items():
            field: forms.ModelChoiceField[Any] = self.fields[name]  # type: ignore[assignment]
            field.queryset = rows
        self.fields["policy"].empty_label = "the team's default"  # type: ignore[attr-defined]
        self.fields["test_person"].empty_label = "nobody"  # type: ignore[attr-defined]

    def clean_group_labels(self) -> list[str]:
        names = self.cleaned_data["group_labels"].split(",")
        return [name for part in names if (name := part.strip())]

    @property
    def basics(self) -> list[forms.BoundField]:
        return [self[name] for name in BASICS]

    @property
    def details(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name not in BASICS]

    @property
    def has_wrong_details(self) -> bool:
        """Whether what is folded away has to be shown."""
        return any(field.errors for field in self.details)


def create(form: SourceForm) -> str:
    """Store the new source; its key, or nothing where another was faster with the same name."""
    source = form.save(commit=False)
    key = set_key(source)
    return key if _store(form, source) else ""


def change(form: SourceForm) -> bool:
    """Store what was changed, and nothing else of the row. False where the name is taken."""
    source = form.save(commit=False)
    before = AlertSource.objects.get(pk=source.pk)
    # Some fields of the form end in the settings, or in another field.
    names = [*form.Meta.fields, "settings"]
    changed = [name for name in names if getattr(source, name) != getattr(before, name)]
    return _store(form, source, update_fields=changed)


def _store(form: SourceForm, source: AlertSource, **options: Any) -> bool:
    try:
        with transaction.atomic():
            source.save(**options)
    except IntegrityError:
        form.add_error("name", f"{source.team} has a source of this name already.")
        return False
    return True
