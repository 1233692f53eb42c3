"""The writer for daphne: encoded frames go to its Twisted transport, which is watched for clients that do not read.

daphne's own `send` never waits: what a client does not take piles up in the transport without bound. Twisted tells a
transport's *producer* when the buffer is over 64 KiB and when it is empty again; that place is held by the HTTP
channel which the websocket grew out of, and which has nothing to produce any more, so the writer's gate takes it.

Nor does daphne wait for the application: what a client sends piles up in a queue without bound. Twisted's connection
is a producer itself, of what it reads, and that can be paused.
"""

# ruff: noqa: N802, N803, N815 - the names are Twisted's and autobahn's

import asyncio
import functools
import sys
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from rooms.writers.frame import Frame, short_reason
from rooms.writers.port import PATIENCE_SECONDS, Send

STATE_CONNECTING, STATE_OPEN = 1, 3
"""autobahn.websocket.protocol.WebSocketProtocol's names for them."""


@runtime_checkable
class Connection(Protocol):
    """What is relied on of twisted.internet.tcp.Server, a socket with its buffers."""

    SEND_LIMIT: int
    TLS: bool
    connected: int
    disconnecting: bool
    dataBuffer: bytes
    offset: int
    _tempDataLen: int

    def write(self, data: bytes) -> None: ...
    def writeSomeData(self, data: bytes) -> int | BaseException: ...
    def startWriting(self) -> None: ...
    def abortConnection(self) -> None: ...
    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...


@runtime_checkable
class WebSocket(Protocol):
    """What is relied on of daphne.ws_protocol.WebSocketProtocol, most of it autobahn's."""

    state: int
    muted: bool
    transport: Any
    closeHandshakeTimeout: float
    onMessage: Callable[[bytes, bool], None]

    def sendCloseFrame(self, code: int, reasonUtf8: bytes, isReply: bool) -> None: ...


def websocket_of(send: Send) -> Any:
    """Return the protocol that daphne's own `send` speaks to, or None if it is anything else.

    Looks only at modules that are there: importing daphne's server would install a Twisted reactor.
    """
    server: Any = sys.modules.get("daphne.server")
    ws_protocol: Any = sys.modules.get("daphne.ws_protocol")
    if server is None or ws_protocol is None or type(send) is not functools.partial or len(send.args) != 1:
        return None
    if getattr(send.func, "__func__", None) is not server.Server.handle_reply:
        return None
    protocol = send.args[0]
    return protocol if type(protocol) is ws_protocol.WebSocketProtocol else None


def whole_path(protocol: Any, path: bytes) -> bytes:
    """Return the path of a request as it was sent: autobahn's url parser cuts the last part of it at a semicolon."""
    uri: str = getattr(protocol, "http_request_uri", "")
    sent = uri.partition("?")[0].encode()
    return sent if sent.startswith(path + b";") else path


def make_writer(protocol: Any) -> "DaphneWriter | None":
    """Return the writer for an accepted connection, or None if this daphne or Twisted lacks what is relied on."""
    if not isinstance(protocol, WebSocket):
        return None
    if protocol.state == STATE_CONNECTING:
        raise RuntimeError("a writer was asked for before the connection was accepted")
    connection = connection_under(protocol.transport)
    if not isinstance(connection, Connection) or connection.TLS:
        return None
    tcp: Any = sys.modules.get("twisted.internet.tcp")
    direct = protocol.transport is connection and type(connection) is getattr(tcp, "Server", None)
    return DirectDaphneWriter(protocol, connection) if direct else DaphneWriter(protocol, connection)


def connection_under(transport: Any) -> Any:
    """Return the transport that owns the socket, below TLS or other wrappers."""
    policies: Any = sys.modules.get("twisted.protocols.policies")
    while policies is not None and isinstance(transport, policies.ProtocolWrapper):
        transport.unregisterProducer()  # a TLS wrapper with a producer doesn't end before that says so
        transport = transport.transport
    return transport


