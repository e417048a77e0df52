"""What every page's frame needs to know."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def house(request: HttpRequest) -> dict[str, Any]:
    return {"safe_mode": not settings.NOTIFICATION_SENDING_ENABLED}
