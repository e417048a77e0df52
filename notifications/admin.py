"""Addresses and rules of people, channels of teams, and the log of what was sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import ForeignKey, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join

from notifications import outbox, previews, trials, working
from notifications.channels.base import is_for_admins, kind_of
from notifications.forms import ContactMethodForm, NotificationRuleForm, TeamChannelForm
from notifications.limits import Refused
from notifications.models import (
    UNFINISHED,
    ContactMethod,
    DeliveryEvent,
    InboundMessage,
    Inbox,
    Notification,
    NotificationRule,
    ProviderState,
    TeamChannel,
    masked,
)
from schedules.admin import UserAdmin
from schedules.models import User

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    NotificationModelAdmin = admin.ModelAdmin[Notification]
    ProviderModelAdmin = admin.ModelAdmin[ProviderState]
    InboundModelAdmin = admin.ModelAdmin[InboundMessage]
    InboxModelAdmin = admin.ModelAdmin[Inbox]
    ChannelModelAdmin = admin.ModelAdmin[TeamChannel]
    MethodTabularInline = admin.TabularInline[ContactMethod, User]
    RuleTabularInline = admin.TabularInline[NotificationRule, User]
    EventTabularInline = admin.TabularInline[DeliveryEvent, Notification]
else:
    NotificationModelAdmin = ProviderModelAdmin = ChannelModelAdmin = admin.ModelAdmin
    InboundModelAdmin = InboxModelAdmin = admin.ModelAdmin
    MethodTabularInline = RuleTabularInline = EventTabularInline = admin.TabularInline

# At once, from the list of people.
MOST_TESTED = 20
# Messages of a channel: on its page, and sent again together.
MOST_SHOWN, MOST_AGAIN = 20, 100


class ContactMethodInline(MethodTabularInline):
    model = ContactMethod
    form = ContactMethodForm
    fields = ["channel", "address", "is_on", "wants_updates", "verified_at", "standing"]
    readonly_fields = ["verified_at", "standing"]
    extra = 0
    # Switched off, not deleted: the log goes on naming it, and what waits for it is not orphaned.
    can_delete = False

    @admin.display(description="how it fares")
    def standing(self, method: ContactMethod) -> str:
        if method.pk is None:
            return ""
        (one,) = working.standings([method])
        if method.removed_at:
            return "Removed by its person."
        if one.missing:
            return one.missing
        if one.is_failing:
            times = f" {one.failures} times in a row" if one.failures > 1 else ""
            return format_html('<span class="gap">Failed{}: {}</span>', times, one.words)
        return "Works." if one.last_at else "Nothing was sent to it yet."


class NotificationRuleInline(RuleTabularInline):
    model = NotificationRule
    form = NotificationRuleForm
    extra = 0
    verbose_name_plural = (
        "notification rules (without any: push at once, SMS after 2 minutes, e-mail after 5)"
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[NotificationRule]:
        return super().get_queryset(request).select_related("contact_method")

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        """Only the addresses of the person who is being edited."""
        if db_field.name == "contact_method":
            match = request.resolver_match
            person = match.kwargs.get("object_id") if match else None
            known = str(person).isdecimal()
            kwargs["queryset"] = ContactMethod.objects.filter(user=person if known else None)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.action(description="Page the selected people, as a test", permissions=["change"])
def send_test_page(model_admin: Any, request: HttpRequest, queryset: QuerySet[User]) -> None:
    """Each by their own rules for high urgency; nobody else is paged."""
    now = timezone.now()
    for user in queryset[:MOST_TESTED]:
        try:
            if not user.is_active:
                raise Refused("Switched off: never paged.")
            trials.page_now(user, now=now)
            messages.success(request, f"{user} is being paged, as a test.")
        except Refused as refused:
            messages.warning(request, f"{user}: {refused.message}")


UserAdmin.inlines = [*UserAdmin.inlines, ContactMethodInline, NotificationRuleInline]
UserAdmin.actions = [*(UserAdmin.actions or []), send_test_page]


@admin.register(TeamChannel)
class TeamChannelAdmin(ChannelModelAdmin):
    form = TeamChannelForm
    autocomplete_fields = ["team"]
    list_display = ["name", "team", "via", "is_on", "told_of"]
    list_filter = ["is_on", "channel", "team"]
    list_select_related = ["team"]
    search_fields = ["name", "team__name"]
    readonly_fields = ["off_reason", "told_lately"]
    actions = ["send_test", "send_again"]
    fieldsets = [
        (None, {"fields": ["team", "name", "channel", "address", "is_on", "off_reason"]}),
        (
            "What it is told of",
            {
                "description": "Each time, up to 10 messages a minute; what comes beyond them is "
                "counted into one. A step of a policy can tell it too.",
                "fields": [
                    *("wants_opened", "wants_acknowledged", "wants_escalated", "wants_resolved"),
                    "wants_handovers",
                ],
            },
        ),
        ("Webhooks only", {"fields": ["secret", "template"]}),
        (
            "What it was told lately",
            {
                "description": "On the page of an incident each of its messages can be sent again; "
                "an action of the list of channels sends again all that failed within a day.",
                "fields": ["told_lately"],
            },
        ),
    ]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """A new one was told of nothing."""
        found = super().get_fieldsets(request, obj)
        return found if obj else found[:-1]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What most teams want of a new one."""
        wanted = dict.fromkeys(["wants_opened", "wants_acknowledged", "wants_resolved"], True)
        return {**wanted, **super().get_changeform_initial_data(request)}

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Some kinds can reach any machine that this one can."""
        if db_field.name == "channel" and not getattr(request.user, "is_superuser", False):
            choices = db_field.get_choices(include_blank=True)
            kwargs["choices"] = [one for one in choices if not is_for_admins(one[0])]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    @admin.display(description="told of")
    def told_of(self, channel: TeamChannel) -> str:
        events = ("opened", "acknowledged", "escalated", "resolved", "handovers")
        return ", ".join(one for one in events if getattr(channel, f"wants_{one}"))

    @admin.action(description="Send a test message", permissions=["change"])
    def send_test(self, request: HttpRequest, queryset: QuerySet[TeamChannel]) -> None:
        now = timezone.now()
        for channel in queryset[:MOST_TESTED]:
            if trials.try_channel(channel, now=now).rows:
                text = f"A test is on its way to {channel}: see the notifications."
                self.message_user(request, text)
            else:
                self.message_user(request, f"{channel} is switched off.", messages.WARNING)

    @admin.display(description="last messages")
    def told_lately(self, channel: TeamChannel) -> str:
        rows = channel.notifications.order_by("-pk")[:MOST_SHOWN]
        line = "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"
        told = [(_due(row), _said(row), row.get_state_display(), row.outcome) for row in rows]
        return (
            format_html("<table>{}</table>", format_html_join("", line, told)) if told else "none"
        )

    @admin.action(description="Send again what failed within a day", permissions=["change"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[TeamChannel]) -> None:
        """Each message once, however often this is asked for."""
        by = request.user
        assert isinstance(by, User)  # noqa: S101  the admin lets nobody else in
        sent = send_missed_again(queryset, by, now=timezone.now())
        level = messages.SUCCESS if sent else messages.WARNING
        self.message_user(request, f"{sent} will be sent again.", level)

    @admin.display(description="via")
    def via(self, channel: TeamChannel) -> str:
        return f"{_label(channel.channel)} {channel.masked_address}"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Switched off, not deleted: the log goes on naming it."""
        return False


