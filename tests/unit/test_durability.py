"""What Redis is configured for is told in words, and what is dangerous is a warning."""

import pytest

from rooms.amounts import lasted, plain
from rooms.durability import survives, warnings


def found(appendonly: str = "yes", appendfsync: str = "always", policy: str = "noeviction") -> dict[str, str]:
    """Return what RedisClient.durability gives."""
    return {"appendonly": appendonly, "appendfsync": appendfsync, "maxmemory_policy": policy}


@pytest.mark.parametrize(
    ("appendonly", "appendfsync", "words"),
    [
        ("yes", "always", "survives a crash"),
        ("yes", "everysec", "about the last second"),
        ("yes", "no", "half a minute"),
        ("no", "everysec", "not persisted yet"),
        ("?", "?", "does not tell"),
    ],
)
def test_what_an_accepted_update_survives(appendonly, appendfsync, words):
    assert words in survives(found(appendonly, appendfsync))


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
def test_a_redis_that_evicts_documents_is_warned_of(policy):
    [warning] = warnings(found(policy=policy))
    assert f"throws documents away ({policy})" in warning


def test_one_that_evicts_what_expires_takes_cursors_only():
    assert "documents are safe" in warnings(found(policy="volatile-lru"))[0]


@pytest.mark.parametrize("policy", ["noeviction", "?"])
def test_one_that_evicts_nothing_or_does_not_tell_is_not(policy):
    assert warnings(found(policy=policy)) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "?"), (0, "0.0 s"), (59, "59.0 s"), (90, "1.5 min"), (7200, "2.0 h"), (129_600, "1.5 d")],
)
def test_durations_are_in_the_unit_that_fits(seconds, text):
    assert lasted(seconds) == text


@pytest.mark.parametrize(("number", "text"), [(None, "?"), (3.0, "3"), (3.25, "3.2"), (12, "12")])
def test_numbers_have_a_decimal_if_they_need_it(number, text):
    assert plain(number) == text
