"""How much one connection may send, and what is counted when it sends more."""

import time

from rooms.errors import YRedisError
from rooms.metrics import Count, count

WINDOW_SECONDS = 10.0


def exceeded(limit: Count, error: type[YRedisError], message: str) -> YRedisError:
    """Count that a limit was exceeded; return the error to raise."""
    count(limit)
    return error(message)


class Rate:
    """Counts what comes in windows of a few seconds.

    Args:
        per_second: allowed on average over a window; 0 = no limit.
    """

    __slots__ = ("_allowed", "_ends_at", "_spent")

    def __init__(self, per_second: int) -> None:
        self._allowed = per_second * WINDOW_SECONDS
        self._ends_at = 0.0
        self._spent = 0

    def spend(self, amount: int = 1) -> float:
        """Add to the window; return how many times the limit has been spent in it (0.0 without a limit)."""
        if not self._allowed:
            return 0.0
        now = time.monotonic()
        if now >= self._ends_at:
            self._ends_at, self._spent = now + WINDOW_SECONDS, 0
        self._spent += amount
        return self._spent / self._allowed