def _due(row: Notification) -> str:
    return date_format(timezone.localtime(row.due_at), "j M H:i")


def _said(row: Notification) -> str:
    """What the message was, or is about where it has no words yet."""
    return str((row.rendered or {}).get("title") or row.context.get("title") or row.thread)


def _label(name: str) -> str:
    kind = kind_of(name)
    return kind.label if kind else name


class LogOnly:
    """What happened is not edited."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DeliveryEventInline(LogOnly, EventTabularInline):
    model = DeliveryEvent
    fields = readonly_fields = ("at", "kind", "attempt", "provider", "text")
    ordering = ["-pk"]
    extra = 0


@admin.register(Notification)
class NotificationAdmin(LogOnly, NotificationModelAdmin):
    list_display = ["due_at", "recipient", "via", "thread", "fate"]
    list_filter = ["state", "channel", "purpose", "team"]
    list_select_related = ["user", "contact_method", "team_channel__team"]
    search_fields = ["user__name", "team_channel__name", "thread", "outcome"]
    ordering = ["-pk"]
    show_full_result_count = False
    actions = ["send_again"]
    inlines = [DeliveryEventInline]
    fieldsets = [
        (None, {"fields": ["recipient", "via", "purpose", "thread", "team", "state", "outcome"]}),
        ("When", {"fields": ["due_at", "first_tried_at", "settled_at", "cancelled_at"]}),
        ("What", {"fields": ["text", "answer_link", "attempts", "provider", "provider_id", "key"]}),
    ]

    @admin.display(description="what became of it", ordering="state")
    def fate(self, notification: Notification) -> str:
        return ": ".join(filter(None, [notification.state, notification.outcome]))

    @admin.display(description="to", ordering="user__name")
    def recipient(self, notification: Notification) -> str:
        return notification.recipient

    @admin.display(description="via")
    def via(self, notification: Notification) -> str:
        label = _label(notification.channel)
        method = notification.contact_method or notification.team_channel
        return f"{label} {method.masked_address}" if method else label

    @admin.display(description="text")
    def text(self, notification: Notification) -> str:
        shown = notification.rendered or {}
        if not shown:
            return "Not put into words yet."
        return format_html("<pre>{}\n\n{}</pre>", shown.get("title", ""), shown.get("body", ""))

    @admin.display(description="answer link")
    def answer_link(self, notification: Notification) -> str:
        """Live only where nothing was sent: whoever has it answers as that person."""
        url = (notification.rendered or {}).get("answer_url", "")
        if notification.state != Notification.State.HELD or not url:
            return "Shown for messages that safe mode holds."
        return format_html('<a href="{}">{}</a>', url, url)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.previews_view)
        return [path("previews/", view, name="notifications_previews"), *super().get_urls()]

    def previews_view(self, request: HttpRequest) -> HttpResponse:
        """How each message reads; for everybody who may use the admin."""
        reader: User = request.user  # type: ignore[assignment]
        context = {
            **self.admin_site.each_context(request),
            "title": "Message previews",
            "samples": previews.samples(reader, timezone.now()),
        }
        return TemplateResponse(request, "admin/notifications/previews.html", context)

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and bool(getattr(request.user, "is_superuser", False))

    @admin.action(description="Send again", permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        now, by = timezone.now(), request.user
        assert isinstance(by, User)  # noqa: S101  the admin lets nobody else in
        # An order to take a message off a phone says nothing to anybody.
        ended = [row for row in queryset.exclude(state__in=UNFINISHED) if speaks(row)]
        for row in ended:
            outbox.send_again(row, by, now=now)
        self.message_user(request, f"{len(ended)} will be sent again.")
        if left := queryset.count() - len(ended):
            text = f"{left} left as they are: still under way, or nothing to read."
            self.message_user(request, text, messages.WARNING)


def send_missed_again(channels: QuerySet[TeamChannel], by: User, *, now: datetime) -> int:
    """What failed within a day, each message once; says how many."""
    failed = Notification.objects.filter(
        team_channel__in=channels,
        state=Notification.State.FAILED,
        due_at__gt=now - timedelta(days=1),
        team_channel__is_on=True,
    ).exclude(events__kind=DeliveryEvent.Kind.AGAIN)
    return len([outbox.send_again(row, by, now=now) for row in failed.order_by("pk")[:MOST_AGAIN]])


def speaks(row: Notification) -> bool:
    """An order to take a message off a phone has nothing to read."""
    return "clears" not in row.context


@admin.register(ProviderState)
class ProviderStateAdmin(LogOnly, ProviderModelAdmin):
    list_display = ["provider", "standing", "last_taken_at", "last_error", "last_error_at"]
    fields = ["provider", "standing", "timeouts", "probe_at", "last_taken_at", "last_error"]

    @admin.display(description="state")
    def standing(self, provider: ProviderState) -> str:
        return "does not answer" if provider.is_open else "in use"


@admin.register(InboundMessage)
class InboundMessageAdmin(LogOnly, InboundModelAdmin):
    list_display = ["received_at", "sender", "user", "text", "outcome"]
    list_filter = ["channel", "act"]
    list_select_related = ["user"]
    fields = [
        *("received_at", "sender", "user", "text", "act", "outcome", "is_answered"),
        *("said_at", "provider"),
    ]
    ordering = ["-pk"]
    show_full_result_count = False

    @admin.display(description="from")
    def sender(self, message: InboundMessage) -> str:
        return f"{message.channel} {masked(message.address)}"


@admin.register(Inbox)
class InboxAdmin(LogOnly, InboxModelAdmin):
    list_display = ["name", "asked_at", "failures", "last_error"]
    fields = ["name", "asked_at", "failures", "last_error"]
