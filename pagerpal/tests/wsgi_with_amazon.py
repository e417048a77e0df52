"""The web process as it is, but Amazon's hosts are played, and what they are asked is noted."""

import os
from pathlib import Path

from pagerpal.wsgi import application

# isort: split
# Only now is Django set up, which these need.
from alertsources.sources import sns_certificates, sns_subscriptions
from alertsources.tests.sns import FakeAmazon
from notifications.channels.base import Deadline
from notifications.channels.calls import Answer

__all__ = ["application"]


class NotedAmazon(FakeAmazon):
    def request(self, method: str, url: str, *, deadline: Deadline) -> Answer:
        with Path(os.environ["AMAZON_ASKED"]).open("a") as notes:
            notes.write(f"{url}\n")
        return super().request(method, url, deadline=deadline)


amazon = NotedAmazon()
amazon.pem = Path(os.environ["AMAZON_PEM"]).read_text()
for module in (sns_certificates, sns_subscriptions):
    setattr(module, "request", amazon.request)  # noqa: B010  mypy knows it as a function
