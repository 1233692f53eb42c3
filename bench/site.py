"""A server process of the demo site beside a Redis, both for the length of a measurement."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import MappingProxyType

from bench import cpu
from tests.support.databases import migrated
from tests.support.servers import Asgi, Server, environment
from tests.support.valkey import Valkey

KINDS: tuple[Asgi, ...] = ("uvicorn", "daphne")

SETTINGS = {"YREDIS_ACCEPT_LOG": "", "LOG_LEVEL": "WARNING"}

_numbers = count(1)


def fresh_room(label: str) -> str:
    """Return the name of a room that was not used before in this run."""
    return f"demo-{label}-{next(_numbers)}"


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of CPU of a server and of its Redis, as read at one moment."""

    server: float
    redis: float

    def since(self, before: "Cost") -> "Cost":
        """Return what was used between two readings."""
        return Cost(self.server - before.server, self.redis - before.redis)


@dataclass(frozen=True, slots=True)
class Site:
    """One server and the Redis that it may share with others."""

    asgi: Asgi
    server: Server
    valkey: Valkey

    def url(self, room: str) -> str:
        """Return the address of a room."""
        return f"{self.server.url}/{room}"

    def cost(self) -> Cost:
        """Return CPU used so far."""
        return Cost(cpu.seconds(self.server.pid), cpu.seconds(self.valkey.pid))


@contextmanager
def sites(
    folder: Path, kinds: Sequence[Asgi] = KINDS, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[list[Site]]:
    """Run one server of each kind, on one core, and one Redis on the others, where this process stays meanwhile."""
    measured, others = cpu.shares()
    with ExitStack() as stack:
        stack.enter_context(cpu.on_cores(others))
        valkey = Valkey(folder / "redis")
        stack.callback(valkey.kill)
        valkey.start()
        given = {**SETTINGS, "DATABASE_URL": migrated(folder / "db.sqlite3"), **settings}
        running = []
        for kind in kinds:
            server = Server(kind, folder, name=kind, env=environment(folder, valkey.url, given))
            stack.callback(server.kill)
            with cpu.on_cores(measured):
                server.launch()
            running.append(Site(kind, server, valkey))
        for site in running:
            site.server.wait_ready()
        yield running
