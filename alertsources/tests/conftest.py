"""What more than one file of these tests builds on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alertsources.sources import sns_certificates, sns_subscriptions
from alertsources.tests.sns import FakeAmazon


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAmazon]:
    """Amazon's hosts, which give the certificate of the samples and confirm what is asked."""
    fake = FakeAmazon()
    for module in (sns_certificates, sns_subscriptions):
        monkeypatch.setattr(module, "request", fake.request)
    sns_certificates.forget()
    yield fake
    sns_certificates.forget()
