"""The source that a key opens, with the settings that intake asks for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from alertsources.models import AlertSource
from alertsources.senders import DURATIONS, JSON_FIELDS, PLAIN, sender_of
from alertsources.tests.bodies import KEY
from pagerpal.testing import make_source, make_team, make_user

pytestmark = pytest.mark.django_db


def test_the_source_of_a_key_has_its_settings_without_another_query(
    django_assert_num_queries: Any,
) -> None:
    source = make_source(make_team())
    AlertSource.objects.update(
        test_person=make_user("Ada"),
        signing_secret="s",
        settings={"a": [1]},
        group_labels=["b"],
        wait_for=timedelta(minutes=5),
        is_active=False,
    )
    source.refresh_from_db()

    with django_assert_num_queries(1):
        sender = sender_of([KEY], now=timezone.now())
        assert sender
        found = [getattr(sender.source, name) for name in [*PLAIN, *JSON_FIELDS, *DURATIONS]]

    assert found == [getattr(source, name) for name in [*PLAIN, *JSON_FIELDS, *DURATIONS]]
    assert sender.source.team.name == source.team.name
