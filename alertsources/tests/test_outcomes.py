"""Every recorded request, sent as it was recorded, and what became of it: see outcomes.txt.

After a change that is meant, `WRITE_OUTCOMES=1` writes the file anew; read the difference.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.datastructures import CaseInsensitiveMapping

from alertsources import reading
from alertsources.cleaning import CleanAlert
from alertsources.models import AlertSource, ReceivedPayload
from alertsources.tests.bodies import Recorded, all_recorded
from incidents.models import Incident
from pagerpal.testing import NOON, make_source, make_team

pytestmark = pytest.mark.django_db

KINDS = ("alertmanager", "grafana", "grafana-legacy", "uptime-kuma", "checkly", "healthchecks")
OUTCOMES = Path(__file__).with_name("outcomes.txt")
# The key of the recordings.
KEY = "pp_tok_EXAMPLE"
MOST_SHOWN = 3


def in_words(request: Recorded, source: AlertSource) -> Iterator[str]:
    """What came of it: the answer, what opened, then each alert that was read."""
    answer = request.send(f"/api/v1/alerts/{request.kind}", key=KEY)
    said = answer.json()
    count = Incident.objects.count()
    yield f"{request}: {answer.status_code} {said.get('status', 'error')}, incidents: {count}"
    payload = ReceivedPayload.objects.get()
    headers = CaseInsensitiveMapping(request.headers)
    read = reading.read(bytes(payload.body), source, kind=request.kind, now=NOON, headers=headers)
    for alert in read.alerts[:MOST_SHOWN]:
        yield from alert_in_words(alert)
    if len(read.alerts) > MOST_SHOWN:
        yield f"  and {len(read.alerts) - MOST_SHOWN} more"


def alert_in_words(alert: CleanAlert) -> Iterator[str]:
    is_so = {
        "test": alert.is_test,
        "record only": alert.is_record_only,
        "ends its group": alert.closes_group,
        "ends by itself": alert.resolve_after is not None,
    }
    marks = "".join(f" [{word}]" for word, holds in is_so.items() if holds)
    yield f"  {alert.status} {alert.severity}{marks} {alert.key}: {alert.title}"
    if not alert.group.startswith("alert "):
        yield f"    {alert.group}"
    for line in alert.detail.splitlines()[:3]:
        yield f"    | {line[:100]}"
    labels = ", ".join(f"{name}={value}" for name, value in alert.labels.items())
    if labels:
        yield f"    labels: {labels[:150]}"
    links = [link["label"] for link in alert.links]
    if links:
        yield f"    links: {', '.join(links)}"
    times = {"started": alert.started_at, "occurred": alert.occurred_at}
    for word, at in times.items():
        if at:
            yield f"    {word} {at:%Y-%m-%d %H:%M:%S.%f}"


def expected() -> dict[str, str]:
    """The blocks of the file by the request that each begins with."""
    blocks = OUTCOMES.read_text().strip().split("\n\n") if OUTCOMES.exists() else []
    return {block.partition(":")[0]: block for block in blocks}


@pytest.mark.parametrize("request_", all_recorded(*KINDS), ids=str)
def test_a_recorded_request_has_the_outcome_that_is_written_down(request_: Recorded) -> None:
    source = make_source(make_team(), kind=request_.kind, name="monitor", key=KEY)

    found = "\n".join(in_words(request_, source)).rstrip()

    if os.environ.get("WRITE_OUTCOMES"):
        blocks = expected() | {str(request_): found}
        OUTCOMES.write_text("\n\n".join(block for _, block in sorted(blocks.items())) + "\n")
    assert found == expected().get(str(request_))


def test_nothing_is_written_down_that_is_not_recorded() -> None:
    assert expected().keys() == {str(request) for request in all_recorded(*KINDS)}
