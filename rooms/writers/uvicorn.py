"""The writer for uvicorn's `websockets-sansio` protocol: encoded frames go to its asyncio transport.

Its `send` waits for the event `writable`, which the transport clears above and sets below its high
water mark, then writes to that same transport; so a frame written here keeps its place among the server's own pings,
pongs and close frames. Nothing here cares whether the transport encrypts.
"""

import asyncio
import contextlib
import sys
from typing import Any, Protocol, runtime_checkable

from rooms.writers.frame import Frame, short_reason
from rooms.writers.port import PATIENCE_SECONDS, Send

LINGER_SECONDS = 15.0
"""When a closed connection is cut off at last. asyncio's own close waits for ever for a client that stopped reading;
uvicorn gives the closing handshake 10 seconds."""

CHECK_SECONDS = 5.0
"""How often a stalled connection is looked at: uvicorn closes one that answers no ping, but then it stays all the same,
and nobody is told."""


@runtime_checkable
class Sansio(Protocol):
    """What is relied on of uvicorn's WebSocketsSansIOProtocol."""

    transport: asyncio.Transport
    writable: asyncio.Event
    handshake_complete: bool
    close_sent: bool


def sansio_of(send: Send) -> Any:
    """Return the protocol whose own `send` this is, or None if it is anything else."""
    module = sys.modules.get("uvicorn.protocols.websockets.websockets_sansio_impl")
    expected: Any = getattr(module, "WebSocketsSansIOProtocol", None)
    protocol: Any = getattr(send, "__self__", None)
    if expected is None or type(protocol) is not expected or getattr(send, "__func__", None) is not expected.send:
        return None
    return protocol


def make_writer(protocol: Any, send: Send) -> "UvicornWriter | None":
    """Return the writer for an accepted connection, or None if this uvicorn lacks what is relied on."""
    if not isinstance(protocol, Sansio):
        return None
    if not protocol.handshake_complete and not protocol.transport.is_closing():
        raise RuntimeError("a writer was asked for before the connection was accepted")
    return UvicornWriter(protocol, send)


class UvicornWriter:
    """Writes to the transport of a connection that was accepted."""

    __slots__ = ("_closed", "_protocol", "_send")

    def __init__(self, protocol: Sansio, send: Send) -> None:
        self._protocol = protocol
        self._send = send
        self._closed = False

    @property
    def busy(self) -> bool:
        return not self._protocol.writable.is_set()

    @property
    def closed(self) -> bool:
        return self._closed or self._server_closed

    @property
    def buffered_bytes(self) -> int:
        return 0 if self.closed else self._protocol.transport.get_write_buffer_size()  # TLS: raises after the end

    def write(self, frame: Frame) -> None:
        if not self.closed:
            self._protocol.transport.write(frame.encoded)

    async def drained(self) -> None:
        while self.busy:  # not for ever: writable is set when the connection is lost, too
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._protocol.writable.wait()
            except TimeoutError:
                if self._server_closed:
                    self._protocol.transport.abort()

    async def close(self, code: int, reason: str = "", *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        if self._closed:
            return
        self._closed = True
        transport = self._protocol.transport
        try:
            async with asyncio.timeout(patience_seconds):
                await self.drained()
        except TimeoutError:
            transport.abort()
            return
        if not self._server_closed:
            with contextlib.suppress(OSError):  # gone
                await self._send({"type": "websocket.close", "code": int(code), "reason": short_reason(reason)})
        asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)

    def abandon(self) -> None:
        self._closed = True
        if self.busy:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._protocol.transport.abort)

    def pause_reading(self) -> None:
        """Do nothing: after each message uvicorn itself reads no further until `receive` is awaited."""

    def resume_reading(self) -> None:
        """Do nothing, as nothing was paused."""

    @property
    def _server_closed(self) -> bool:
        return self._protocol.close_sent or self._protocol.transport.is_closing()
