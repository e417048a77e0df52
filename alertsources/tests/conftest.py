"""What more than one file of these tests builds on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alertsources import limits
from alertsources.sources import sns_certificates, sns_subscriptions
from alertsources.tests.sns import FakeAmazon


@pytest.fixture(autouse=True)
def _counts_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources of all tests have the same id: what others sent this minute is not theirs."""
    monkeypatch.setattr(limits, "meter", limits.Meter())


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAmazon]:
    """Amazon's hosts, which give the certificate of the samples and confirm what is asked."""
    fake = FakeAmazon()
    for module in (sns_certificates, sns_subscriptions):
        monkeypatch.setattr(module, "request", fake.request)
    sns_certificates.forget()
    yield fake
    sns_certificates.forget()
