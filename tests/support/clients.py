"""Real y-websocket clients: Node processes, each with any number of clients, driven from here."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Self

from tests.support.node import environment, folder_of_node, installed_clients
from tests.support.processes import end_with_parent

MAX_LINE_BYTES = 256 * 2**20


class ClientError(Exception):
    """The Node side could not do what it was asked for; its words."""


class NodeClients:
    """One Node process; open() puts clients into it."""

    def __init__(self, process: asyncio.subprocess.Process, journals: Path | None) -> None:
        self.process = process
        self.journals = journals
        self.clients: dict[str, Client] = {}
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, journals: Path | None = None) -> Self:
        """Start a Node process; with `journals`, each client keeps its journal in that folder."""
        folder = installed_clients()
        process = await asyncio.create_subprocess_exec(
            str(folder_of_node() / "node"),
            str(folder / "src" / "main.js"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MAX_LINE_BYTES,
            env=environment(),
            preexec_fn=end_with_parent,
        )
        return cls(process, journals)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            answer = json.loads(line)
            future = self._waiting.pop(answer["id"], None)
            if future is None or future.done():
                continue
            if "error" in answer:
                future.set_exception(ClientError(answer["error"]))
            else:
                future.set_result(answer["result"])
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ClientError("the Node process ended"))

    async def request(self, do: str, **options: Any) -> Any:
        """Send one request and return its result; raise ClientError with what the Node side says."""
        assert self.process.stdin is not None
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self.process.stdin.write(json.dumps({"id": number, "do": do, **options}).encode() + b"\n")
        await self.process.stdin.drain()
        return await self._waiting[number]

    async def open(self, name: str, url: str, room: str, **options: Any) -> "Client":
        """Open a client; `url` ends before the room. Options: params, resyncInterval, connect, checkSends ..."""
        if self.journals is not None:
            options.setdefault("journal", str(self.journals / f"{name}.jsonl"))
        answer = await self.request("open", name=name, url=url, room=room, **options)
        client = self.clients[name] = Client(self, name, room, answer["clientId"])
        return client

    async def stop(self) -> None:
        """End the process by closing its standard input; kill it if it doesn't."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        await self._reader
        # The transport closes one turn of the loop after the process: without the turn it warns when collected.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            await self.process.stdin.wait_closed()

    async def kill(self) -> None:
        """Kill -9 the process with all its clients: their journals stay."""
        self.process.kill()
        await self.stop()


class Client:
    """One y-websocket client inside a Node process."""

    def __init__(self, node: NodeClients, name: str, room: str, client_id: int) -> None:
        self.node = node
        self.name = name
        self.room = room
        self.client_id = client_id

    async def do(self, command: str, **options: Any) -> Any:
        """Run any command of tests/clients/src/commands.js."""
        return await self.node.request(command, client=self.name, **options)

    async def wait(self, *, seconds: float = 10.0, **until: Any) -> None:
        """Return when all conditions hold (synced=True, text="...", covers={...} ...); else raise ClientError."""
        await self.do("wait", until=until, seconds=seconds)

    async def synced(self, seconds: float = 20.0) -> Self:
        """Return when `synced` has fired on the present connection."""
        await self.wait(synced=True, seconds=seconds)
        return self

    async def insert(self, text: str, at: int | None = None) -> None:
        """Insert into the text; at its end without `at`."""
        await self.do("insert", text=text, at=at)

    async def delete(self, at: int, length: int) -> None:
        """Delete from the text."""
        await self.do("delete", at=at, length=length)

    async def script(self, named: str) -> None:
        """Run a named edit of tests/clients/src/scripts.js."""
        await self.do("script", named=named)

    async def text(self) -> str:
        """Return the text."""
        return str(await self.do("text"))

    async def content(self) -> dict[str, Any]:
        """Return all shared types as JSON."""
        return dict(await self.do("content"))

    async def state(self) -> dict[str, Any]:
        """Return update, stateVector (base64), structs, deletes (ranges), pending, content, digest."""
        return dict(await self.do("state"))

    async def info(self) -> dict[str, Any]:
        """Return counts: connects, syncs, closes (codes), ended, framesIn, updatesOut, lateUpdates, journaled ..."""
        return dict(await self.do("info"))

    async def report(self, *, fresh: bool = False) -> None:
        """Write the client's final state beside its journal, for the auditor."""
        assert self.node.journals is not None, "a report lies beside the journals"
        await self.do("report", path=str(self.node.journals / f"{self.name}.state.json"), fresh=fresh)


@contextlib.asynccontextmanager
async def node_clients(journals: Path | None = None) -> AsyncIterator[NodeClients]:
    """Run a Node process for the length of a block."""
    node = await NodeClients.start(journals)
    try:
        yield node
    finally:
        await node.stop()


async def converge(clients: Iterable[Client], *, seconds: float = 20.0) -> str:
    """Return the digest on which all clients agree; raise AssertionError with the differing infos if they don't."""
    chosen = list(clients)
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        digests = await asyncio.gather(*(client.do("digest") for client in chosen))
        infos = await asyncio.gather(*(client.info() for client in chosen))
        if len(set(digests)) == 1 and all(info["synced"] and not info["pending"] for info in infos):
            return str(digests[0])
        if asyncio.get_running_loop().time() > deadline:
            lines = "\n".join(
                f"{client.name} {digest[:8]} {info}"
                for client, digest, info in zip(chosen, digests, infos, strict=True)
            )
            raise AssertionError(f"no agreement in {seconds} s:\n{lines}")
        await asyncio.sleep(0.1)
