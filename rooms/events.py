"""What a site hears of its rooms at once: Django signals, and events on its Channels layer.

All of it may be lost, and holds up nobody: no document depends on it. Without CHANNEL_LAYERS there are signals only.
"""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from channels.layers import get_channel_layer
from django.dispatch import Signal

from rooms.metrics import Count, count
from rooms.signals import room_joined, room_left

logger = logging.getLogger(__name__)

ALL = "yredis.rooms"
"""The group of who listens to every room."""

SIGNALS: dict[str, Signal] = {"room.joined": room_joined, "room.left": room_left}

MOST_WAITING = 1000
"""Events; the oldest are dropped."""

CHANGED_SECONDS = 1.0
"""A room that is typed in says so once in so long, from each server process."""

PATIENCE_SECONDS = 5.0
"""For one event to be sent, and for receivers to return."""

FAREWELL_SECONDS = 1.0


def group_of(room: str) -> str:
    """Return the name of the group to which a room's events are sent, for its canonical name."""
    return f"yredis.room.{sha256(room.encode()).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a room; `what` has what JSON and msgpack can hold."""

    kind: str
    room: str
    what: dict[str, Any]


class Events:
    """The events of one event loop, sent in their order, soon.

    Args:
        alias: in settings.CHANNEL_LAYERS.
    """

    def __init__(self, alias: str) -> None:
        self._layer: Any = get_channel_layer(alias) if alias else None
        self._waiting: deque[Event] = deque(maxlen=MOST_WAITING)
        self._changed: dict[str, asyncio.TimerHandle] = {}
        self._task: asyncio.Task[None] | None = None

    def tell(self, kind: str, room: str, **what: Any) -> None:
        """Send an event soon, if anybody could hear of it."""
        signal = SIGNALS.get(kind)
        if self._layer is None and not (signal and signal.has_listeners(_sender())):
            return
        if len(self._waiting) == MOST_WAITING:
            count(Count.EVENTS_DROPPED)
        self._waiting.append(Event(kind, room, what))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send_all())

    def changed(self, room: str) -> None:
        """Tell that somebody has written to a room, a moment later: of a hundred changes once."""
        if self._layer is not None and room not in self._changed:
            self._changed[room] = asyncio.get_running_loop().call_later(CHANGED_SECONDS, self._tell_changed, room)

    def _tell_changed(self, room: str) -> None:
        del self._changed[room]
        self.tell("room.changed", room)

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                event = self._waiting.popleft()
                try:
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        await self._send(event)
                except Exception as error:  # whatever a layer or a receiver raises
                    _failed(event, error)
        finally:
            self._task = None

    async def _send(self, event: Event) -> None:
        if self._layer is not None:
            message = {"type": event.kind, "room": event.room, **event.what}
            await self._layer.group_send(group_of(event.room), message)
            await self._layer.group_send(ALL, message)
        if signal := SIGNALS.get(event.kind):
            for _, result in await signal.asend_robust(_sender(), room=event.room, **event.what):
                if isinstance(result, Exception):
                    _failed(event, result)

    async def aclose(self) -> None:
        """Send what waits, if that is quick."""
        for room, timer in list(self._changed.items()):
            timer.cancel()
            self._tell_changed(room)
        if self._task is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._task, FAREWELL_SECONDS)


def _sender() -> Any:
    """Return the model that signals name: an asgi.py imports this module before the apps are loaded."""
    from rooms.models import Room

    return Room


def _failed(event: Event, error: Exception) -> None:
    count(Count.EVENTS_FAILED)
    reason = f"{type(error).__name__}: {error}"
    extra = {"action": "event_failed", "event": event.kind, "room": event.room, "reason": reason}
    logger.warning("Could not tell %s of room %s: %s", event.kind, event.room, reason, extra=extra)
