"""Somebody's HTTP server that a webhook is sent to: it keeps what it gets and answers what a test wants."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO

from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http import QueryDict
from django.http.multipartparser import MultiPartParser


@dataclass
class Received:
    """One request; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, bytes]:
        """The fields and files of a multipart body, as Django reads them."""
        meta = {"CONTENT_TYPE": self.headers["content-type"], "CONTENT_LENGTH": str(len(self.body))}
        handler = MemoryFileUploadHandler()
        fields, files = MultiPartParser(meta, BytesIO(self.body), [handler]).parse()
        assert isinstance(fields, QueryDict)
        return {key: fields[key].encode() for key in fields} | {key: files[key].read() for key in files}


@dataclass
class Receiver:
    """Answers each request with `status`, or with what `answer` gives for it: a status, or None for silence."""

    status: int = 200
    answer: Callable[[Received], int | None] | None = None
    head: bytes = b""
    body: bytes = b"thanks"
    requests: list[Received] = field(default_factory=list)
    port: int = 0
    _serving: "set[asyncio.Task[None]]" = field(default_factory=set)

    @property
    def url(self) -> str:
        """What a site writes into its settings."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def start(self) -> None:
        """Listen, on the same port as before if it was stopped."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close all, also connections that a client keeps for its next request."""
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await asyncio.sleep(0)  # a transport closes one turn later

    async def has(self, number: int, *, within_seconds: float = 10.0) -> list[Received]:
        """Return the requests when there are so many."""
        async with asyncio.timeout(within_seconds):
            while len(self.requests) < number:
                await asyncio.sleep(0.01)
        return self.requests

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._serving.add(task)
        try:
            await self._answer_all(reader, writer)
        finally:
            self._serving.discard(task)
            writer.transport.abort()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                request = await read_request(reader)
                self.requests.append(request)
                status = self.answer(request) if self.answer else self.status
                if status is None:
                    await reader.read()  # until it has had enough of us
                    break
                length = b"Content-Length: %d\r\n" % len(self.body)
                writer.write(b"HTTP/1.1 %d Whatever\r\n%s%s\r\n%s" % (status, self.head, length, self.body))
                await writer.drain()


async def read_request(reader: asyncio.StreamReader) -> Received:
    """Return the next request of a connection."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    method, path, _ = first.split()
    return Received(method, path, headers, await reader.readexactly(int(headers["content-length"])))
