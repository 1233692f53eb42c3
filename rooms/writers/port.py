"""What every writer does: the port between a seat and the server that owns its socket."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from rooms.writers.frame import Frame

Send = Callable[[dict[str, Any]], Awaitable[None]]
"""The `send` of an ASGI connection."""

HIGH_WATER_BYTES = 65_536
"""How much a writer holds before it calls itself busy; asyncio's and Twisted's transports use the same."""

PATIENCE_SECONDS = 5.0
"""How long `close` waits for a slow client to take what was written before it drops the connection."""


class Writer(Protocol):
    """One connection's way out. Everything sent after the accept goes through it, the close too.

    So bytes leave in the order of the calls, whatever the server does underneath. Who must call the ASGI `send`
    all the same awaits `drained()` before it, and writes nothing until that `send` has returned.
    All methods belong to the event loop of the connection.
    """

    @property
    def busy(self) -> bool:
        """Whether the client takes its bytes slower than they come: hold new frames back, and merge them."""

    @property
    def closed(self) -> bool:
        """Whether writes are dropped from now on: closed from here, by the client, or by the server."""

    @property
    def buffered_bytes(self) -> int:
        """What was written but has not reached the operating system, as far as it is known."""

    def write(self, frame: Frame) -> None:
        """Send a frame as one binary message; dropped if closed.

        Never waits and never raises for what the client does. Call it while not `busy`: it is safe at other times,
        but then the frame is buffered without bound.
        """

    async def drained(self) -> None:
        """Return once no longer busy and all that was written is the server's, or the connection is gone."""

    async def close(self, code: int, reason: str = "", *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Close with `code` after everything that was written; frames written meanwhile are dropped.

        Reads on if reading was paused, to hear the client's own goodbye; what else still comes need not reach the
        application. Takes at most about `patience_seconds`. A client that did not drain by then is cut off without a
        code. The server's `websocket.disconnect` may come late or, without a writer made for that server, never: after
        this, wait for it with a time-out or leave the application. Safe to call twice, and after a disconnect.

        Args:
            code: any code a server may send, 1011 to 1013 included: daphne's own close refuses those.
            reason: cut to the 123 bytes that fit into a close frame; not every server passes it on.
        """

    def abandon(self) -> None:
        """Forget the connection, which is gone: drop what waits here and wake who waits. Safe to call twice."""

    def pause_reading(self) -> None:
        """Let the client wait, too, while nothing that it sends is taken: a server may queue that without bound.

        Whether the connection is gone is then known by the server's pings only. Safe to call twice, and after the end.
        """

    def resume_reading(self) -> None:
        """Take up reading again. Safe to call twice, without a pause, and after the end."""
