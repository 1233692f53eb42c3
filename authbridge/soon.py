"""Orders to decide anew that the site's own changes give: many of them become few, and no request waits for them."""

import asyncio
import atexit
import logging
import os
import threading
from concurrent.futures import Future
from contextlib import suppress

from rooms import api, background
from rooms.errors import YRedisError

logger = logging.getLogger(__name__)

SOON_SECONDS = 0.3
"""Django tells of a logout before the session is gone, and a form that is saved changes many rows."""

MOST_USERS = 50
"""Of more users at a time everybody's rights are decided anew."""

EXIT_SECONDS = 2.0
"""A command that ends waits no longer for its orders to be sent."""

EVERYBODY = None

_lock = threading.Lock()
_whom: set[str | None] = set()
_telling: "Future[None] | None" = None


def recheck(user_id: str | None) -> None:
    """Let the rights of a user, or of EVERYBODY, be decided anew on every server; returns at once, never raises."""
    global _telling
    with _lock:
        _whom.add(user_id)
        if _telling is None:
            _telling = background.start(_tell())


async def _tell() -> None:
    while whom := await _those_of_a_moment():
        for user_id in sorted(whom) if len(whom) <= MOST_USERS and EVERYBODY not in whom else (EVERYBODY,):
            try:
                await api.recheck(user=user_id)
            except Exception as error:  # the timer of each server will do it; and later changes are told again
                extra = {"action": "recheck_not_ordered", "reason": str(error)}
                trace = None if isinstance(error, YRedisError) else error
                text = "Open connections could not be told of a change of rights: %s"
                logger.warning(text, error, extra=extra, exc_info=trace)


async def _those_of_a_moment() -> set[str]:
    global _telling
    await asyncio.sleep(SOON_SECONDS)
    with _lock:
        whom = set(_whom)
        _whom.clear()
        if not whom:
            _telling = None
    return whom  # type: ignore[return-value]  # sorted only where everybody is not in it


def settle(seconds: float = EXIT_SECONDS) -> None:
    """Wait until what was ordered is sent."""
    if _telling is not None:
        with suppress(TimeoutError):
            _telling.result(seconds)


def _forget_after_fork() -> None:
    """Leave to the parent what the parent was about to send."""
    global _lock, _telling
    _lock, _telling = threading.Lock(), None
    _whom.clear()


# A command may end in the moment after its change. `atexit` comes too late: asyncio can't look up a host's name then.
getattr(threading, "_register_atexit", atexit.register)(settle)
os.register_at_fork(after_in_child=_forget_after_fork)
