"""What the admin offers for sources of single kinds: mappings, SNS topics and their settings."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from alertsources.kind_forms import FIELDS_OF
from alertsources.mapping_admin import MappingPage, mapping_link
from alertsources.models import AlertSource
from alertsources.sources.anyjson import AnyJson
from alertsources.sources.cloudwatch import CloudWatch
from alertsources.sources.email_in import Email


class KindTools(MappingPage):
    """Adds what single kinds need to the admin of sources."""

    actions = ["forget_topic"]

    @staticmethod
    def kind_fieldsets(source: AlertSource) -> list[Any]:
        if source.kind == AnyJson.slug:
            return [("Any JSON", {"fields": ["reading"]})]
        if source.kind == Email.slug:
            return [("E-mail", {"fields": [*FIELDS_OF[source.kind]]})]
        if source.kind == CloudWatch.slug:
            return [("CloudWatch and SNS", {"fields": ["subscription", *FIELDS_OF[source.kind]]})]
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
