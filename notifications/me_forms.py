"""The forms of a person's own page: who they are, an address, a rule."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms

from notifications.channels.base import is_for_admins, kind_of, person_channel_choices
from notifications.models import ContactMethod, NotificationRule, Urgency
from schedules.forms.inputs import ZoneSelect, browser_input
from schedules.models import User

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    UserModelForm = forms.ModelForm[User]
else:
    UserModelForm = forms.ModelForm

MOST_MINUTES = 24 * 60
MOST_REPEATS = 20
MOST_SECONDS = 3600
A_MINUTE = timedelta(minutes=1)


class ProfileForm(UserModelForm):
    class Meta:
        model = User
        fields = [
            "name", "time_zone", "quiet_from", "quiet_until", "remind_hours",
            "wants_handover_note",
        ]  # fmt: skip
        widgets = {
            "time_zone": ZoneSelect,
            "quiet_from": browser_input("time"),
            "quiet_until": browser_input("time"),
        }
        labels = {
            "quiet_from": "Quiet hours, from",
            "quiet_until": "Quiet hours, until",
            "remind_hours": "Reminder, hours before a shift",
            "wants_handover_note": "Tell me when my shift begins",
        }
        help_texts = {
            "name": "How pages and messages call you.",
            "time_zone": "Times are shown to you in it.",
            "quiet_from": "Low urgency waits until they end; high never does.",
            "quiet_until": "Empty both: none. An end before the start is on the next day.",
            "remind_hours": "24 is a day, 168 a week; 0: never.",
            "wants_handover_note": "With what is open in the team.",
        }


class AddressForm(forms.Form):
    """One address of one kind, in the kind's own spelling."""

    address = forms.CharField(
        max_length=ContactMethod._meta.get_field("address").max_length,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        known = kind_of(kind)
        if known is not None:
            self.fields["address"].label = known.address_label
            self.fields["address"].help_text = f"Such as {known.example_address}"

    def clean_address(self) -> str:
        known = kind_of(self.kind)
        if known is None:
            raise forms.ValidationError("PagerPal does not know this way to reach you.")
        try:
            return known.clean_address(self.cleaned_data["address"])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None


def may_use(user: User, kind: str) -> bool:
    """Whether this person may give an address of this kind for themselves."""
    if kind not in dict(person_channel_choices()):
        return False
    return user.is_superuser or not is_for_admins(kind)


class RuleForm(forms.Form):
    """A rule of one's own, with its times as people say them."""

    contact_method = forms.ChoiceField(label="Use")
    urgency = forms.ChoiceField(label="For incidents of urgency", choices=Urgency.choices)
    after = forms.DecimalField(
        label="After, minutes",
        initial=0,
        min_value=0,
        max_value=MOST_MINUTES,
        decimal_places=2,
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
        help_text="0: at once.",
    )
    repeats = forms.IntegerField(
        label="Again, times",
        initial=0,
        min_value=0,
        max_value=MOST_REPEATS,
        help_text="As new messages, until somebody answers.",
    )
    seconds = forms.IntegerField(
        label="Each, seconds", initial=60, min_value=30, max_value=MOST_SECONDS
    )

    def __init__(
        self,
        *args: Any,
        methods: Iterable[ContactMethod],
        rule: NotificationRule | None = None,
        **kwargs: Any,
    ) -> None:
        if rule is not None:
            kwargs["initial"] = _as_it_is(rule)
        super().__init__(*args, **kwargs)
        self.rule = rule
        self.methods = {str(one.pk): one for one in methods if one.is_on}
        field: Any = self.fields["contact_method"]
        field.choices = [(pk, _called(one)) for pk, one in self.methods.items()]

    def save(self) -> NotificationRule:
        said = self.cleaned_data
        method = self.methods[said["contact_method"]]
        rule = self.rule or NotificationRule(user_id=method.user_id)
        rule.contact_method, rule.urgency = method, said["urgency"]
        rule.delay = float(said["after"]) * A_MINUTE
        rule.repeats, rule.repeat_every = said["repeats"], timedelta(seconds=said["seconds"])
        rule.save()
        return rule


def _called(method: ContactMethod) -> str:
    kind = kind_of(method.channel)
    return f"{kind.label if kind else method.channel} {method.masked_address}"


def _as_it_is(rule: NotificationRule) -> dict[str, Any]:
    return {
        "contact_method": rule.contact_method_id,
        "urgency": rule.urgency,
        "after": f"{rule.delay / A_MINUTE:g}",
        "repeats": rule.repeats,
        "seconds": int(rule.repeat_every.total_seconds()),
    }
