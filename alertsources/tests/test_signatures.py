"""Messages that are signed with a secret: Grafana's and Checkly's."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from alertsources.models import AlertSource, ReceivedPayload
from alertsources.signatures import check_fresh, check_hmac
from alertsources.sources.base import BadSignature
from alertsources.tests.bodies import KEY, recorded
from incidents.models import Incident
from pagerpal.testing import make_source, make_team

# Of the recorded messages.
SECRET = "pagerpal-test-secret"
SIGNED_AT = datetime.fromtimestamp(1787415352, UTC)
SIGNED = [
    *(("grafana", "hmac_with_timestamp"), ("grafana", "hmac_without_timestamp")),
    *(("checkly", "failure"), ("checkly", "degraded"), ("checkly", "recovery")),
]
TIMED = recorded("grafana", "hmac_with_timestamp")
SIGNATURE, TIMESTAMP = "X-Grafana-Alerting-Signature", "X-Grafana-Alerting-Timestamp"


def grafana(**fields: Any) -> AlertSource:
    return make_source(make_team(), kind="grafana", signing_secret=SECRET, **fields)


def refused(answer: Any) -> str:
    """The sentence of a 403; nothing of such a message is kept."""
    assert answer.status_code == 403
    assert not ReceivedPayload.objects.exists()
    assert not Incident.objects.exists()
    return str(answer.json()["error"])


@pytest.mark.parametrize(("kind", "case"), SIGNED)
@pytest.mark.parametrize("address", ["/api/v1/alerts", f"/in/{KEY}"])
@pytest.mark.django_db
@time_machine.travel(SIGNED_AT, tick=False)
def test_a_message_with_the_right_signature_is_taken(kind: str, case: str, address: str) -> None:
    make_source(make_team(), kind=kind, signing_secret=SECRET)

    assert recorded(kind, case).send(address, key=KEY).status_code == 202


@pytest.mark.parametrize(("kind", "case"), SIGNED)
@pytest.mark.django_db
@time_machine.travel(SIGNED_AT, tick=False)
def test_another_secret_or_body_is_refused(kind: str, case: str) -> None:
    source = make_source(make_team(), kind=kind, signing_secret="another")
    message = recorded(kind, case)

    assert "is wrong; compare the secret" in refused(message.send("/api/v1/alerts", key=KEY))

    AlertSource.objects.filter(pk=source.pk).update(signing_secret=SECRET)
    changed = recorded(kind, case)
    object.__setattr__(changed, "body", message.body + b" ")
    assert "is wrong" in refused(changed.send("/api/v1/alerts", key=KEY))


@pytest.mark.parametrize("kind", ["grafana", "checkly"])
@pytest.mark.parametrize("address", ["/api/v1/alerts", "/api/v1/alerts/generic", f"/in/{KEY}"])
@pytest.mark.django_db
def test_an_unsigned_message_is_refused_whatever_kind_the_address_names(
    kind: str, address: str
) -> None:
    make_source(make_team(), kind=kind, signing_secret=SECRET)

    answer = recorded("healthchecks", "recommended_down").send(address, key=KEY)

    assert "signed messages only; the header" in refused(answer)


@pytest.mark.parametrize("kind", ["grafana", "checkly"])
@pytest.mark.django_db
def test_without_a_secret_signatures_are_not_looked_at(kind: str) -> None:
    make_source(make_team(), kind=kind)

    headers = {SIGNATURE: "0", "x-checkly-signature": "0"}
    answer = recorded("healthchecks", "recommended_down").send("/api/v1/alerts", key=KEY, **headers)

    assert answer.status_code == 202


@pytest.mark.parametrize("seconds", [-301, 301, 86400])
@pytest.mark.django_db
def test_a_signed_time_must_be_about_now(seconds: int) -> None:
    grafana()

    with time_machine.travel(SIGNED_AT.timestamp() + seconds, tick=False):
        answer = TIMED.send("/api/v1/alerts", key=KEY)

    assert "more than 5 minutes" in refused(answer)


@pytest.mark.django_db
def test_a_signed_time_cannot_be_taken_off_or_changed() -> None:
    grafana()

    with time_machine.travel(SIGNED_AT.timestamp() + 3600, tick=False):
        later = str(int(SIGNED_AT.timestamp()) + 3600)
        assert "is wrong" in refused(TIMED.send("/api/v1/alerts", key=KEY, **{TIMESTAMP: later}))
        assert "is wrong" in refused(TIMED.send("/api/v1/alerts", key=KEY, **{TIMESTAMP: ""}))


@pytest.mark.django_db
def test_grafanas_headers_may_have_names_of_their_users_own() -> None:
    grafana(settings={"signature_header": "X-Sig", "timestamp_header": "X-At"})
    message = recorded("grafana", "firing_one")
    at = str(int(SIGNED_AT.timestamp()))
    signature = hmac.new(SECRET.encode(), at.encode() + b":" + message.body, hashlib.sha256)

    with time_machine.travel(SIGNED_AT, tick=False):
        untimed = message.send("/api/v1/alerts", key=KEY, **{"X-Sig": signature.hexdigest()})
        assert "the header X-At is missing" in refused(untimed)
        headers = {"X-Sig": signature.hexdigest().upper(), "X-At": at}
        assert message.send("/api/v1/alerts", key=KEY, **headers).status_code == 202


@pytest.mark.django_db
def test_settings_of_another_shape_do_no_harm() -> None:
    grafana(settings=["?"])

    answer = recorded("grafana", "hmac_without_timestamp").send("/api/v1/alerts", key=KEY)

    assert answer.status_code == 202


@pytest.mark.parametrize("given", ["", " ", "0", "\xe9" * 64, "\ud800"])
def test_no_other_text_is_a_signature(given: str) -> None:
    with pytest.raises(BadSignature):
        check_hmac(SECRET, b"body", given, name="X-Sig")


@pytest.mark.parametrize("timestamp", ["", "nan", "inf", "-inf", "yesterday", "1e400", "0"])
def test_no_other_text_is_a_time(timestamp: str) -> None:
    with pytest.raises(BadSignature):
        check_fresh(timestamp)
