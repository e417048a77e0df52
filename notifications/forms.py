"""The forms of a person's addresses and rules, and of a team's channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from notifications import events
from notifications.addresses import UNVERIFIED
from notifications.channels import webhook
from notifications.channels.base import kind_of
from notifications.models import ContactMethod, NotificationRule, TeamChannel

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    MethodModelForm = forms.ModelForm[ContactMethod]
    RuleModelForm = forms.ModelForm[NotificationRule]
    ChannelModelForm = forms.ModelForm[TeamChannel]
else:
    MethodModelForm = RuleModelForm = ChannelModelForm = forms.ModelForm


def clean_address(form: MethodModelForm | ChannelModelForm) -> None:
    """Bring the address into its channel's one spelling, or say why it is none."""
    channel = kind_of(form.cleaned_data.get("channel", ""))
    address = form.cleaned_data.get("address")
    if channel is not None and address:
        try:
            form.cleaned_data["address"] = channel.clean_address(address)
        except ValueError as error:
            form.add_error("address", str(error))


class ContactMethodForm(MethodModelForm):
    """Another address is an unverified one; one that was removed is there again once it is on."""

    class Meta:
        model = ContactMethod
        fields = ["channel", "address", "is_on", "wants_updates"]
        help_texts = {"channel": "The kind of message: push, SMS, e-mail and so on."}

    def clean(self) -> dict[str, Any] | None:
        super().clean()
        clean_address(self)
        return self.cleaned_data

    def save(self, commit: bool = True) -> ContactMethod:
        if {"channel", "address"} & set(self.changed_data):
            for name, value in UNVERIFIED.items():
                setattr(self.instance, name, value)
        if self.instance.is_on:
            self.instance.removed_at = None
        method: ContactMethod = super().save(commit)
        return method


class TeamChannelForm(ChannelModelForm):
    """A webhook gets a secret if it has none; what only webhooks have is dropped for the others."""

    class Meta:
        model = TeamChannel
        fields = [
            *("team", "name", "channel", "address", "is_on"),
            *("wants_opened", "wants_acknowledged", "wants_escalated", "wants_resolved"),
            *("wants_handovers", "secret", "template"),
        ]
        help_texts = {
            "team": "Whose incidents it is told of, and whose policies may name it.",
            "channel": "What the room is: a topic, a mailbox, a chat, a program with a webhook.",
        }

    def clean(self) -> dict[str, Any] | None:
        super().clean()
        clean_address(self)
        is_webhook = self.cleaned_data.get("channel") == "webhook"
        for name, clean in (("secret", _clean_secret), ("template", _clean_template)):
            try:
                text = self.cleaned_data.get(name) or ""
                self.cleaned_data[name] = clean(text) if is_webhook else ""
            except ValueError as error:
                self.add_error(name, str(error))
        return self.cleaned_data

    def save(self, commit: bool = True) -> TeamChannel:
        if self.instance.is_on:
            self.instance.off_reason = ""
        channel: TeamChannel = super().save(commit)
        return channel


def _clean_secret(text: str) -> str:
    return webhook.clean_secret(text) or webhook.new_secret()


def _clean_template(text: str) -> str:
    return webhook.clean_template(text, events.EXAMPLE) if text.strip() else ""


class NotificationRuleForm(RuleModelForm):
    """A rule may only use an address of its own person."""

    class Meta:
        model = NotificationRule
        fields = ["urgency", "contact_method", "delay", "repeats", "repeat_every"]
        help_texts = {
            "urgency": "High: critical and high severity. Low: warnings.",
            "contact_method": "Which of this person's addresses; save a new one first.",
            "repeat_every": "From one repeat to the next, as HH:MM:SS; 30 seconds at the least.",
        }

    def clean_contact_method(self) -> ContactMethod:
        method: ContactMethod = self.cleaned_data["contact_method"]
        if method.user_id != self.instance.user_id:
            raise forms.ValidationError("This is another person's address.")
        return method
