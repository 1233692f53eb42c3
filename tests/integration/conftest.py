"""A real Redis for the whole run, an empty one for each test, and hubs: two of them are two servers."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from rooms import policy_rows
from rooms.backend import Backend
from rooms.conf import Conf, conf
from rooms.grants import Access
from rooms.hub import Hub
from rooms.keys import Keys
from rooms.lane import Lane
from rooms.policy import Policy
from rooms.redis_client import RedisClient
from rooms.register import Register
from rooms.streams import Streams
from tests.integration.peers import WRITE, Peer
from tests.integration.services import postgres as postgres
from tests.integration.services import postgres_databases as postgres_databases
from tests.integration.services import s3 as s3
from tests.integration.services import sqlite_template as sqlite_template
from tests.integration.stores import MemoryStore
from tests.support.authority import Authority
from tests.support.valkey import Valkey, flavours

REDIS_TIMEOUT_SECONDS = 2.0

Configure = Callable[..., Conf]
Serve = Callable[..., Awaitable[Hub]]


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """The Valkey of the whole run."""
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session", params=flavours())
def either_redis(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """Each server that this machine has, one after the other."""
    if request.param == "valkey":
        yield request.getfixturevalue("valkey")
        return
    server = Valkey(tmp_path_factory.mktemp("redis"), flavour=request.param)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey of one test's own, to be frozen, filled or killed."""
    server = Valkey(tmp_path / "valkey")
    server.start()
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def no_rows_for_new_rooms(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hubs neither note new rooms nor ask for policies: most tests have no database. `registering` asks for it."""
    if "registering" not in request.fixturenames:
        monkeypatch.setattr(Register, "began", lambda register, room: None)
        monkeypatch.setattr(policy_rows, "stored", lambda room: Policy())


@pytest.fixture
def registering() -> None:
    """Let new rooms get their rows."""


@pytest.fixture
def configure(settings: Any) -> Configure:
    """Set YREDIS for a Redis, which is emptied; what isn't given is as in a production of one machine."""

    def configured(server: Valkey, **changes: Any) -> Conf:
        server.flushall()
        settings.YREDIS = {
            "REDIS_URL": server.url,
            "REDIS_TIMEOUT_SECONDS": REDIS_TIMEOUT_SECONDS,
            "STORE": "tests.integration.stores.MemoryStore",
            "AUTHORIZE": "tests.support.access.by_name",
            **changes,
        }
        MemoryStore.reset()
        return conf()

    return configured


@pytest.fixture
def redis_of(valkey: Valkey) -> Iterator["redis.Redis"]:
    """A client of the run's Valkey that blocks: whatever it does, no server process does anything meanwhile."""
    with valkey.client() as client:
        yield client


@pytest.fixture
async def serve(valkey: Valkey, configure: Configure) -> AsyncIterator[Serve]:
    """Open hubs by `await serve()`: each is what one server process has. All end with the test."""
    configure(valkey)
    async with contextlib.AsyncExitStack() as stack:

        async def opened() -> Hub:
            backend = await Backend.open()
            stack.push_async_callback(backend.aclose)
            hub = Hub(backend)
            await hub.start()
            stack.push_async_callback(hub.aclose)
            return hub

        yield opened


@pytest.fixture
async def hub(serve: Serve) -> Hub:
    """One server."""
    return await serve()


@pytest.fixture
async def other_hub(serve: Serve, hub: Hub) -> Hub:
    """Another server on the same Redis."""
    return await serve()


@pytest.fixture
async def seat() -> AsyncIterator[Callable[..., Awaitable[Peer]]]:
    """Seat clients by `await seat(hub, "essay")`; all leave at the end of the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def seated(hub: Hub, room: str, access: Access = WRITE, **options: Any) -> Peer:
            return await stack.enter_async_context(Peer(hub, room, access, **options))

        yield seated


class Redis:
    """What rooms has of one Redis without a hub: client, streams and the append lane."""

    def __init__(self, client: RedisClient, settings: Conf) -> None:
        self.conf = settings
        self.client = client
        self.keys = Keys.of(settings)
        self.streams = Streams(client, self.keys)
        self.lane = Lane(client, self.keys, settings)


@contextlib.asynccontextmanager
async def connected(settings: Conf) -> AsyncIterator[Redis]:
    """Connect for the length of a block."""
    client = await RedisClient.connect(settings)
    try:
        yield Redis(client, settings)
    finally:
        await client.aclose()


@pytest.fixture
async def rooms_in(either_redis: Valkey, configure: Configure) -> AsyncIterator[Redis]:
    """The parts below a hub, on each Redis there is."""
    async with connected(configure(either_redis)) as found:
        yield found


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    """A server that is asked who may enter."""
    server = Authority()
    await server.start()
    yield server
    await server.stop()
