"""Generic JSON, forgiving."""

from __future__ import annotations

from typing import Any

import pytest

from alertsources.sources.base import FIRING, RESOLVED, Link, ParsedAlert, Unreadable, registry


def parse(payload: Any) -> list[Any]:
    return list(registry["generic"].parse(payload))


def test_every_promised_field_is_read() -> None:
    [alert] = parse(
        {
            "title": "Disk full",
            "description": "97%",
            "severity": "critical",
            "team_id": 7,
            "external_id": "db1/disk",
            "status": "firing",
            "links": [{"label": "runbook", "url": "https://example.com/r"}],
            "labels": {"host": "db1", "percent": 97},
        }
    )

    assert alert == ParsedAlert(
        key="db1/disk",
        status=FIRING,
        title="Disk full",
        detail="97%",
        severity="critical",
        labels={"host": "db1", "percent": "97"},
        links=(Link("runbook", "https://example.com/r"),),
        team="7",
    )


@pytest.mark.parametrize("field", ["title", "message", "summary", "name", "description"])
def test_the_title_goes_by_many_names(field: str) -> None:
    assert parse({field: "Disk full"})[0].title == "Disk full"


@pytest.mark.parametrize("word", ["resolved", "OK", "closed", " Recovered ", "up"])
def test_words_for_over_end_the_alert(word: str) -> None:
    assert parse({"title": "x", "status": word})[0].status == RESOLVED


@pytest.mark.parametrize("word", ["acknowledged", "ACK", "acknowledge"])
def test_that_somebody_has_it_elsewhere_is_only_recorded(word: str) -> None:
    assert parse({"title": "x", "status": word})[0].is_record_only
    assert not parse({"title": "x", "status": "firing"})[0].is_record_only


@pytest.mark.parametrize("word", ["firing", "problem", "", None, 0, {}, "blah"])
def test_any_other_word_fires(word: Any) -> None:
    assert parse({"title": "x", "status": word})[0].status == FIRING


def test_the_same_title_is_the_same_problem_without_an_id() -> None:
    fires, ends = parse([{"title": "Disk full"}, {"title": "Disk full", "status": "ok"}])

    assert fires.key == ends.key


@pytest.mark.parametrize(
    "links",
    [
        "https://example.com",
        ["https://example.com"],
        [{"href": "https://example.com"}],
        {"url": "https://example.com"},
        {"link": "https://example.com"},
    ],
)
def test_links_come_in_many_shapes(links: Any) -> None:
    assert [link.url for link in parse({"title": "x", "links": links})[0].links] == [
        "https://example.com"
    ]


def test_a_list_of_tags_makes_labels() -> None:
    labels = parse({"title": "x", "tags": ["db", "cluster: eu"]})[0].labels

    assert labels == {"db": "", "cluster": "eu"}


def test_one_bad_item_of_a_list_costs_only_itself() -> None:
    good, bad, empty = parse([{"title": "x"}, 5, {}])

    assert good.title == "x"
    assert bad == Unreadable("alert 2: expected an object with a title")
    assert "alert 3" in empty.why


@pytest.mark.parametrize(
    "payload", [None, 5, "x", True, {}, {"status": "resolved"}, {"alerts": []}]
)
def test_what_names_no_problem_is_refused(payload: Any) -> None:
    with pytest.raises(ValueError, match="title"):
        parse(payload)
