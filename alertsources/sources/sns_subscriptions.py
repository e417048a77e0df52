"""Keeps a source to the one SNS topic it was subscribed to, and confirms that subscription."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from alertsources.sources import sns_certificates
from alertsources.sources.base import BadSignature, Unavailable
from alertsources.sources.sns_envelope import (
    NOTIFICATION,
    Envelope,
    certificate_url,
    confirmation_url,
    verify,
)
from notifications.channels.base import Deadline, SendError
from notifications.channels.calls import request

if TYPE_CHECKING:
    from alertsources.models import AlertSource

logger = logging.getLogger(__name__)

# What to do about signatures of alarms; the key in the address has to be right in any case.
REQUIRED, IF_REACHABLE, OFF = "required", "if_reachable", "off"
SETTING = "sns_signature"
SECONDS = 5.0


def check_envelope(envelope: Envelope, headers: Mapping[str, str], source: AlertSource) -> None:
    """Raise BadSignature unless Amazon sent this, from the topic that is the source's.

    A subscription is confirmed only on a signature; an alarm whose certificate cannot be fetched
    now is taken in on its key alone, unless the source's settings say otherwise.
    """
    said = headers.get("x-amz-sns-message-type", envelope.type)
    if said != envelope.type:
        raise BadSignature("The type in the header and the type in the message differ.")
    check_topic(envelope.topic, source)
    if envelope.type != NOTIFICATION:
        confirmation_url(envelope)
    how = source.settings.get(SETTING, IF_REACHABLE)
    if how == OFF:
        return
    try:
        _verify(envelope)
    except Unavailable:
        if how == REQUIRED or envelope.type != NOTIFICATION:
            raise
        logger.warning("Source %s: an alarm was taken in without its signature", source.pk)


def check_topic(topic: str, source: AlertSource) -> None:
    if source.topic_arn and topic != source.topic_arn:
        raise BadSignature("This source takes messages of another SNS topic only.")


def confirm(envelope: Envelope, source: AlertSource) -> None:
    """Bind the source to the topic and confirm its subscription: two calls, no transaction.

    Raises Unavailable when SNS could not be asked; then the first topic is not bound.
    """
    url = confirmation_url(envelope)
    _verify(envelope)
    is_first = _bind(source, envelope.topic)
    try:
        answer = request("GET", url, deadline=Deadline(SECONDS))
    except SendError as error:
        _unbind(source, envelope.topic, is_first=is_first)
        raise Unavailable(f"The subscription could not be confirmed: {error}") from None
    if not answer.is_taken:
        _unbind(source, envelope.topic, is_first=is_first)
        raise Unavailable(f"SNS answered {answer.status} to the confirmation.")
    logger.info("Source %s is subscribed to %s", source.pk, envelope.topic)


def _verify(envelope: Envelope) -> None:
    verify(envelope, sns_certificates.public_key(certificate_url(envelope)))


def _bind(source: AlertSource, topic: str) -> bool:
    """Whether this was the source's first topic; of two at once only one can be."""
    rows = type(source)._default_manager.filter(pk=source.pk)
    if rows.filter(topic_arn="").update(topic_arn=topic):
        source.topic_arn = topic
        return True
    if not rows.filter(topic_arn=topic).exists():
        raise BadSignature("This source takes messages of another SNS topic only.")
    return False


def _unbind(source: AlertSource, topic: str, *, is_first: bool) -> None:
    if is_first:
        rows = type(source)._default_manager.filter(pk=source.pk, topic_arn=topic)
        rows.update(topic_arn="")
        source.topic_arn = ""
