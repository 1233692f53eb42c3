"""A websocket client that sends any bytes: for what a well-behaved client never does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from rooms import protocol, wire

Message = protocol.Message


class RawClient:
    """One websocket to a room; `inbox` keeps every message that came and was not asked for."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.inbox: list[Message] = []

    @classmethod
    async def open(cls, url: str, room: str, **options: Any) -> Self:
        """Connect; `url` ends before the room, `room` is put into the url as it is. Options are those of `connect`."""
        return cls(await connect(f"{url}/{room}", max_size=None, compression=None, ping_interval=None, **options))

    async def send(self, frame: bytes | str) -> None:
        """Send one frame: binary for bytes, text for str."""
        await self.socket.send(frame)

    async def receive(self, seconds: float = 5.0) -> Message:
        """Return the next message."""
        async with asyncio.timeout(seconds):
            frame = await self.socket.recv()
        assert isinstance(frame, bytes), "the server sent a text frame"
        message = protocol.parse(frame)  # a server sends what a client may send, and nothing else
        self.inbox.append(message)
        return message

    async def until(self, wanted: Callable[[Message], bool], seconds: float = 5.0) -> Message:
        """Return the first message that fits, of those that come from now on."""
        async with asyncio.timeout(seconds):
            while not wanted(message := await self.receive(seconds)):
                pass
        return message

    async def sync(self, state_vector: bytes = b"\x00", seconds: float = 10.0) -> bytes:
        """Send SyncStep1 and return the update of the SyncStep2 that answers it."""
        await self.send(protocol.sync_step_1(state_vector))
        answer = await self.until(lambda message: isinstance(message, protocol.SyncStep2), seconds)
        assert isinstance(answer, protocol.SyncStep2)
        return answer.update

    async def quiet(self, seconds: float = 0.3) -> list[Message]:
        """Read until nothing came for `seconds`; return what came."""
        came: list[Message] = []
        with contextlib.suppress(TimeoutError):
            while True:
                came.append(await self.receive(seconds))
        return came

    @property
    def close_reason(self) -> str:
        """What the server said when it closed."""
        return self.socket.close_reason or ""

    async def close_code(self, seconds: float = 5.0) -> int:
        """Read until the server closes; return its code, 1006 for a connection that broke."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self.socket.recv()
        except ConnectionClosed:
            return self.socket.close_code or 1006

    def abort(self) -> None:
        """Destroy the TCP connection: the server gets no close frame."""
        self.socket.transport.abort()

    async def close(self) -> None:
        """Close in order."""
        await self.socket.close()


def awareness_frame(*states: tuple[int, int, str]) -> bytes:
    """Return the frame for (client id, clock, state as JSON) of each; "null" removes."""
    bodies = (wire.var_uint(client) + wire.var_uint(clock) + wire.var_string(state) for client, clock, state in states)
    return protocol.awareness(wire.var_uint(len(states)) + b"".join(bodies))


@contextlib.asynccontextmanager
async def raw_client(url: str, room: str, **options: Any) -> AsyncIterator[RawClient]:
    """Connect for the length of a block."""
    client = await RawClient.open(url, room, **options)
    try:
        yield client
    finally:
        await client.close()
