"""The fields of sources of single kinds: what is kept in the settings of the source."""

from __future__ import annotations

from typing import Any

from django import forms

from alertsources.mail.words import RECOVERY_WORDS, recovery_words
from alertsources.secret_forms import SecretForm
from alertsources.sources.cloudwatch import FIRE, IGNORE, INSUFFICIENT, RESOLVE, CloudWatch
from alertsources.sources.email_in import Email
from alertsources.sources.sns_subscriptions import IF_REACHABLE, OFF, REQUIRED, SETTING

# Fields of the form that are kept in the settings of the source, and what holds without a word.
KEPT = {INSUFFICIENT: IGNORE, SETTING: IF_REACHABLE}
FIELDS_OF = {Email.slug: (RECOVERY_WORDS,), CloudWatch.slug: tuple(KEPT)}


class KindForm(SecretForm):
    """The fields of single kinds, kept in the source's settings."""

    insufficient_data = forms.ChoiceField(
        label="Alarms with too few data",
        required=False,
        choices=[
            (IGNORE, "change nothing"),
            (FIRE, "fire, as a warning"),
            (RESOLVE, "resolve"),
        ],
        help_text="What an alarm does when CloudWatch has too few data to judge it.",
    )
    sns_signature = forms.ChoiceField(
        label="Signatures of SNS",
        required=False,
        choices=[
            (IF_REACHABLE, "checked; without Amazon's certificate the key in the address counts"),
            (REQUIRED, "required; without Amazon's certificate SNS has to send again"),
            (OFF, "not checked; subscriptions are confirmed by hand"),
        ],
        help_text="Raw messages are not signed: for them only the key counts.",
    )

    recovery_words = forms.CharField(
        label="Words of recovery",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One a line; each ends the alert wherever it is in a subject. "
        "Empty: RESOLVED, RECOVERY, OK, UP and their like, where monitors put a state.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words = recovery_words(self.instance.settings)
        self.initial.setdefault(RECOVERY_WORDS, "\n".join(words))
        for name, default in KEPT.items():
            self.initial.setdefault(name, self.instance.settings.get(name, default))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        # A page without the field leaves it as it is.
        told = {name: cleaned[name] for name in KEPT if name in self.data and cleaned.get(name)}
        if RECOVERY_WORDS in self.data and RECOVERY_WORDS in self.fields:
            lines = str(cleaned.get(RECOVERY_WORDS, "")).splitlines()
            told[RECOVERY_WORDS] = [word for line in lines if (word := line.strip())]
        self.instance.settings = {**self.instance.settings, **told}
        return cleaned
