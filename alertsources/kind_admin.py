"""What the admin offers for sources of single kinds: mappings, SNS topics and their settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from alertsources.mail.words import RECOVERY_WORDS, recovery_words
from alertsources.mapping_admin import MappingPage, mapping_link
from alertsources.models import AlertSource
from alertsources.sources.anyjson import AnyJson
from alertsources.sources.cloudwatch import FIRE, IGNORE, INSUFFICIENT, RESOLVE, CloudWatch
from alertsources.sources.email_in import Email
from alertsources.sources.sns_subscriptions import IF_REACHABLE, OFF, REQUIRED, SETTING

if TYPE_CHECKING:
    SourceModelForm = forms.ModelForm[AlertSource]
else:
    SourceModelForm = forms.ModelForm

# Fields of the form that are kept in the settings of the source, and what holds without a word.
KEPT = {INSUFFICIENT: IGNORE, SETTING: IF_REACHABLE}


class KindForm(SourceModelForm):
    """The fields of single kinds, kept in the source's settings."""

    insufficient_data = forms.ChoiceField(
        label="Alarms with too few data",
        required=False,
        choices=[
            (IGNORE, "change nothing"),
            (FIRE, "fire, as a warning"),
            (RESOLVE, "resolve"),
        ],
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
        if RECOVERY_WORDS in self.data:
            lines = str(cleaned.get(RECOVERY_WORDS, "")).splitlines()
            told[RECOVERY_WORDS] = [word for line in lines if (word := line.strip())]
        self.instance.settings = {**self.instance.settings, **told}
        return cleaned


class KindTools(MappingPage):
    """Adds what single kinds need to the admin of sources."""

    actions = ["forget_topic"]

    @staticmethod
    def kind_fieldsets(source: AlertSource) -> list[Any]:
        if source.kind == AnyJson.slug:
            return [("Any JSON", {"fields": ["reading"]})]
        if source.kind == Email.slug:
            return [("E-mail", {"fields": [RECOVERY_WORDS]})]
        if source.kind == CloudWatch.slug:
            return [("CloudWatch and SNS", {"fields": ["subscription", *KEPT]})]
        return []

    @admin.display(description="how its messages are read")
    def reading(self, source: AlertSource) -> Any:
        return mapping_link(source)

    @admin.display(description="SNS topic")
    def subscription(self, source: AlertSource) -> str:
        return source.topic_arn or "None yet: the first topic that is confirmed becomes its own."

    @admin.action(description="Take another SNS topic next", permissions=["change"])
    def forget_topic(self, request: HttpRequest, queryset: QuerySet[AlertSource]) -> None:
        """The next subscription binds the source anew."""
        count = queryset.exclude(topic_arn="").update(topic_arn="")
        text = f"{count} sources take the SNS topic that is confirmed next."
        self.message_user(request, text, messages.SUCCESS)
