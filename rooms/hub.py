"""All that a server process has open: its rooms, and who sits in them."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from rooms import rollcall
from rooms.backend import Backend, backend
from rooms.bells import Bell, Kind
from rooms.errors import RedisUnavailable, TooMuch
from rooms.grants import Grant
from rooms.heartbeats import process_id
from rooms.limits import exceeded
from rooms.listener import Listener
from rooms.metrics import Count, count
from rooms.orders import EVERYWHERE, ORDERS, Order, obey, recheck
from rooms.perloop import PerLoop
from rooms.presence import Speaker
from rooms.room import LiveRoom
from rooms.seat import Seat
from rooms.upkeep import Upkeep
from rooms.writers import Writer

LINGER_SECONDS = 5.0
"""A room that everybody left stays open so long: a page that is loaded again finds it."""

FAREWELL_SECONDS = 2.0
"""Longest a stop is held up by saying who is gone."""


class Hub:
    """The rooms of one event loop."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.server_id = process_id()
        self.rooms: dict[str, LiveRoom] = {}
        self.listener = Listener(backend.client, backend.keys, self._hear, self._subscribed)
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._seats_of: Counter[str] = Counter()
        self._connections = 0
        self._hears_orders = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.upkeep = Upkeep(self)

    @property
    def seats(self) -> int:
        """Number of open connections."""
        return sum(len(room.seats) for room in self.rooms.values())

    async def start(self) -> None:
        """Begin to beat, and return when orders to every server are heard; raise RedisUnavailable if Redis is away."""
        await self.upkeep.start()
        try:
            self.listener.subscribe(EVERYWHERE)
            async with asyncio.timeout(self.backend.conf.redis_timeout_seconds):
                await self._hears_orders.wait()
        except BaseException as error:
            await self.aclose()
            if isinstance(error, TimeoutError):
                raise RedisUnavailable("no subscription in time") from error
            raise

    async def join(self, grant: Grant, writer: Writer, address: str) -> Seat:
        """Give a connection its place: from when this returns it gets everything that happens in the room.

        Raises:
            RoomDeleted: nobody may enter.
            TooMuch: a seat limit is reached.
            RedisUnavailable, StoreUnavailable, Undecodable: the room can't be opened or loaded.
        """
        room = await self._open(grant.room)
        room.policy.check()
        self._connections += 1
        speaker = Speaker(self.server_id, f"{self.server_id}-{self._connections}", grant.user_id or "")
        seat = Seat(room, grant, writer, speaker, address)
        self._check_limits(seat)
        self._take(seat)
        seat.rights.begin()
        try:
            seat.send_states()
            if seat.grant.may_write:
                seat.ask(await (await room.baseline()).state_vector())
        except BaseException:
            await self.leave(seat)
            raise
        return seat

    async def leave(self, seat: Seat) -> None:
        """Take a connection's place away; returns when its last append is known to have arrived or not."""
        if seat not in seat.room.seats:
            return
        count(Count.SEATS_CLOSED)
        self._tell("room.left", seat)
        for label in _labels(seat):
            self._seats_of[label] -= 1
            if not self._seats_of[label]:
                del self._seats_of[label]
        leaving = seat.leave()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._close_if_empty, seat.room)
        await leaving

    def _check_limits(self, seat: Seat) -> None:
        conf = self.backend.conf
        user, address = _labels(seat)
        held_by_user = self._seats_of[user] if seat.grant.user_id else 0
        for held, limit, name in (
            (len(seat.room.seats), conf.max_seats_per_room, Count.LIMIT_SEATS_PER_ROOM),
            (held_by_user, conf.max_seats_per_user, Count.LIMIT_SEATS_PER_USER),
            (self._seats_of[address], conf.max_seats_per_address, Count.LIMIT_SEATS_PER_ADDRESS),
        ):
            if limit and held >= limit:
                raise exceeded(name, TooMuch, f"{held} connections already: {name}")

    def _take(self, seat: Seat) -> None:
        count(Count.SEATS_OPENED)
        seat.room.seats.add(seat)
        self._seats_of.update(_labels(seat))
        self._tell("room.joined", seat)

    def _tell(self, kind: str, seat: Seat) -> None:
        grant = seat.grant
        who = {"user_id": grant.user_id, "access": grant.access.value, "connection_id": seat.speaker.connection_id}
        self.backend.events.tell(kind, seat.room.name, **who)

    async def _open(self, name: str) -> LiveRoom:
        """Return an open room; those who come while it opens wait for the same opening."""
        room = self.rooms.get(name)
        if room is None:
            self.listener.subscribe(name)
            room = self.rooms[name] = LiveRoom(name, self.backend)
            self._opening[name] = asyncio.create_task(room.open(self.upkeep.dead))
            patience = LINGER_SECONDS + self.backend.conf.redis_timeout_seconds
            asyncio.get_running_loop().call_later(patience, self._close_if_empty, room)  # if nobody sits down after all
        elif name not in self._opening:
            await room.confirm_policy()
        if opening := self._opening.get(name):
            try:
                await asyncio.shield(opening)
            except Exception:
                if self.rooms.get(name) is room:
                    self._forget(room)
                raise
            self._opening.pop(name, None)
        return room

    def _close_if_empty(self, room: LiveRoom) -> None:
        if room.seats or self.rooms.get(room.name) is not room:
            return
        if room.presence.is_settled:
            self._forget(room)
        else:  # a removal could not be published yet
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._close_if_empty, room)

    def _forget(self, room: LiveRoom) -> None:
        del self.rooms[room.name]
        self._opening.pop(room.name, None)
        self.listener.unsubscribe(room.name)
        room.stop()

    def _hear(self, name: str, bell: Bell) -> None:
        if name == EVERYWHERE:
            if bell.kind in ORDERS:
                obey(bell, self.seats_of)
            elif bell.kind == Kind.ROLL_CALL:
                self._start(self._answer(*rollcall.asked(bell.body)))
        elif room := self.rooms.get(name):
            room.hear(bell)

    async def _answer(self, number: str, room: str) -> None:
        client, keys = self.backend.client, self.backend.keys
        with suppress(RedisUnavailable):
            await rollcall.answer(client, keys, number, self.server_id, self.seats_of(room))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _subscribed(self, name: str) -> None:
        if name == EVERYWHERE:
            if self._hears_orders.is_set():  # again: some may have rung meanwhile
                recheck(Order(), self.seats_of)
            self._hears_orders.set()
        elif room := self.rooms.get(name):
            room.subscribed()

    def seats_of(self, name: str | None = None) -> list[Seat]:
        """Return the open connections in a room, or all."""
        if name is None:
            return [seat for room in self.rooms.values() for seat in room.seats]
        room = self.rooms.get(name)
        return list(room.seats) if room else []

    async def aclose(self) -> None:
        """Say who is gone, stop hearing, close every room."""
        await self.upkeep.aclose()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await asyncio.gather(*(room.presence.settle() for room in self.rooms.values()))
        await self.listener.aclose()
        for task in self._tasks:
            task.cancel()
        for room in self.rooms.values():
            room.stop()
        self.rooms.clear()


def _labels(seat: Seat) -> tuple[str, str]:
    return f"user {seat.grant.user_id}", f"address {seat.address}"


async def _connect() -> Hub:
    made = Hub(await backend())
    await made.start()
    return made


_hubs = PerLoop(_connect)


async def hub() -> Hub:
    """Return the running event loop's hub; the first caller connects it.

    Raises:
        RedisUnavailable: Redis is away; the next caller tries again.
        LayoutMismatch: Redis holds another layout.
    """
    return await _hubs.get()
