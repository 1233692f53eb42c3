"""How loudly an error that closes a socket is logged."""

import logging
import time

from rooms.errors import ClientError, YRedisError

REPEAT_SECONDS = 10.0
"""Clients come back every few seconds: of the same trouble one warning is enough for a while."""

_warned_at: dict[type[YRedisError], float] = {}


def level_of(error: YRedisError) -> int:
    """Return WARNING for trouble of our own (Redis, the store, stored bytes), the first time in a while; else INFO."""
    if isinstance(error, ClientError):
        return logging.INFO
    now = time.monotonic()
    if now - _warned_at.get(type(error), -REPEAT_SECONDS) < REPEAT_SECONDS:
        return logging.INFO
    _warned_at[type(error)] = now
    return logging.WARNING
