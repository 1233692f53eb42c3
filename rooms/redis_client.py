"""One event loop's way to Redis: a bounded pool, single or cluster, and our scripts."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from rooms.conf import Conf
from rooms.errors import LayoutMismatch, RedisUnavailable
from rooms.keys import LAYOUT_VERSION, Keys

logger = logging.getLogger(__name__)

Argument = str | bytes | int | float

Address = tuple[str, int]
"""Host and port of a node; ("", 0) for the server that the url names."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, and the digest by which Redis knows it."""

    source: str
    digest: str


@cache
def script(name: str) -> Script:
    """Return the script of a file in rooms/lua."""
    source = files("rooms").joinpath("lua", f"{name}.lua").read_text()
    return Script(source, sha1(source.encode(), usedforsecurity=False).hexdigest())


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a script: all keys share a slot."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[Argument]


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that Redis uses, and may use at most (0: no limit); of a cluster all masters together."""

    used_bytes: int
    most_bytes: int


@contextmanager
def translated() -> Iterator[None]:
    """Raise RedisUnavailable for whatever redis-py raises; a failover leaks AttributeError and RuntimeError."""
    try:
        yield
    except (RedisError, OSError, TimeoutError, AttributeError, RuntimeError) as error:
        raise RedisUnavailable(f"{type(error).__name__}: {str(error) or 'no answer in time'}") from error


def single_client(conf: Conf) -> Redis:
    """Return a client of the one server at conf.redis_url, used under a time-out of ours; no connection is made yet.

    A command is tried again only when its connection turned out to be dead, never after a time-out: whether the
    server did it is then unknown, and the socket that waits for it is closed.
    """
    pool = BlockingConnectionPool.from_url(
        conf.redis_url,
        max_connections=conf.redis_connections,
        timeout=conf.redis_timeout_seconds,
        socket_timeout=None,
        socket_connect_timeout=conf.redis_timeout_seconds,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )
    return Redis.from_pool(pool)


def cluster_client(conf: Conf) -> RedisCluster:
    """Return a client of the cluster to which the server at conf.redis_url belongs, used under a time-out of ours."""
    return RedisCluster.from_url(
        conf.redis_url,
        max_connections=conf.redis_connections,
        socket_timeout=None,
        socket_connect_timeout=conf.redis_timeout_seconds,
    )


class RedisClient:
    """What the rest of rooms asks of Redis; belongs to the event loop in which it was connected."""

    def __init__(self, redis: "Redis | RedisCluster", conf: Conf) -> None:
        self.redis = redis
        self.conf = conf
        self.is_cluster = isinstance(redis, RedisCluster)
        self._closed = False
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @asynccontextmanager
    async def _in_use(self) -> AsyncIterator[None]:
        """Raise RedisUnavailable for what redis-py raises, and when the block takes over conf.redis_timeout_seconds.

        redis-py's own time-outs of the socket stay off: with them it sends under asyncio.wait_for, which in Python
        3.11 loses more than half of all cancellations. A client that was closed never connects again: redis-py would,
        and nobody would close that connection.
        """
        if self._closed:
            raise RedisUnavailable("the client is closed")
        self._busy += 1
        self._idle.clear()
        try:
            with translated():
                async with asyncio.timeout(self.conf.redis_timeout_seconds):
                    yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    @classmethod
    async def connect(cls, conf: Conf) -> "RedisClient":
        """Find out whether conf.redis_url is a cluster, check the layout, log what a write survives.

        Raises:
            RedisUnavailable: no answer within conf.redis_timeout_seconds.
            LayoutMismatch: the prefix is used with another layout version or number of shards.
        """
        client = cls(single_client(conf), conf)
        try:
            async with client._in_use():
                is_cluster = (await client.redis.info("cluster")).get("cluster_enabled")
            if is_cluster:
                await client.aclose()
                client = cls(cluster_client(conf), conf)
            await client.claim_layout()
            await client.log_durability()
        except BaseException:
            await client.aclose()
            raise
        return client

    async def log_durability(self) -> None:
        """Tell what an acknowledged write survives on this Redis."""
        found = await self.durability()
        logger.info("Connected to Redis: %s", found, extra={"action": "redis_connected", **found})

    async def claim_layout(self) -> None:
        """Write our layout where there is none; raise LayoutMismatch where there is another."""
        key = Keys.of(self.conf).layout
        ours = {"version": LAYOUT_VERSION, "shards": self.conf.shards}
        async with self._in_use():
            found = await cast("Any", self.redis.hmget(key, list(ours)))
            if None in found:  # a Redis that is full is still read
                for field, value in ours.items():
                    await cast("Any", self.redis.hsetnx(key, field, str(value)))
                found = await cast("Any", self.redis.hmget(key, list(ours)))
        theirs = dict(zip(ours, (int(value) for value in found), strict=True))
        if theirs != ours:
            raise LayoutMismatch(f"{key} in Redis is {theirs}, this server needs {ours}")

    async def durability(self) -> dict[str, str]:
        """Return what an acknowledged write survives: appendonly, appendfsync, maxmemory-policy ("?" if hidden)."""
        names = ("appendonly", "appendfsync", "maxmemory-policy")
        try:
            async with self._in_use():
                found = cast("dict[str, str]", await self.redis.config_get(*names))
        except RedisUnavailable:
            found = {}
        return {name.replace("-", "_"): found.get(name, "?") for name in names}

    async def memory(self) -> Memory:
        """Return how much Redis holds; raise RedisUnavailable when there is no answer in time."""
        nodes: list[Any] = self.redis.get_primaries() if isinstance(self.redis, RedisCluster) else [self.redis]
        async with self._in_use():
            found = await asyncio.gather(*(node.execute_command("INFO", "memory") for node in nodes))
        return Memory(sum(each["used_memory"] for each in found), sum(each.get("maxmemory", 0) for each in found))

    async def run(self, call: Call) -> Any:
        """Run one script.

        Raises:
            RedisUnavailable: refused, or no answer in time; whether it ran is unknown.
        """
        async with self._in_use():
            try:
                return await self._evaluate(call, "EVALSHA", call.script.digest)
            except NoScriptError:
                return await self._evaluate(call, "EVAL", call.script.source)

    async def _evaluate(self, call: Call, command: str, source: str) -> Any:
        return await self.redis.execute_command(command, source, len(call.keys), *call.keys, *call.arguments)

    async def run_together(self, calls: Sequence[Call]) -> list[Any]:
        """Run scripts in one round trip; a call that fails has its RedisUnavailable in its place of the result."""
        if len(calls) <= 1:
            return [await self._outcome(call) for call in calls]
        pipeline = self.redis.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command("EVALSHA", call.script.digest, len(call.keys), *call.keys, *call.arguments)
        try:
            async with self._in_use():
                answers = await pipeline.execute(raise_on_error=False)
        except RedisUnavailable as error:
            return [error] * len(calls)
        unknown = [number for number, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:  # Redis was restarted and forgot our scripts: these did nothing, so run one with its source
            answers[unknown[0]] = await self._outcome(calls[unknown[0]])
            others = await self.run_together([calls[number] for number in unknown[1:]])
            for number, answer in zip(unknown[1:], others, strict=True):
                answers[number] = answer
        return [self._refusal(answer) for answer in answers]

    async def _outcome(self, call: Call) -> Any:
        try:
            return await self.run(call)
        except RedisUnavailable as error:
            return error

    @staticmethod
    def _refusal(answer: Any) -> Any:
        return RedisUnavailable(f"{type(answer).__name__}: {answer}") if isinstance(answer, Exception) else answer

    async def scan(self, match: str, *, kind: str, page: int) -> AsyncIterator[list[str]]:
        """Yield the keys of one type that match, a page at a time; some twice.

        Raises:
            RedisUnavailable: no answer to one of the steps in time.
        """
        nodes: list[Any] = self.redis.get_primaries() if isinstance(self.redis, RedisCluster) else [self.redis]
        for node in nodes:
            cursor = None
            while cursor != 0:
                async with self._in_use():
                    options = ("MATCH", match, "COUNT", page, "TYPE", kind)
                    cursor, keys = await node.execute_command("SCAN", cursor or 0, *options)
                yield [key.decode(errors="replace") for key in keys]

    def address_of(self, key: str) -> Address:
        """Return the node that serves a key now; the one server there is, unless this is a cluster."""
        if isinstance(self.redis, RedisCluster):
            node = self.redis.get_node_from_key(key)
            if node is None:
                raise RedisUnavailable(f"no node serves {key}")
            return node.host, int(node.port)
        return "", 0

    def new_connection(self, address: Address) -> AbstractConnection:
        """Return a connection of its own, not from the pool, which never reconnects or retries by itself."""
        pool = single_client(self.conf).connection_pool
        options = {**pool.connection_kwargs, "retry": Retry(NoBackoff(), 0), "protocol": 2}
        if address[0]:
            options |= {"host": address[0], "port": address[1], "db": 0}
        connection: AbstractConnection = pool.connection_class(**options)
        return connection

    async def refresh_topology(self) -> None:
        """Ask a cluster anew which node serves which keys."""
        if isinstance(self.redis, RedisCluster):
            async with self._in_use():
                await self.redis.nodes_manager.initialize()

    async def aclose(self) -> None:
        """Let commands on their way end, each within its time-out, refuse new ones, and close every connection."""
        self._closed = True
        await self._idle.wait()
        with translated():
            await self.redis.aclose()
