"""What a site hears of persisted rooms: Django signals, whose receivers can neither stop nor hold up a worker."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

from persistence.signals import room_changed, room_persisted
from rooms.errors import StoreUnavailable, YRedisError
from rooms.level import level_of
from rooms.metrics import Count, count
from rooms.models import Room
from rooms.pool import Pool

logger = logging.getLogger(__name__)

receivers = Pool("yredis-receivers")
"""Threads for what is not ours: when all of them hang, the store's do not."""


class ReceiversHang(YRedisError):
    """Receivers have not returned in all threads that they have: tell them of nothing until one does."""


class Persisted(NamedTuple):
    """What was added to a room in the store: number of entries, and bytes."""

    room: str
    entries: int
    size_bytes: int


async def tell(news: Sequence[Persisted]) -> None:
    """Send the signals for rooms whose commit is done; what a receiver raises, or its slowness, is only logged.

    Receivers that hang are given up, and keep their threads. When there is no other, rooms are not told of.
    """
    if not news or not (room_persisted.has_listeners(Room) or room_changed.has_listeners(Room)):
        return
    if receivers.is_full:
        _skipped(len(news))
        return
    try:
        await receivers.run(send, news)
    except StoreUnavailable as error:
        _failed(news[0].room, "receivers", error)


def send(news: Sequence[Persisted]) -> None:
    """Send both signals for each room; runs in a thread."""
    for room, entries, size_bytes in news:
        results = room_persisted.send_robust(Room, room=room, entries=entries, bytes=size_bytes)
        results += room_changed.send_robust(Room, room=room)
        for receiver, result in results:
            if isinstance(result, Exception):
                _failed(room, getattr(receiver, "__qualname__", repr(receiver)), result)


def _skipped(rooms: int) -> None:
    count(Count.HOOKS_SKIPPED, rooms)
    level, extra = level_of(ReceiversHang()), {"action": "hooks_skipped", "rooms": rooms}
    logger.log(level, "Receivers of signals hang: they are not told of %d persisted rooms", rooms, extra=extra)


def _failed(room: str, receiver: str, error: Exception) -> None:
    count(Count.HOOKS_FAILED)
    reason = f"{type(error).__name__}: {error}"
    extra = {"action": "hook_failed", "room": room, "receiver": receiver, "reason": reason}
    logger.warning("A receiver of a signal about room %s failed: %s: %s", room, receiver, reason, extra=extra)
