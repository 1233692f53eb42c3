"""A websocket client that costs little itself: it unpacks frames, and hands messages to a function."""

import asyncio
import base64
import os
import struct
from collections.abc import Callable
from typing import Self, cast
from urllib.parse import urlsplit

from rooms import protocol, wire

BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
FINAL, MASKED = 0x80, 0x80
OPEN_SECONDS = 30.0

NO_MASK = b"\0\0\0\0"
"""The key that leaves the bytes as they are: a server must take it like any other."""


def masked(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame. Source: RFC 6455, section 5.2."""
    length = len(payload)
    if length < 126:
        head = bytes((FINAL | opcode, MASKED | length))
    elif length < 65_536:
        head = struct.pack("!BBH", FINAL | opcode, MASKED | 126, length)
    else:
        head = struct.pack("!BBQ", FINAL | opcode, MASKED | 127, length)
    return head + NO_MASK + payload


class Socket(asyncio.Protocol):
    """One connection to a room; `heard` is called with each message as bytes."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.close_code: int | None = None

    @classmethod
    async def open(cls, url: str, heard: Callable[[bytes], None]) -> Self:
        """Connect and wait for the handshake; raise ConnectionError if the server refuses it."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        target = parts._replace(scheme="", netloc="").geturl()
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_connection(lambda: cls(heard), parts.hostname, parts.port)
        key = base64.b64encode(os.urandom(16)).decode()
        socket.transport.write(
            f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        async with asyncio.timeout(OPEN_SECONDS):
            await socket.opened
        return socket

    @property
    def transport(self) -> asyncio.Transport:
        """The connection's transport."""
        assert self._transport is not None
        return self._transport

    def send(self, message: bytes) -> None:
        """Send one message."""
        self.transport.write(masked(BINARY, message))

    def send_all(self, messages: list[bytes]) -> None:
        """Send many messages in one write."""
        self.transport.write(b"".join(masked(BINARY, message) for message in messages))

    async def close(self) -> None:
        """Close as a browser does, and wait until the connection is gone."""
        if not self.transport.is_closing():
            self.transport.write(masked(CLOSE, b"\x03\xe8"))
        try:
            async with asyncio.timeout(5):
                await asyncio.shield(self.lost)
        except TimeoutError:
            self.transport.abort()

    # -- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("closed within the handshake"))
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.opened.done() and not self._shake_hands():
            return
        position = 0
        while (end := self._frame(position)) is not None:
            position = end
        del self._buffer[:position]

    def _shake_hands(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        status = bytes(self._buffer[: self._buffer.find(b"\r\n")])
        if b" 101 " not in status:
            self.opened.set_exception(ConnectionError(status.decode()))
            return False
        del self._buffer[: end + 4]
        self.opened.set_result(None)
        return True

    def _frame(self, start: int) -> int | None:
        """Take the frame at `start` and return where it ends; None if it is not all there."""
        buffer = self._buffer
        if len(buffer) < start + 2:
            return None
        first, length, at = buffer[start], buffer[start + 1], start + 2
        if length >= 126:
            size = 2 if length == 126 else 8
            if len(buffer) < at + size:
                return None
            length, at = int.from_bytes(buffer[at : at + size]), at + size
        if len(buffer) < at + length:
            return None
        self._take(first, bytes(buffer[at : at + length]))
        return at + length

    def _take(self, first: int, payload: bytes) -> None:
        if first == FINAL | BINARY:
            self._heard(payload)
        elif first == FINAL | PING:
            self.transport.write(masked(PONG, payload))
        elif first == FINAL | CLOSE:
            self.close_code = int.from_bytes(payload[:2])
            self.transport.write(masked(CLOSE, payload[:2]))
        elif first != FINAL | PONG:
            raise ValueError(f"a frame that begins with {first:#x}")


SYNC_STEP_1 = protocol.sync_step_1(wire.var_uint(0))
"""What a client with an empty document sends first."""
