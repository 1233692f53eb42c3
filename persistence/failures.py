"""Rooms that could not be persisted this time: told in the log, and in their rows for the admin."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from persistence import commit
from persistence.works import Work
from rooms import pool
from rooms.errors import StoreUnavailable, YRedisError
from rooms.level import level_of
from rooms.metrics import Count, count

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """A room, and why it waits."""

    work: Work
    error: Exception

    @property
    def reason(self) -> str:
        """One line for people."""
        name = "" if isinstance(self.error, YRedisError) else f"{type(self.error).__name__}: "
        return f"{name}{self.error}".splitlines()[0] if str(self.error) else type(self.error).__name__

    def log(self) -> None:
        """Write one line, as a warning once in a while and for every error that is not ours; count it."""
        count(Count.PERSISTS_FAILED)
        claim, ours = self.work.claim, isinstance(self.error, YRedisError)
        extra = {
            "action": "room_not_persisted",
            "room": claim.room,
            "reason": self.reason,
            "attempt": claim.attempt + 1,
            "lag_seconds": round(self.work.lag_seconds, 3),
        }
        level = level_of(self.error) if isinstance(self.error, YRedisError) else logging.ERROR
        text = "Could not persist room %(room)s, %(lag_seconds).1f s old, attempt %(attempt)d: %(reason)s"
        logger.log(level, text, extra, extra=extra, exc_info=None if ours else self.error)


async def record(failures: Sequence[Failure]) -> None:
    """Write the failures into the rooms' rows, unless the database is what failed."""
    try:
        await pool.run(_record, [(one.work.claim.room, one.reason, one.work.lag_seconds) for one in failures])
    except StoreUnavailable as error:
        extra = {"action": "failures_not_recorded", "rooms": len(failures), "reason": str(error)}
        logger.info("Could not record why %d rooms wait: %s", len(failures), error, extra=extra)


def _record(failures: Sequence[tuple[str, str, float]]) -> None:
    for room, reason, lag_seconds in failures:
        commit.fail(room, reason, lag_seconds)
