"""The last hour in numbers: samples in a list in Redis, of which each of them takes a line."""

from dataclasses import astuple, dataclass
from typing import Any

from rooms.keys import Keys
from rooms.redis_client import Call, script

SAMPLE_SECONDS = 10.0
MOST_SAMPLES = 360
"""An hour."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A site at one instant.

    Args:
        backlog: rooms in the queue.
        oldest_seconds: age of the oldest entry that is not persisted; 0 if there is none.
        memory_bytes: that Redis uses.
    """

    connections: float
    appends_per_second: float
    backlog: float
    oldest_seconds: float
    memory_bytes: float


@dataclass(frozen=True, slots=True)
class History:
    """Samples with the times at which they were taken, in seconds since the epoch by Redis' clock, and its time now."""

    now: float
    samples: tuple[tuple[float, Sample], ...]


NO_HISTORY = History(0.0, ())


def add(keys: Keys, sample: Sample) -> Call:
    """Return the call that adds a sample."""
    text = " ".join(f"{number:.10g}" for number in astuple(sample))
    return Call(script("sample"), (keys.history,), (MOST_SAMPLES, text))


def look(keys: Keys) -> Call:
    """Return the call that asks for all samples; `read` reads its answer."""
    return Call(script("history"), (keys.history,), ())


def read(answer: Any) -> History:
    """Return the samples, oldest first; without those that another release took otherwise."""
    now, items = answer
    samples = [sample for item in items if (sample := _sample(item)) is not None]
    return History(int(now) / 1000, tuple(samples))


def _sample(item: bytes) -> tuple[float, Sample] | None:
    """Return the time and the numbers; numbers of a later release come behind those that we know."""
    try:
        milliseconds, *numbers = map(float, item.split())
        return milliseconds / 1000, Sample(*numbers[: len(Sample.__slots__)])
    except (ValueError, TypeError):
        return None
