"""The signing secret of a source in a form: it can be set and forgotten, never read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from alertsources.models import AlertSource
from alertsources.sources.base import registry, takes_secret

if TYPE_CHECKING:
    SourceModelForm = forms.ModelForm[AlertSource]
else:
    SourceModelForm = forms.ModelForm

SECRET, FORGET = "signing_secret", "forget_secret"
LONGEST = 500
NOT_SIGNED = (
    "PagerPal checks no signatures of {}, so a secret would protect nothing: "
    "leave it empty, or have the stored one forgotten."
)


class SecretForm(SourceModelForm):
    """Empty leaves the secret as it is; a kind whose messages are not signed takes none."""

    signing_secret = forms.CharField(
        label="Signing secret",
        required=False,
        max_length=LONGEST,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="What Grafana or Checkly signs its messages with; unsigned ones are then "
        "refused. Empty: as it was.",
    )
    forget_secret = forms.BooleanField(
        label="Forget the signing secret",
        required=False,
        help_text="Signatures are then not looked at.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stored = self.instance.signing_secret

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if SECRET not in self.fields:
            return cleaned
        kept = "" if cleaned.get(FORGET) else self._stored
        secret = cleaned[SECRET] = cleaned.get(SECRET) or kept
        kind = cleaned.get("kind") or self.instance.kind
        if secret and kind in registry and not takes_secret(kind):
            self.add_error(SECRET, NOT_SIGNED.format(registry[kind].label))
        self.instance.signing_secret = secret  # Django keeps the old one where none was sent
        return cleaned
