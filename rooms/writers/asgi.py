"""The writer for every server: messages through ASGI's own `send`, one after the other."""

import asyncio
import logging
from collections import deque

from rooms.writers.frame import Frame, short_reason
from rooms.writers.port import HIGH_WATER_BYTES, PATIENCE_SECONDS, Send

logger = logging.getLogger(__name__)

LAST_WORD_SECONDS = 1.0
"""How long the close frame may take where all that preceded it had to be dropped."""

PRIVATE_TWIN = 3000
"""Added to a code below 3000 that a server refuses to send: 1013 goes as 4013. y-websocket retries on both."""


class AsgiWriter:
    """Queues frames and awaits `send` for each in a task that lives only while there is something to send."""

    __slots__ = ("_closed", "_queue", "_queued_bytes", "_send", "_suspended", "_task")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._queue: deque[Frame] = deque()
        self._queued_bytes = 0
        self._suspended = False
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        return self._suspended or self._queued_bytes > HIGH_WATER_BYTES

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def buffered_bytes(self) -> int:
        return self._queued_bytes

    def write(self, frame: Frame) -> None:
        if self._closed:
            return
        self._queue.append(frame)
        self._queued_bytes += len(frame.payload)
        if self._task is None:
            self._task = asyncio.create_task(self._send_queued())

    async def drained(self) -> None:
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def close(self, code: int, reason: str = "", *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            async with asyncio.timeout(patience_seconds):
                await self.drained()
        except TimeoutError:
            self._drop_queue()
            patience_seconds = LAST_WORD_SECONDS
        try:
            async with asyncio.timeout(patience_seconds):
                await self.drained()
                await self._send_close(code, short_reason(reason))
        except TimeoutError:
            logger.info("A client did not take its close frame", extra={"action": "close_timed_out", "code": int(code)})

    def abandon(self) -> None:
        self._closed = True
        self._drop_queue()

    def pause_reading(self) -> None:
        """Do nothing: ASGI has no word for it. A server made for it reads no further until `receive` is awaited."""

    def resume_reading(self) -> None:
        """Do nothing, as nothing was paused."""

    def _drop_queue(self) -> None:
        self._queue.clear()
        self._queued_bytes = 0
        if self._task is not None:
            self._task.cancel()

    async def _send_queued(self) -> None:
        try:
            while self._queue:
                frame = self._queue.popleft()
                self._suspended = True  # seen as such by others only if `send` really suspends
                await self._send({"type": "websocket.send", "bytes": frame.payload})
                self._suspended = False
                self._queued_bytes -= len(frame.payload)
        except OSError:  # how ASGI says that the client is gone; the disconnect message follows
            self._closed = True
        except Exception:
            logger.exception("A server or middleware failed to send", extra={"action": "send_failed"})
            self._closed = True
            await self._send_close(1011, "")  # never a client that stays and lacks a frame
        finally:
            self._task = None
            self._suspended = False
            if self._closed:
                self._queue.clear()
                self._queued_bytes = 0

    async def _send_close(self, code: int, reason: str) -> None:
        message = {"type": "websocket.close", "code": int(code), "reason": reason}
        try:
            await self._send(message)
        except (OSError, RuntimeError):  # already closed: older servers raise RuntimeError for that
            return
        except Exception as refusal:  # autobahn sends 1000 and 3000-4999 only, and raises a bare Exception for others
            if code >= PRIVATE_TWIN:
                raise
            extra = {"action": "close_code_refused", "code": int(code)}
            logger.warning("The server refused close code %d: %s", code, refusal, extra=extra)
            await self._send(message | {"code": int(code) + PRIVATE_TWIN})
