"""Tests of what subjects say."""

from __future__ import annotations

import time

import pytest

from alertsources.mail.subject import is_over, problem_of, severity_in, without_reply

# One problem a line: what is sent while it lasts, and when it is over.
PAIRS = [
    (
        "** PROBLEM Service Alert: web1/HTTP is CRITICAL **",
        "** RECOVERY Service Alert: web1/HTTP is OK **",
    ),
    ("** PROBLEM Host Alert: web1 is DOWN **", "** RECOVERY Host Alert: web1 is UP **"),
    ("[PROBLEM] HTTP on web1 is CRITICAL!", "[RECOVERY] HTTP on web1 is OK!"),
    (
        "Problem: High CPU utilization (over 90% for 5m)",
        "Resolved in 1h 5m 3s: High CPU utilization (over 90% for 5m)",
    ),
    ("Problem: Host is down", "Resolved in 5m: Host is down"),
    ("Updated problem in 2m: Host is down", "Resolved: Host is down"),
    ("Monitor is DOWN: shop.example.com", "Monitor is UP: shop.example.com"),
    ("[shop] [\U0001f534 Down] timeout of 48000ms exceeded", "[shop] [\u2705 Up] 200 - OK"),
    ("[FIRING:2] DiskFull (db1 critical)", "[RESOLVED] DiskFull (db1 critical)"),
    ("[Alerting] CPU load", "[OK] CPU load"),
    ('ALARM: "cpu-high" in EU (Ireland)', 'OK: "cpu-high" in EU (Ireland)'),
    ("[Triggered on {host:a}] disk", "[Recovered on {host:a}] disk"),
    ("Check_MK: web1/CPU load OK -> CRIT", "Check_MK: web1/CPU load CRIT -> OK"),
    ("DOWN alert: shop (shop.example.com) is DOWN", "UP alert: shop (shop.example.com) is UP"),
    ("CRITICAL: disk 97% full on db1", "AW: Re: RESOLVED: disk 12% full on db1"),
    ("web1 HTTP CRITICAL", "web1 HTTP OK"),
]
# Words of recovery where they say nothing about a state.
STILL_PROBLEMS = [
    "Backup up to date check failed",
    "Up to 5 messages were lost",
    "CPU usage is up 300%",
    "CPU usage is up (80 %)",
    "The name db1 could not be resolved",
    "The queue is not OK",
    "Queue not OK",
    "[FIRING:1, RESOLVED:2] DiskFull",
    "PROBLEM: the check of RECOVERY is OK-ish",
    "Normal users cannot log in",
    "Cron <root@db1> /usr/local/bin/backup.sh",
    "",
]


@pytest.mark.parametrize(("firing", "resolved"), PAIRS)
def test_a_recovery_is_told_and_is_about_the_same_problem(firing: str, resolved: str) -> None:
    assert not is_over(firing)
    assert is_over(resolved)
    assert problem_of(firing) == problem_of(resolved) != ""


@pytest.mark.parametrize("subject", STILL_PROBLEMS)
def test_everyday_words_end_nothing(subject: str) -> None:
    assert not is_over(subject)


def test_words_of_the_source_count_anywhere_and_replace_the_usual_ones() -> None:
    words = ("succeeded", "back to normal")

    assert is_over("monit alert -- Connection succeeded nginx", words)
    assert is_over("Load BACK TO NORMAL on db1", words)
    assert not is_over("RESOLVED: load", words)
    assert not is_over("unsucceeded", words)


def test_different_problems_stay_different() -> None:
    subjects = [
        *("CRITICAL: disk on db1", "CRITICAL: disk on db2", "CRITICAL: swap on db1"),
        *("ALARM: cpu-high", "ALARM: cpu-low", "[prod] [CRITICAL] load", "[prod] [CRITICAL] disk"),
    ]

    assert len({problem_of(subject) for subject in subjects}) == len(subjects)


@pytest.mark.parametrize(
    ("subject", "severity"),
    [
        ("** PROBLEM Service Alert: web1/HTTP is CRITICAL **", "critical"),
        ("** PROBLEM Service Alert: web1/HTTP is WARNING **", "warning"),
        ("WARNING: swap", "warning"),
        ("[FIRING:1] DiskFull (db1 critical)", "critical"),
        ("INFO: nightly report", "info"),
        ("No information about warning lamps", ""),
        ("Monitor is DOWN: shop", ""),
    ],
)
def test_severity_is_read_where_a_state_stands(subject: str, severity: str) -> None:
    assert severity_in(subject) == severity


def test_marks_of_answers_are_taken_off() -> None:
    assert without_reply("Re: AW: [EXTERNAL] Fwd: Disk") == "Disk"
    assert without_reply("Reboot: db1") == "Reboot: db1"


@pytest.mark.parametrize("piece", ["[", "is ", "OK -> ", "in 5m ", "Re: ", "-", "12:", "(", "* "])
def test_no_subject_takes_long(piece: str) -> None:
    begun = time.monotonic()

    for ask in (is_over, problem_of, severity_in):
        ask(piece * 20_000)

    assert time.monotonic() - begun < 1
