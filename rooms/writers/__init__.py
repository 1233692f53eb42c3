"""How a connection's bytes leave the process.

A frame that goes to a hundred clients is encoded once and written to the transport of each, where the server is one
that is known here (uvicorn with `--ws websockets-sansio`, its default; daphne); elsewhere it goes through ASGI's
`send`. Known means known exactly: the very types, with every attribute that is relied on.

    scope = sniff(scope, send)            # in the outermost ASGI wrapper, before a middleware can hide the server
    ...
    writer = writer_for(scope, send)      # in the consumer, after the accept
    writer.write(Frame(payload))
"""

import logging
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import unquote

from rooms.writers import daphne, uvicorn
from rooms.writers.asgi import AsgiWriter
from rooms.writers.frame import Frame
from rooms.writers.port import HIGH_WATER_BYTES, PATIENCE_SECONDS, Send, Writer

__all__ = ["HIGH_WATER_BYTES", "PATIENCE_SECONDS", "AsgiWriter", "Frame", "Send", "Writer", "sniff", "writer_for"]

logger = logging.getLogger(__name__)

SERVER_SEND = "yredis.send"
"""Where the scope carries the server's own `send`, past middlewares that wrap it."""


def sniff(scope: Mapping[str, Any], send: Send) -> dict[str, Any]:
    """Return a copy of the scope that remembers `send` if it is that of a server known here, and has the whole path."""
    if uvicorn.sansio_of(send) is not None:
        return {**scope, SERVER_SEND: send}
    if (websocket := daphne.websocket_of(send)) is not None:
        path = daphne.whole_path(websocket, scope["raw_path"])
        return {**scope, SERVER_SEND: send, "raw_path": path, "path": unquote(path.decode("ascii"))}
    return dict(scope)


def writer_for(scope: Mapping[str, Any], send: Send) -> Writer:
    """Return the writer of an accepted connection: the best one for its server. Ask once per connection.

    Raises:
        RuntimeError: not accepted yet, as far as can be told: bytes would go out before the handshake.
    """
    server_send = scope.get(SERVER_SEND, send)
    writer: Writer | None = None
    if (sansio := uvicorn.sansio_of(server_send)) is not None:
        writer = uvicorn.make_writer(sansio, server_send) or _changed("uvicorn")
    elif (websocket := daphne.websocket_of(server_send)) is not None:
        writer = daphne.make_writer(websocket) or _changed("daphne")
    return writer or AsgiWriter(send)


@cache
def _changed(server: str) -> None:
    """Say once that a server is not any more what it was."""
    logger.warning(
        "This %s is not the one that rooms.writers knows: frames go through ASGI's send, which is slower",
        server,
        extra={"action": "writer_fell_back", "server": server},
    )
