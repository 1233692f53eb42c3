"""Failpoints: YREDIS_FAILPOINTS="name=action,..." makes a process fail at a named place."""

import os
import subprocess
import sys
import time

import pytest

from rooms import failpoints
from rooms.failpoints import FailpointError, failpoint, parse

HIT_THREE_TIMES = "from rooms.failpoints import failpoint\nfor n in range(3): failpoint('here'); print(n, flush=True)"


@pytest.fixture
def armed(monkeypatch):
    """Return a function that sets the failpoints of this process."""

    def arm(text: str) -> None:
        monkeypatch.setattr(failpoints, "actions", parse(text))
        monkeypatch.setattr(failpoints, "hits", failpoints.Counter())

    return arm


def hits_survived(text: str) -> tuple[int, int]:
    """Return exit code, and how often a process passed the failpoint "here"."""
    environment = os.environ | {"YREDIS_FAILPOINTS": text}
    done = subprocess.run([sys.executable, "-c", HIT_THREE_TIMES], env=environment, capture_output=True, check=False)
    return done.returncode, len(done.stdout.split())


def test_without_the_variable_nothing_is_armed():
    assert parse("") == {}
    failpoint("append.before")


def test_several_are_told_apart_by_commas():
    assert parse("a=kill, b=error,c=sleep:0.5,d=kill@3,") == {
        "a": "kill",
        "b": "error",
        "c": "sleep:0.5",
        "d": "kill@3",
    }


@pytest.mark.parametrize("text", ["append.before", "a=explode", "a=", "a:kill", "a=kill,b"])
def test_what_cannot_be_understood_is_told_at_start(text):
    with pytest.raises(ValueError, match="YREDIS_FAILPOINTS"):
        parse(text)


def test_an_error_is_raised_at_its_name_only(armed):
    armed("append.before=error")
    failpoint("append.after")
    with pytest.raises(FailpointError):
        failpoint("append.before")


def test_a_sleep_blocks_for_so_many_seconds(armed):
    armed("append.before=sleep:0.05")
    before = time.monotonic()
    failpoint("append.before")
    assert time.monotonic() - before >= 0.05


def test_nobody_catches_a_failpoint_by_one_of_our_errors(armed):
    assert FailpointError.__mro__[1] is Exception


@pytest.mark.parametrize(("text", "survived"), [("here=kill", 0), ("here=kill@1", 0), ("here=kill@3", 2)])
def test_a_kill_is_sigkill_at_the_nth_time(text, survived):
    assert hits_survived(text) == (-9, survived)


def test_a_kill_that_is_never_reached_kills_nobody():
    assert hits_survived("here=kill@4,elsewhere=kill") == (0, 3)
