"""The Channels consumer of a room: connect asks for a grant and a seat, receive hands over bytes, disconnect leaves."""

import asyncio
import logging
from typing import Any

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from rooms import credentials, names
from rooms.conf import conf
from rooms.errors import CloseCode, DecisionUnavailable, YRedisError
from rooms.grants import Grant, authorize
from rooms.hub import hub
from rooms.level import level_of
from rooms.limits import exceeded
from rooms.metrics import Count, count_close
from rooms.seat import Seat
from rooms.writers import Writer, writer_for

logger = logging.getLogger(__name__)


class RoomConsumer(AsyncWebsocketConsumer):
    """One websocket at `ws/<room>`."""

    channel_layer_alias = None  # type: ignore[assignment]  # no channel layer: the hub holds the connections
    seat: Seat | None = None
    writer: Writer | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the connection until it ends.

        The stock loop makes a task for each message, and its dispatch sweeps the database's connections in a shared
        thread before each: several times the cost of taking a frame. Frames never touch the ORM, so they go past it.
        """
        self.scope: Any = scope
        self.base_send: Any = send
        loop = asyncio.get_running_loop()
        try:
            while True:
                message = await receive()
                pause = loop.call_soon(self._pause_reading)  # comes to nothing if the message is taken at once
                try:
                    if message["type"] == "websocket.receive":
                        await self.receive(message.get("text"), message.get("bytes"))
                    else:
                        await self.dispatch(message)
                finally:
                    pause.cancel()
                    if self.writer is not None:
                        self.writer.resume_reading()
        except StopConsumer:
            pass
        except asyncio.CancelledError:
            if self.writer is not None:
                await self.writer.close(CloseCode.RESTARTING, "restarting")
            raise
        finally:
            await self.disconnect(None)

    async def connect(self) -> None:
        """Accept, then seat or refuse: a refusal before the accept is an HTTP 403, which browsers retry for ever."""
        await self.accept(subprotocol=credentials.chosen(self.scope.get("subprotocols", ())))
        self.writer = writer_for(self.scope, self.base_send)
        self.writer.pause_reading()  # until it is seated
        try:
            tail = self.scope["url_route"]["kwargs"]["room"]
            room = names.from_path(self.scope.get("raw_path") or b"", tail)
            found = await hub()  # from here on it hears of what changes while this is decided
            grant = await self._decided(room)
            self.seat = await found.join(grant, self.writer, (self.scope.get("client") or [""])[0])
        except YRedisError as error:
            await self._refuse(error)
        except Exception as error:
            logger.exception("A connection could not be seated", extra={"action": "connect_failed"})
            await self._refuse(YRedisError(f"{type(error).__name__} while connecting"))

    async def _decided(self, room: str) -> Grant:
        try:
            async with asyncio.timeout(conf().handshake_seconds):
                return await authorize(self.scope, room)
        except TimeoutError as error:
            raise exceeded(Count.LIMIT_HANDSHAKE, DecisionUnavailable, "who may enter was not told in time") from error

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Hand a frame to the seat; text, which is no frame of the protocol, becomes one that is malformed."""
        if self.seat is not None:
            await self.seat.receive(bytes_data if bytes_data is not None else b"")

    async def disconnect(self, code: int | None) -> None:
        """Leave; also called after a refusal, and twice."""
        if self.writer is not None:
            self.writer.abandon()
        if self.seat is not None:
            await (await hub()).leave(self.seat)

    def _pause_reading(self) -> None:
        """Let the client wait while a frame of it is being taken: daphne would queue whatever comes without bound."""
        if self.writer is not None:
            self.writer.pause_reading()

    async def _refuse(self, error: YRedisError) -> None:
        extra = {"action": "refused", "code": int(error.close_code)}
        logger.log(level_of(error), "Refused a connection: %s", error, extra=extra)
        count_close(error.close_code)
        if self.writer is not None:
            await self.writer.close(error.close_code, type(error).__name__)
