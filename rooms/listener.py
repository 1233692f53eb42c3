"""Hearing bells: one subscribed connection to each Redis master, watched, and opened anew when it breaks.

redis-py's own PubSub reconnects in silence. Whatever rang meanwhile is lost then and nobody knows, so we hold the
connections ourselves: each confirmed subscription, the first and every later one, is reported, and means "read that
room now".
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import TimeoutError as RedisTimeoutError

from rooms import bells, names
from rooms.errors import RedisUnavailable, Undecodable
from rooms.keys import Keys
from rooms.metrics import Count, count
from rooms.redis_client import Address, RedisClient, translated

logger = logging.getLogger(__name__)

PING_SECONDS = 2.0
"""After so long a silence the connection must answer a ping within as long again."""

RETRY_SECONDS = (0.05, 0.2, 0.5, 1.0)
"""Pauses before a broken connection is opened again; the last one repeats."""

Heard = Callable[[str, bells.Bell], None]
Subscribed = Callable[[str], None]


class Line:
    """One subscribed connection."""

    def __init__(
        self, connection: AbstractConnection, keys: Keys, heard: Heard, subscribed: Subscribed, gone: Subscribed
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._heard = heard
        self._subscribed = subscribed
        self._gone = gone
        self._commands: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        self._ended = False

    def subscribe(self, rooms: Iterable[str]) -> None:
        """Subscribe soon: one command for each shard, because a cluster refuses to mix slots."""
        by_shard: dict[int, list[str]] = {}
        for room in rooms:
            by_shard.setdefault(names.shard_of(room, self._keys.shards), []).append(self._keys.bell(room))
        for channels in by_shard.values():
            self._commands.put_nowait(("SSUBSCRIBE", *channels))

    def unsubscribe(self, room: str) -> None:
        """Unsubscribe soon."""
        self._commands.put_nowait(("SUNSUBSCRIBE", self._keys.bell(room)))

    async def run(self) -> None:
        """Connect and pass on what is heard, until the connection breaks: then raise RedisUnavailable."""
        with translated():
            try:
                async with asyncio.timeout(self._connection.socket_connect_timeout):  # the handshake included
                    await self._connection.connect()  # type: ignore[no-untyped-call]
                await self._converse()
            finally:
                await self._connection.disconnect(nowait=True)

    async def _converse(self) -> None:
        writer = asyncio.create_task(self._write())
        reader = asyncio.create_task(self._read())
        try:
            done, _ = await asyncio.wait((writer, reader), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._ended = True
            writer.cancel()
            reader.cancel()
            await asyncio.gather(writer, reader, return_exceptions=True)

    async def _write(self) -> None:
        while not self._ended:  # should redis-py lose the cancellation
            await self._connection.send_command(*await self._commands.get(), check_health=False)

    async def _read(self) -> None:
        pinged = False
        while True:
            message = await self._connection.read_response(timeout=PING_SECONDS, disconnect_on_error=False)
            if message is not None:
                pinged = False
                self._pass_on(message)
            elif pinged:
                raise RedisTimeoutError("a ping was not answered")
            else:
                pinged = True
                self._commands.put_nowait(("PING",))

    def _pass_on(self, message: object) -> None:
        match message:
            case [b"smessage", bytes() as channel, bytes() as data]:
                self._take_bell(self._keys.room_of_channel(channel.decode()), data)
            case [b"ssubscribe", bytes() as channel, _]:
                self._subscribed(self._keys.room_of_channel(channel.decode()))
            case [b"sunsubscribe", bytes() as channel, _]:
                self._gone(self._keys.room_of_channel(channel.decode()))
            case Exception():  # MOVED: the slot has gone to another node
                raise RedisUnavailable(str(message)) from message

    def _take_bell(self, room: str, data: bytes) -> None:
        """Pass a bell on; whatever is wrong with it concerns no other room, and means: read that room (G7)."""
        try:
            self._heard(room, bells.decode(data))
        except Undecodable:
            count(Count.BELLS_UNREADABLE)
            self._subscribed(room)
        except Exception:
            logger.exception("A bell of room %s failed", room, extra={"action": "bell_failed", "room": room})
            self._subscribed(room)


class Listener:
    """All lines of a process."""

    def __init__(self, client: RedisClient, keys: Keys, heard: Heard, subscribed: Subscribed) -> None:
        self._client = client
        self._keys = keys
        self._heard = heard
        self._subscribed = subscribed
        self._rooms: set[str] = set()
        self._lines: dict[Address, Line] = {}
        self._tasks: dict[Address, asyncio.Task[None]] = {}

    def subscribe(self, room: str) -> None:
        """Hear a room's bells from soon on; `subscribed` is called when that is so."""
        address = self._client.address_of(self._keys.bell(room))
        self._rooms.add(room)
        if address not in self._tasks:
            self._tasks[address] = asyncio.create_task(self._keep_open(address))
        elif address in self._lines:
            self._lines[address].subscribe([room])

    def unsubscribe(self, room: str) -> None:
        """Hear a room's bells no more."""
        self._rooms.discard(room)
        for address, line in self._lines.items():
            if self._is_at(room, address):
                line.unsubscribe(room)

    def _rooms_at(self, address: Address) -> list[str]:
        return [room for room in self._rooms if self._is_at(room, address)]

    def _is_at(self, room: str, address: Address) -> bool:
        try:
            return self._client.address_of(self._keys.bell(room)) == address
        except RedisUnavailable:  # in a failover nobody serves it: stay until it is known who does
            return True

    async def _keep_open(self, address: Address) -> None:
        failures = 0
        while rooms := self._rooms_at(address):
            self._confirmations = 0
            try:
                await self._hold_line(address, rooms)
            except Exception as error:  # a failover makes redis-py leak all sorts, and nobody may be deaf for that
                failures = 0 if self._confirmations else failures + 1
                count(Count.RESUBSCRIPTIONS)
                logger.warning("Bells are not heard: %s", error, extra={"action": "bells_lost", "failures": failures})
            await asyncio.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
            await self._follow_topology(address)
        del self._tasks[address]
        self._lines.pop(address, None)

    async def _hold_line(self, address: Address, rooms: list[str]) -> None:
        line = Line(self._client.new_connection(address), self._keys, self._heard, self._confirmed, self._gone)
        self._lines[address] = line
        line.subscribe(rooms)
        await line.run()

    def _confirmed(self, room: str) -> None:
        self._confirmations += 1
        if room in self._rooms:
            self._subscribed(room)

    def _gone(self, room: str) -> None:
        """In a cluster a slot that moves away ends its subscriptions: break the line, look where it went."""
        if room in self._rooms and self._client.is_cluster:
            raise RedisUnavailable(f"the slot of room {room} moves")

    async def _follow_topology(self, address: Address) -> None:
        """Give rooms that have moved to another master a line there."""
        if not self._client.is_cluster:
            return
        with suppress(RedisUnavailable):
            await self._client.refresh_topology()
            for room in self._rooms - set(self._rooms_at(address)):
                self.subscribe(room)

    async def aclose(self) -> None:
        """Close every line."""
        self._rooms.clear()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
