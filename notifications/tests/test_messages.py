"""The facts of a notification become words."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.conf import settings
from django.template.loader import get_template

from notifications import messages
from notifications.channels import gsm
from notifications.channels.base import Message
from notifications.models import Notification, TeamChannel
from notifications.tests.pages import FACTS
from pagerpal.testing import NOON, at
from schedules.models import Team, User


def rendered(
    purpose: str = "page", *, via: str = "ntfy", zone: str = "Europe/Berlin", **facts: Any
) -> Message:
    row = Notification(
        purpose=purpose,
        channel=via,
        thread="incident:412",
        key="page:981/method:7/repeat:0",
        context={**FACTS, **facts},
        user=User(name="ann", time_zone=zone),
        due_at=NOON,
    )
    return messages.render(row)


def test_a_page_says_how_bad_what_since_when_and_what_is_next(settings: Any) -> None:
    settings.PAGERPAL_BASE_URL = "https://pager.example.org"

    message = rendered()

    assert message.title == "[critical] Disk full on db-6 (#412)"
    assert message.body.splitlines() == [
        "Since 12:58 CET, 3 alerts.",
        "Platform, from Alertmanager.",
        "Next: bob at 13:05",
        "97 % of /var",
    ]
    assert message.priority == 5
    assert message.tags == ("rotating_light",)
    assert message.open_url == "https://pager.example.org/incidents/412"
    assert message.answer_url == "https://pager.example.org/a/t0ken"
    assert message.headers["X-PagerPal-Incident"] == "412"


def test_low_urgency_does_not_ring_through() -> None:
    message = rendered(urgency="low", severity="warning")

    assert message.priority == 3
    assert message.tags == ("warning",)


def test_times_of_another_day_say_the_day() -> None:
    message = rendered(opened_at="2026-11-22T22:30:00+00:00", zone="UTC")

    assert "Since 22 Nov 22:30 UTC" in message.body


def test_a_time_after_midnight_is_of_the_recipients_day() -> None:
    row = Notification(
        key="k",
        context=FACTS | {"opened_at": "2026-11-23T22:58:00+00:00"},
        user=User(time_zone="Europe/Berlin"),
        due_at=at("2026-11-23 23:01"),
    )

    assert "Since 23:58 CET" not in messages.render(row).body
    assert "Since 23 Nov 23:58 CET" in messages.render(row).body


def test_all_mails_of_an_incident_have_one_subject() -> None:
    page, worse = rendered(severity="warning"), rendered("growth", severity="critical", news="x")

    assert page.subject == worse.subject == "Disk full on db-6 (#412)"


def test_a_test_is_called_one() -> None:
    message = rendered(is_test=True)

    assert message.title == "TEST [critical] Disk full on db-6 (#412)"
    assert "This is a test: nothing is wrong." in message.body
    assert message.subject.startswith("TEST ")


def test_growth_says_the_news_first_and_has_no_button_to_take_it_again() -> None:
    message = rendered("growth", news="4th alert: db-7 is full too")

    assert message.body.splitlines()[0] == "4th alert: db-7 is full too"
    assert message.answer_url == ""
    assert message.open_url


def test_a_repeat_says_that_nobody_has_answered() -> None:
    assert rendered(repeat=2).body.startswith("Nobody has answered yet.")


def test_the_owner_is_asked_a_question() -> None:
    message = rendered("ask_owner")

    assert "Still yours?" in message.body
    assert message.answer_url


SHIFT = {
    "team": "Platform",
    "rotation": "primary",
    "starts_at": "2026-11-30T09:00:00+00:00",
    "ends_at": "2026-12-07T09:00:00+00:00",
    "hands_over": "bob",
    "open_path": "/calendar",
}


def said(
    purpose: str, facts: dict[str, Any], *, via: str = "ntfy", zone: str = "Europe/Berlin"
) -> Message:
    return messages.render(
        Notification(
            purpose=purpose,
            channel=via,
            thread="rotation:7",
            key="k",
            context=facts,
            user=User(name="ann", time_zone=zone),
            due_at=NOON,
            void_at=NOON,
        )
    )


def test_a_reminder_says_from_when_to_when_in_the_persons_zone_and_who_hands_over(
    settings: Any,
) -> None:
    settings.PAGERPAL_BASE_URL = "https://pager.example.org"

    message = said("reminder", SHIFT, via="email")

    assert message.title == "On call from Mon 30 Nov 10:00: Platform"
    assert message.body.splitlines() == [
        "Your shift in Platform: primary starts Mon 30 Nov 10:00 and ends Mon 7 Dec 10:00 "
        "(Europe/Berlin).",
        "bob hands over to you.",
    ]
    assert message.open_url == "https://pager.example.org/calendar"
    assert (message.priority, message.tags, message.answer_url) == (3, ("calendar",), "")
    assert "bob hands over to you." in message.html
    assert "Acknowledge" not in message.html


def test_each_time_of_a_reminder_is_of_its_own_side_of_summer_time() -> None:
    over = SHIFT | {
        "starts_at": "2027-03-25T08:00:00+00:00",
        "ends_at": "2027-04-01T07:00:00+00:00",
    }

    assert "starts Thu 25 Mar 09:00 and ends Thu 1 Apr 09:00" in said("reminder", over).body


def test_a_shift_without_an_end_says_so() -> None:
    message = said("reminder", SHIFT | {"ends_at": None, "hands_over": ""}, zone="Mars/Base")

    assert message.body == (
        "Your shift in Platform: primary starts Mon 30 Nov 09:00 and has no end planned (UTC)."
    )


def test_the_note_at_the_hand_over_names_what_is_open() -> None:
    message = said("handover", SHIFT | {"incidents": ["#12 Disk full", "#13 Slow"], "more": 3})

    assert message.title == "You are on call for Platform until Mon 7 Dec 10:00"
    assert message.body.splitlines() == [
        "Platform: primary until Mon 7 Dec 10:00 (Europe/Berlin).",
        "bob hands over.",
        "Open incidents: #12 Disk full, #13 Slow and 3 more.",
    ]


def test_a_channel_reads_in_its_teams_zone_who_is_on_call() -> None:
    team = Team(name="Platform", time_zone="Asia/Kolkata")
    row = Notification(
        purpose="handover",
        context=SHIFT | {"who": "ann"},
        team_channel=TeamChannel(team=team, name="#ops"),
        void_at=NOON,
    )

    message = messages.render(row)

    assert message.title == "ann is on call for Platform until Mon 7 Dec 14:30"
    assert "No open incidents." in message.body


def test_gaps_are_listed_with_their_times() -> None:
    gap = {key: SHIFT[key] for key in ("starts_at", "ends_at")} | {"why": "Nobody is on call."}

    message = said("notice", {"team": "Platform", "gaps": [gap] * 22})

    lines = message.body.splitlines()
    assert message.title == "Platform: nobody would be paged at some time in the next 7 days"
    assert lines[0] == "Mon 30 Nov 10:00 to Mon 7 Dec 10:00: Nobody is on call."
    assert lines[20:] == [
        "And 2 more.",
        "Times of Europe/Berlin. An override or a contact method closes a gap.",
    ]


@pytest.mark.parametrize("purpose", ["reminder", "handover", "notice"])
@pytest.mark.parametrize(
    "facts", [{}, [], None, {"gaps": 7}, {"starts_at": "soon", "team": None, "incidents": 3}]
)
def test_broken_facts_of_a_shift_still_make_a_quiet_message(purpose: str, facts: Any) -> None:
    message = said(purpose, facts)

    assert message.title
    assert message.priority == 3


def test_an_order_to_clear_names_the_message() -> None:
    message = rendered("update", clears="page:1/method:2/repeat:0")

    assert message.clears == "page:1/method:2/repeat:0"


def test_hostile_text_stays_text() -> None:
    message = rendered(
        via="email",
        title="<script>alert(1)</script>\r\nBcc: x@example.org",
        detail="</pre><img src=x>",
        team="<b>T</b>",
        links=[{"label": "<i>", "url": "javascript:alert(1)"}, {"url": "https://ok.example/"}],
    )

    assert "\n" not in message.title
    for tag in ("<script", "<img", "<b>", "<i>", "javascript:"):
        assert tag not in message.html
    assert "&lt;script&gt;" in message.html
    assert "https://ok.example/" in message.html


def test_the_html_has_one_button_and_loads_nothing() -> None:
    html = rendered(via="email").html

    assert html.count("Acknowledge") == 1
    assert "/a/t0ken" in html
    assert "src=" not in html


@pytest.mark.parametrize(
    "context",
    [
        {},
        [],
        None,
        "text",
        {"title": None, "number": None, "next": "soon", "opened_at": 7, "links": 3},
        {"title": 5, "next": {"at": "never", "who": ["x"]}, "opened_at": "yesterday"},
        {"title": "x", "alerts": "many", "links": [1, None, {"url": "http://[broken"}]},
    ],
)
def test_broken_facts_still_make_a_message(context: Any) -> None:
    row = Notification(
        key="k", thread="incident:1", context=context, user=User(time_zone="Mars/Base"), due_at=NOON
    )

    message = messages.render(row)

    assert message.title
    assert message.key == "k"


DISK: dict[str, Any] = {"title": "Disk 96% full db-6", "number": 12, "answer_path": "/a/t0ken"}


def test_a_text_message_is_one_and_says_how_to_answer(settings: Any) -> None:
    settings.PAGERPAL_BASE_URL = "https://pager.example.org"
    link = "https://pager.example.org/a/t0ken"

    def text(**facts: Any) -> str:
        return rendered(via="sms", **DISK | facts).sms

    assert text() == f"#12 CRIT Disk 96% full db-6. Answer: {link}"
    assert text(reply="12a") == f"#12 CRIT Disk 96% full db-6. Reply 12a or {link}"
    assert text(reply="12a", answer_path="") == "#12 CRIT Disk 96% full db-6. Reply 12a"
    assert rendered(via="ntfy", **DISK).sms == ""


def test_a_long_title_is_cut_and_what_to_answer_never_is() -> None:
    text = rendered(via="sms", **DISK | {"title": "Disk \u2013 “full” 🔥 " * 20}).sms

    assert gsm.parts(text) == 1
    assert text.startswith('#12 CRIT Disk - "full"')
    assert "... Answer: http" in text.replace("....", "...")


def test_a_title_in_other_letters_keeps_enough_of_itself() -> None:
    text = rendered(via="sms", **DISK | {"title": "Диск переполнен на сервере db-6 в зале два"}).sms

    assert "Диск переполнен на сервере" in text
    assert text.endswith("/a/t0ken")
    assert gsm.parts(text) <= 2


@pytest.mark.parametrize("via", ["ntfy", "sms", "whatsapp"])
def test_discreet_messages_say_only_which_and_how_bad(via: str) -> None:
    message = rendered(via=via, discreet=True, number=12)

    assert message.title == "#12 critical"
    assert message.body == ""
    assert message.answer_url
    assert "Disk" not in message.sms
    assert message.sms.startswith("#12 critical. Answer: http") == (via == "sms")


def test_a_discreet_mail_says_what_but_no_details_and_nothing_in_its_subject() -> None:
    links = [{"url": "https://monitor.example/7", "label": "Monitor"}]

    mail = rendered(via="email", discreet=True, number=12, links=links)

    assert mail.subject == "PagerPal #12"
    assert "Disk full on db-6" in mail.title
    for text in (mail.body, mail.html):
        assert "97 % of /var" not in text
        assert "monitor.example" not in text


@pytest.mark.parametrize(
    ("facts", "title"),
    [
        ({"event": "opened"}, "[critical] Disk full on db-6 (#412)"),
        ({"event": "acknowledged", "who": "alice"}, "alice has it: Disk full on db-6 (#412)"),
        ({"event": "escalated", "who": "bob"}, "Nobody has answered: Disk full on db-6 (#412)"),
        ({"event": "resolved", "lasted": 740}, "Resolved after 12 min: Disk full on db-6 (#412)"),
        (
            {"event": "resolved", "lasted": 7500},
            "Resolved after 2 h 5 min: Disk full on db-6 (#412)",
        ),
        ({"event": "reopened"}, "Open again: Disk full on db-6 (#412)"),
        ({"event": "else"}, "[critical] Disk full on db-6 (#412)"),
    ],
)
def test_an_update_says_what_has_become_of_it(facts: dict[str, Any], title: str) -> None:
    message = rendered("update", **facts)

    assert message.title == title
    assert message.priority == 2
    assert message.answer_url == ""
    assert message.subject == "Disk full on db-6 (#412)"


def test_an_escalation_says_whom_it_calls() -> None:
    message = rendered("update", event="escalated", who="bob", step="step 2")

    assert message.body.splitlines()[0] == "Step 2: paging bob."


def test_only_mail_has_html() -> None:
    assert rendered(via="ntfy").html == ""
    assert rendered(via="email").html


def webhook(**facts: Any) -> Message:
    channel = TeamChannel(team=Team(name="P"), channel="webhook", secret="whsec_x", template="{}")
    return messages.render(
        Notification(
            purpose="update",
            channel="webhook",
            key="k",
            context={**FACTS, **facts},
            team_channel=channel,
            due_at=NOON,
        )
    )


def test_a_program_gets_the_facts_and_nothing_it_could_answer_with(settings: Any) -> None:
    settings.PAGERPAL_BASE_URL = "https://pager.example.org"

    message = webhook(event="opened", at="2026-11-23T11:58:00+00:00")

    assert message.event["type"] == "incident.opened"
    assert message.event["timestamp"] == "2026-11-23T11:58:00+00:00"
    assert message.event["data"]["number"] == 412
    assert message.event["data"]["url"] == "https://pager.example.org/incidents/412"
    assert "t0ken" not in json.dumps(message.event)
    assert (message.secret, message.template) == ("whsec_x", "{}")


def test_every_purpose_has_words_of_its_own() -> None:
    names = {"page", "growth", "ask_owner", "update", "reminder", "handover", "notice"}

    for name in names:
        assert get_template(f"notifications/default/{name}.txt")


def test_all_words_are_marked_for_translation() -> None:
    """What is not inside a tag is only facts, marks and numbers."""
    folder = settings.BASE_DIR / "templates" / "notifications"
    for file in folder.glob("*/*.txt"):
        text = re.sub(
            r"{% blocktranslate.*?{% endblocktranslate %}", "", file.read_text(), flags=re.S
        )
        left = re.sub(r"{%.*?%}|{{.*?}}", "", text)
        assert not re.search(r"[A-Za-z]{2}", left), f"{file.name}: {left.strip()}"
