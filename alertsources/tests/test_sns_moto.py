"""An SNS that is not ours, moto's, and what of it is refused; test_story_senders has the rest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests
from moto import mock_aws

from alertsources.models import AlertSource
from alertsources.sources import sns_certificates
from alertsources.tests.bodies import KEY
from incidents.models import Incident
from notifications.channels.base import Deadline
from notifications.channels.calls import Answer
from pagerpal.testing import make_source, make_team

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

ALARM = {
    "AlarmName": "web-cpu-high",
    "AlarmArn": "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:web-cpu-high",
    "StateChangeTime": "2026-08-22T14:10:00.123+0000",
}


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A topic of moto; certificates come from moto as well, by the same address as Amazon's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setitem(os.environ, name, "testing")

    def fetch(method: str, url: str, *, deadline: Deadline) -> Answer:
        answer = requests.request(method, url, timeout=deadline.remaining())
        return Answer(answer.status_code, answer.text)

    monkeypatch.setattr(sns_certificates, "request", fetch)
    sns_certificates.forget()
    with mock_aws():
        yield boto3.resource("sns", region_name="eu-central-1").create_topic(Name="alarms")


def test_a_subject_that_moto_does_not_sign_is_refused(topic: Any, live_server: Any) -> None:
    make_source(make_team(), kind="cloudwatch")
    topic.subscribe(Protocol="http", Endpoint=f"{live_server.url}/in/{KEY}")

    topic.publish(Message=json.dumps({**ALARM, "NewStateValue": "ALARM"}), Subject="ALARM")

    assert not Incident.objects.exists()


def test_another_topic_of_moto_is_refused_by_a_bound_source(topic: Any, live_server: Any) -> None:
    make_source(make_team(), kind="cloudwatch")
    AlertSource.objects.update(topic_arn="arn:aws:sns:eu-central-1:123456789012:other")
    topic.subscribe(Protocol="http", Endpoint=f"{live_server.url}/in/{KEY}")

    topic.publish(Message=json.dumps({**ALARM, "NewStateValue": "ALARM"}))

    assert not Incident.objects.exists()
