"""What `up` shows of the log of a server that does not stay up."""

import pytest

from planodev.steps.login import LOG_LINES, end_of

FATAL = "2026-11-27 09:09:43 UTC [21] PANIC:  could not locate a valid checkpoint record"
STARTS = [f"2026-11-27 09:09:44 UTC [1] LOG:  starting, line {number}" for number in range(LOG_LINES + 5)]


@pytest.mark.parametrize("after", range(LOG_LINES + 5))
def test_what_ended_the_server_is_shown_however_far_the_next_attempt_has_come(after):
    log = "\n".join(["older"] * 30 + ["LOG:  invalid checkpoint record", FATAL, *STARTS[:after]])
    shown = end_of(log).splitlines()
    assert FATAL in shown
    assert shown[len(shown) - after :] == STARTS[:after]
    assert LOG_LINES <= len(shown) <= LOG_LINES + 8


@pytest.mark.parametrize("count", [0, 1, LOG_LINES, 40])
def test_a_log_without_a_cause_is_shown_by_its_end(count):
    lines = [f"LOG:  line {number}" for number in range(count)]
    assert end_of("\n".join(lines)).splitlines() == lines[-LOG_LINES:]
