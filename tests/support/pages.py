"""A page that runs the demo's helper for tokens, and the two servers it talks to, which do what a test tells them."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from rooms import protocol
from tests.support.node import environment, folder_of_node
from tests.support.processes import end_with_parent
from tests.support.receiver import Received, Receiver, read_request

PAGE = Path(__file__).resolve().parent.parent.parent / "frontend" / "test" / "page.js"
EMPTY_UPDATE = b"\x00\x00"
PATIENCE_SECONDS = 20.0


async def soon(is_true: Callable[[], object], what: str) -> None:
    """Return when something has become true; raise AssertionError if it doesn't."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, f"not in {PATIENCE_SECONDS} s: {what}"
        await asyncio.sleep(0.01)


def answer(body: bytes, status: int = 200) -> bytes:
    """Return an HTTP response."""
    return b"HTTP/1.1 %d Whatever\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def fresh(token: str, expires_in: object = 900) -> bytes:
    """Return what a site answers to whoever is signed in."""
    return answer(json.dumps({"token": token, "expiresIn": expires_in}).encode())


@dataclass
class TokenDesk(Receiver):
    """Whom pages ask for tokens: each request waits until a test gives the answer to it."""

    answers: "asyncio.Queue[bytes]" = field(default_factory=asyncio.Queue)
    asked_at: list[float] = field(default_factory=list)

    def give(self, *answers: bytes) -> None:
        """Answer that many requests: those that wait, then those that come."""
        for one in answers:
            self.answers.put_nowait(one)

    async def asked(self, times: int) -> Received:
        """Return the request when there are so many."""
        await soon(lambda: len(self.requests) >= times, f"{times} questions for a token")
        return self.requests[times - 1]

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                request = await read_request(reader)
                writer.write(answer(b"settled") if request.body == b"settle" else await self._decided(request))
                await writer.drain()

    async def _decided(self, request: Received) -> bytes:
        self.requests.append(request)
        self.asked_at.append(time.monotonic())
        return await self.answers.get()


class Visit:
    """One socket of a page."""

    def __init__(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.socket = socket
        self.token = socket.request.headers["Sec-WebSocket-Protocol"].rpartition("yauth-")[2]
        self.fresh: list[str] = []
        """The tokens that came over the open socket."""

    async def gets(self, token: str) -> None:
        """Return when a fresh token has come over the open socket."""
        await soon(lambda: token in self.fresh, f"{token} over the socket")

    async def serve(self) -> None:
        """Answer what lets y-websocket count as synced."""
        async for frame in self.socket:
            assert isinstance(frame, bytes)
            match protocol.parse(frame):
                case protocol.SyncStep1():
                    await self.socket.send(protocol.sync_step_2(EMPTY_UPDATE))
                case protocol.Token(token):
                    self.fresh.append(token)


@dataclass
class Entrance:
    """A websocket server that accepts and then closes with 4401 whoever comes with one of the tokens in `over`."""

    over: set[str] = field(default_factory=set)
    visits: list[Visit] = field(default_factory=list)
    port: int = 0

    @property
    def tokens(self) -> list[str]:
        """What its visitors came with."""
        return [visit.token for visit in self.visits]

    async def start(self) -> None:
        """Listen."""
        self._server: Server = await serve(self._serve, "127.0.0.1", 0, subprotocols=[Subprotocol("yredis")])
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close all with 1012."""
        self._server.close(code=1012)
        await self._server.wait_closed()

    async def visit(self, number: int) -> Visit:
        """Return the visit of this number, from 1, when there is one."""
        await soon(lambda: len(self.visits) >= number, f"{number} visits")
        return self.visits[number - 1]

    async def _serve(self, socket: ServerConnection) -> None:
        visit = Visit(socket)
        self.visits.append(visit)
        if visit.token in self.over:
            await socket.close(4401)
        with contextlib.suppress(ConnectionClosed):
            await visit.serve()


class Page:
    """A Node process with the helper in it."""

    def __init__(self, process: asyncio.subprocess.Process, desk: TokenDesk, entrance: Entrance) -> None:
        self.process = process
        self.desk = desk
        self.entrance = entrance
        self.events: list[dict[str, Any]] = []
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, desk: TokenDesk, entrance: Entrance) -> Self:
        """Start it; open() connects."""
        process = await asyncio.create_subprocess_exec(
            str(folder_of_node() / "node"),
            "--experimental-websocket",  # Node 20 has none without
            "--no-warnings",
            str(PAGE),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment(),
            preexec_fn=end_with_parent,
        )
        return cls(process, desk, entrance)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.events.append(json.loads(line))

    def do(self, deed: str, **options: Any) -> None:
        """Let it do one of the deeds of frontend/test/page.js."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": deed, **options}).encode() + b"\n")

    def open(self, token: str = "first", expires_in: float = 900, **options: Any) -> None:
        """Connect as the template tag says to: with this token."""
        connection = {
            "url": f"ws://127.0.0.1:{self.entrance.port}",
            "room": "essay",
            "name": "essay",
            "token": token,
            "expiresIn": expires_in,
            "tokenUrl": self.desk.url,
            "csrfToken": "a csrf token",
        }
        self.do("open", connection=connection, options=options)

    def seen(self, event: str) -> list[dict[str, Any]]:
        """Return the events of a kind."""
        return [one for one in self.events if one["event"] == event]

    @property
    def ends(self) -> list[int]:
        """The codes with which it gave up."""
        return [one["code"] for one in self.seen("closed")]

    async def until(self, event: str, times: int = 1) -> dict[str, Any]:
        """Return an event when it has happened so many times."""
        await soon(lambda: len(self.seen(event)) >= times, f"{event} {times} times, but {self.events}")
        return self.seen(event)[times - 1]

    async def settled(self) -> dict[str, Any]:
        """Return whether it wants a connection and has a socket, when it has acted on all answers up to now."""
        times = len(self.seen("settled")) + 1
        self.do("settle", url=self.desk.url)
        return await self.until("settled", times)

    async def left(self) -> int:
        """Say no more, and return its exit code when it has ended by itself."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.wait()

    async def stop(self) -> None:
        """Kill it if it still runs; fail if it broke: an error that nobody handled ends a Node process."""
        assert self.process.stdin is not None
        broken = self.process.returncode
        if broken is None:
            self.process.kill()
            await self.process.wait()
        await self._reader
        self.process.stdin.close()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            await self.process.stdin.wait_closed()
        assert not broken, f"the page broke: {broken}"
