"""Heartbeats: what every process says of itself in Redis, and so who lives."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from os import getpid
from typing import Any
from uuid import uuid4

from rooms.metrics import Count, counters
from rooms.redis_client import Call, script

DEAD_AFTER_BEATS = 4
"""A process that was silent for so many heartbeats is dead."""

FORGET_AFTER_SECONDS = 600
FORGET_AFTER_BEATS = 10
"""A dead process is forgotten after the longer of the two: by then no awareness of a server can be left."""

SHORTEST_SECONDS = 0.1
"""Over less no rate is measured: one update within a millisecond is not a thousand a second."""


@dataclass(frozen=True, slots=True)
class Beat:
    """The last heartbeat of one process.

    Args:
        told: its numbers; processes of another release may tell fewer or more.
    """

    name: str
    silent_seconds: float
    told: tuple[float, ...]

    def number(self, position: int) -> float | None:
        """Return one of its numbers; None if it does not tell that one."""
        return self.told[position] if position < len(self.told) else None

    def is_alive(self, heartbeat_seconds: float) -> bool:
        """Tell whether it was not silent for too long."""
        return self.silent_seconds <= DEAD_AFTER_BEATS * heartbeat_seconds


def process_id() -> str:
    """Return a name for a process that no other ever has, and that tells people where it runs."""
    return f"{socket.gethostname()}-{getpid()}-{uuid4().hex[:8]}"


def beat(key: str, name: str, number: int, told: tuple[float, ...], *, heartbeat_seconds: float) -> Call:
    """Return the call that says that a process lives.

    Args:
        key: hash of its kind.
        number: of this beat, from 1 on.
    """
    forget_after = max(FORGET_AFTER_SECONDS, FORGET_AFTER_BEATS * heartbeat_seconds)
    numbers = [f"{each:g}" if isinstance(each, float) else each for each in told]
    return Call(script("heartbeat"), (key,), (name, number, int(forget_after * 1000), *numbers))


def look(key: str) -> Call:
    """Return the call that asks for all heartbeats of a kind; `heard` reads its answer."""
    return Call(script("beats"), (key,), ())


def heard(answer: Any) -> list[Beat]:
    """Return the heartbeats, by name."""
    beats = [
        Beat(name.decode(errors="replace"), int(silent) / 1000, _numbers(told.split())) for name, silent, told in answer
    ]
    return sorted(beats, key=lambda each: each.name)


def _numbers(words: list[bytes]) -> tuple[float, ...]:
    """Return the numbers up to the first word that is none: a later release may tell something else."""
    numbers = list[float]()
    for word in words:
        try:
            numbers.append(float(word))
        except ValueError:
            break
    return tuple(numbers)


class Rate:
    """How fast a counter of this process grows."""

    def __init__(self, counter: Count, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._counter = counter
        self._clock = clock
        self._from = (clock(), counters[counter])
        self._last = 0.0

    def per_second(self) -> float:
        """Return the mean since the call before; what that one returned if hardly any time has passed."""
        now, value = self._clock(), counters[self._counter]
        seconds = now - self._from[0]
        if seconds >= SHORTEST_SECONDS:
            self._last = round((value - self._from[1]) / seconds, 2)
            self._from = (now, value)
        return self._last