def ignore(payload: bytes, isBinary: bool) -> None:
    """Take a message for nobody."""


class Gate:
    """Twisted's push producer in name: told by the transport when to pause; produces nothing itself."""

    __slots__ = ("_connection", "_opened", "shut")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._opened: asyncio.Event | None = None
        self.shut = False
        connection.unregisterProducer()
        connection.registerProducer(self, True)

    async def opened(self) -> None:
        """Return once the transport has sent everything, or is gone."""
        while self.shut:
            if self._opened is None:
                self._opened = asyncio.Event()
            await self._opened.wait()

    def pauseProducing(self) -> None:
        """The buffer is full."""
        self.shut = True

    def resumeProducing(self) -> None:
        """The buffer is empty. Where a producer was paused, Twisted leaves closing the connection to it."""
        self.stopProducing()
        if self._connection.disconnecting:
            self._connection.startWriting()

    def stopProducing(self) -> None:
        """The connection is lost."""
        self.shut = False
        if self._opened is not None:
            self._opened.set()
            self._opened = None


class DaphneWriter:
    """Writes to the transport of a connection that was accepted, whatever lies between that and the socket."""

    __slots__ = ("_closed", "_connection", "_gate", "_paused", "_protocol")

    def __init__(self, protocol: WebSocket, connection: Connection) -> None:
        self._protocol = protocol
        self._connection = connection
        self._gate = Gate(connection)
        self._closed = False
        self._paused = False

    @property
    def busy(self) -> bool:
        return self._gate.shut

    @property
    def closed(self) -> bool:
        return self._closed or self._protocol.state != STATE_OPEN or self._protocol.muted

    @property
    def buffered_bytes(self) -> int:
        connection = self._connection
        return len(connection.dataBuffer) - connection.offset + connection._tempDataLen  # noqa: SLF001

    def write(self, frame: Frame) -> None:
        if not self.closed:
            self._protocol.transport.write(frame.encoded)

    async def drained(self) -> None:
        await self._gate.opened()

    async def close(self, code: int, reason: str = "", *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        if self.closed:
            return
        self._closed = True
        self._read_to_the_end()
        try:
            async with asyncio.timeout(patience_seconds):
                await self.drained()
        except TimeoutError:
            self._connection.abortConnection()
            return
        if self._protocol.state == STATE_OPEN:
            # autobahn aborts a client that doesn't answer in time, with all that is on its way: a second is too short.
            self._protocol.closeHandshakeTimeout = max(self._protocol.closeHandshakeTimeout, patience_seconds)
            # Not through `send`: autobahn refuses 1011 to 1013 there, and daphne drops the reason.
            self._protocol.sendCloseFrame(code=int(code), reasonUtf8=short_reason(reason).encode(), isReply=False)

    def abandon(self) -> None:
        self._closed = True
        self._read_to_the_end()
        self._gate.stopProducing()

    def pause_reading(self) -> None:
        if not self._paused and not self.closed and self._connection.connected and not self._connection.disconnecting:
            self._paused = True
            self._connection.pauseProducing()

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._connection.resumeProducing()  # not if it is lost or about to be

    def _read_to_the_end(self) -> None:
        """Read on for the closing handshake, but keep nothing: the application may not take it soon, or never."""
        self._protocol.onMessage = ignore
        self.resume_reading()


class DirectDaphneWriter(DaphneWriter):
    """The same where nothing lies between: tries the socket at once, not a turn of the reactor later."""

    __slots__ = ()

    def write(self, frame: Frame) -> None:
        if self.closed:
            return
        connection, encoded = self._connection, frame.encoded
        if connection.dataBuffer or connection._tempDataLen or len(encoded) > connection.SEND_LIMIT:  # noqa: SLF001
            connection.write(encoded)  # buffers the shared bytes themselves
            return
        sent = connection.writeSomeData(encoded)
        if sent != len(encoded):
            # What is left over; or all, if the connection is lost: the reactor notices when it tries.
            connection.write(encoded[sent:] if isinstance(sent, int) else encoded)
