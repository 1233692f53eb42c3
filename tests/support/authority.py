"""Somebody's HTTP server that is asked who may enter, or for keys: it answers what a test wants, byte for byte."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

Answer = Callable[[str], Awaitable[bytes]]


def reply(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return an HTTP response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def as_json(value: Any) -> bytes:
    """Return a response with a JSON body."""
    return reply(json.dumps(value).encode(), "200 OK", "Content-Type: application/json")


class Authority:
    """Answers each request by `answer(path)`; by default as y-redis' auth servers do, from `rights[user]`."""

    def __init__(self) -> None:
        self.rights: dict[str, str] = {}
        self.answer: Answer = self.permission
        self.paths: list[str] = []
        self.heads: list[bytes] = []
        self.busy = 0
        self.port = 0
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/perm"

    async def permission(self, path: str) -> bytes:
        """Tell of a room and a user."""
        room, user = map(unquote, path.split("/")[-2:])
        return as_json({"yroom": room, "yuserid": user, "yaccess": self.rights.get(user, "none")})

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close, also what hangs."""
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._reply(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.busy += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            self.paths.append(path)
            self.heads.append(head)
            writer.write(await self.answer(path))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.busy -= 1
            writer.close()
