"""A room as one server process knows it: its seats, and how far along its stream they are.

The cursor is the id of the newest entry that the seats were given. A bell whose previous id is the cursor carries what
comes next; on any other the stream is read from the cursor. The head in every bell and read tells what else happened:

floor > cursor                              a worker trimmed entries that we had not read: reload through the store
another epoch, no head, last < cursor       Redis lost data: rewind, and ask the writers for what is missing (G5)
another policy or generation                the site has deleted the room, erased it, or made it read-only
"""

import asyncio
import logging

from rooms import bells, fanout, resupply
from rooms.backend import Backend
from rooms.baseline import Baseline
from rooms.bells import Bell, Head
from rooms.documents import Document
from rooms.entries import START, Entry, EntryId, decode
from rooms.errors import RedisUnavailable, RoomDeleted, Undecodable, YRedisError
from rooms.lane import Receipt
from rooms.metrics import Count, count
from rooms.policy import Policy
from rooms.presence import Presence
from rooms.seat import Seat
from rooms.streams import Reading

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
"""Between attempts to read a room while Redis is away."""


class LiveRoom:
    """One open room."""

    def __init__(self, name: str, backend: Backend) -> None:
        self.name = name
        self.backend = backend
        self.seats: set[Seat] = set()
        self.policy = Policy()
        self.presence = Presence(name, backend.client, backend.keys, backend.conf)
        self.size_bytes = 0
        self._head = Head("", 0, START, START)
        self._cursor: EntryId | None = None
        self._accepted = START
        self._vanished, self._rulings, self._heeded = False, 0, 0  # bells about the policy: heard, and looked into
        self._subscribed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._read_again = False
        self._resupplying: asyncio.Task[None] | None = None
        self._mourned: Head | None = None
        self._baseline: Baseline | None = None
        self._outgoing: list[Entry] = []

    # -- opening

    async def open(self, dead: frozenset[str]) -> None:
        """Wait for the subscription, then learn who is here, the policy and the head.

        Raises:
            RedisUnavailable, StoreUnavailable: not in time.
            RoomDeleted: nobody may enter.
        """
        try:
            async with asyncio.timeout(self.backend.conf.redis_timeout_seconds):
                await self._subscribed.wait()
                await self.presence.load(dead)
        except TimeoutError as error:
            raise RedisUnavailable("no subscription in time") from error
        self.policy, self._head = await self.backend.policies.with_head(self.name)
        self.policy.check()
        self._cursor = self._head.last
        self.catch_up()  # a bell may have rung between the head and now

    def subscribed(self) -> None:
        """The subscription begins, or begins anew: whatever rang before may have been missed."""
        self._subscribed.set()
        self.catch_up()

    def accepted(self, receipt: Receipt) -> None:
        """Remember the newest id that an append of ours was given: whoever reads the stream later must find it.

        If the entry that now stands before is an older one, then that id has vanished in the meantime.
        """
        if receipt.previous < self._accepted:
            self._vanished = True
            self.catch_up()
        self._accepted = max(self._accepted, receipt.entry_id)

    # -- hearing

    def hear(self, bell: Bell) -> None:
        """Take a bell; awareness counts from the subscription on, before the head is known: it is not said twice."""
        if bell.kind == bells.Kind.AWARENESS:
            fanout.show(self.presence.take(bell.body), self.seats)
        self._rulings += bell.kind == bells.Kind.POLICY  # whatever Redis may have lost meanwhile
        if self._cursor is None:
            return
        if bell.head.generation != self.policy.generation or not self._is_same_life(bell.head):
            count(Count.BELLS_OUT_OF_STEP)
            self.catch_up()
        elif bell.kind == bells.Kind.ENTRIES and self._is_next(bell) and bell.body is not False:
            self._hear_entries(bell)
        elif bell.kind not in (bells.Kind.ENTRIES, bells.Kind.AWARENESS) or self._is_behind(bell):
            count(Count.BELLS_OUT_OF_STEP)
            self.catch_up()

    def _is_behind(self, bell: Bell) -> bool:
        return bell.kind == bells.Kind.ENTRIES and bell.head.last != self._cursor

    def _is_next(self, bell: Bell) -> bool:
        """Tell whether a bell carries what follows the cursor, and no append of ours has vanished in between."""
        return bell.previous == self._cursor and not bell.previous < self._accepted < bell.head.last

    def _is_same_life(self, head: Head) -> bool:
        """Tell whether Redis still holds what it held; the first entry of a room gives it its epoch."""
        if not self._head.epoch and self._cursor == START:
            self._head = head
        return head.epoch == self._head.epoch

    def _hear_entries(self, bell: Bell) -> None:
        count(Count.BELLS_DIRECT)
        try:
            entries = [decode(data) for data in bell.body]
        except Undecodable:
            self.catch_up()
            return
        self._cursor = bell.head.last
        self._mourned = None
        self._deliver(entries)

    # -- reading

    def catch_up(self) -> None:
        """Read the stream from the cursor soon; many calls are one read."""
        if self._cursor is None:
            return
        self._read_again = True
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while self._read_again:
                self._read_again = False
                try:
                    await self._read_once()
                except YRedisError as error:
                    if not self.seats:
                        return
                    if not isinstance(error, RedisUnavailable):
                        self._close_all(error)
                        return
                    self._read_again = True
                    await asyncio.sleep(RETRY_SECONDS)
        except Exception:
            logger.exception("Room %s could not be read", self.name, extra={"action": "read_failed", "room": self.name})
            self._close_all(RedisUnavailable("the stream could not be read"))
        finally:
            self._reading = None

    async def _read_once(self) -> None:
        after, accepted = self._cursor or START, self._accepted
        reading = await self.backend.streams.read(self.name, after=after)
        if self._heeded < self._rulings or not reading.follows(self.policy):
            await self.heed_policy()
        elif self._vanished or self._was_lost(reading, after, accepted) or reading.lacks(after, accepted):
            await self._rewind(reading.head)
        elif reading.head.floor > after:
            await self._reload()
        else:
            self._head = reading.head
            self._mourned = self._head if self._head == self._mourned else None
            self._deliver_after_cursor(reading)

    def check(self, reading: Reading) -> None:
        """Compare with a reading of the head; catch up if there is anything that we don't know."""
        self.presence.forget_old()
        if self._cursor is not None and (
            not reading.follows(self.policy)
            or reading.head.last != self._cursor
            or self._was_lost(reading, self._cursor, self._accepted)
        ):
            self.catch_up()

    def _was_lost(self, reading: Reading, after: EntryId, accepted: EntryId) -> bool:
        head = reading.head
        if head == self._mourned:
            return False
        return not self._is_same_life(head) or head.last < max(after, accepted) or reading.lost

    def _deliver_after_cursor(self, reading: Reading) -> None:
        entries = [(entry_id, entry) for entry_id, entry in reading.entries if entry_id > (self._cursor or START)]
        if entries:
            self._cursor = entries[-1][0]
            self._deliver([entry for _, entry in entries])

    async def confirm_policy(self) -> None:
        """Look whether the policy is what we know, for somebody who enters: the bell may be on its way, or lost."""
        reading = await self.backend.streams.look(self.name)
        if self._heeded < self._rulings or not reading.follows(self.policy):
            await self.heed_policy()

    async def heed_policy(self) -> bool:
        """Do what the site has decided, and read again for whoever stays; return whether the room was erased."""
        before, heard = self.policy, self._rulings
        policy, head = await self.backend.policies.with_head(self.name)
        self._heeded = max(self._heeded, heard)
        if self.policy is not before and policy.version < self.policy.version:
            return False  # a later answer was sooner
        erased, self.policy = policy.generation > self.policy.generation, policy
        if erased or self.policy.is_deleted:
            self._close_all(RoomDeleted("the room was deleted"))
        if erased:  # another document has the name now
            self._head, self._cursor, self._accepted = head, head.last, START
            self._vanished, self._baseline = False, None
        for seat in list(self.seats):
            seat.rights.heed(self.policy)
        self.catch_up()
        return erased

    async def _reload(self) -> None:
        """Give everybody the whole document: entries that nobody here was given are only in the store now."""
        count(Count.STORE_RELOADS)
        self._baseline = None
        document = await self.backend.documents.load(self.name)
        self._cursor = max(self._cursor or START, document.last)
        self._hand_out(document)

    async def _rewind(self, head: Head) -> None:
        """Give everybody what is left, and ask those who may write for what Redis lost.

        Also what is only in the store: others may have appended since the loss, and a worker trimmed it already.
        """
        self._baseline = None
        if await self.heed_policy():  # Redis may have lost that too, before we heard of it
            return
        document = await self.backend.documents.load(self.name)  # or try again, with nothing changed so far
        count(Count.REWINDS)
        extra = {"action": "room_rewound", "room": self.name, **head.labels}
        logger.warning("Redis lost data of room %s", self.name, extra=extra)
        self._head = self._mourned = head
        self._cursor, self._accepted, self._vanished = document.last, START, False
        self._hand_out(document)
        if self._resupplying is not None:
            self._resupplying.cancel()
        self._resupplying = asyncio.create_task(resupply.ask_writers(self))

    def _hand_out(self, document: Document) -> None:
        self._baseline = None  # one that was loaded meanwhile may be older
        self._deliver(document.entries)
        self.size_bytes = document.size_bytes

    # -- serving

    async def baseline(self) -> Baseline:
        """Return a loaded document that holds everything accepted before it was loaded, and what came since.

        Raises:
            RedisUnavailable, StoreUnavailable, Undecodable: it can't be loaded; the room is not empty for that (G6).
        """
        now = asyncio.get_running_loop().time()
        if self._baseline is None or not self._baseline.is_fresh(now):
            self._baseline = Baseline(now, asyncio.create_task(self.backend.documents.load(self.name)))
        baseline = self._baseline
        self.size_bytes = (await baseline.document()).size_bytes + baseline.since_bytes
        return baseline

    def _deliver(self, entries: list[Entry]) -> None:
        """Give entries to every seat at the end of this tick."""
        self.size_bytes += sum(len(entry.update) for entry in entries)
        if self._baseline is not None:
            self._baseline.follow(entries)
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._fan_out)
        self._outgoing += entries

    def _fan_out(self) -> None:
        entries, self._outgoing = self._outgoing, []
        fanout.give(entries, self.seats, self.backend.conf.compute_threshold_bytes)

    # -- the end

    def leave(self, seat: Seat) -> None:
        """Take a seat out; what its clients showed is gone for everybody."""
        self.seats.discard(seat)
        self.presence.leave(seat.speaker)

    def _close_all(self, error: YRedisError) -> None:
        for seat in list(self.seats):
            seat.fail(error)

    def stop(self) -> None:
        """Stop what still reads, asks or publishes."""
        self.presence.stop()
        for task in (self._reading, self._resupplying):
            if task is not None:
                task.cancel()
