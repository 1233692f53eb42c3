"""Compaction by a worker: a room's chain becomes one snapshot while the room's lease is held.

Few are compacted at a time, and what is leased for it is not persisted meanwhile. So rooms are given back as ever, wait
in a list, and are leased anew when it is their turn. The list is lost with the process: then a room is compacted after
its next persist. One that is never written to again only stays as it is, some deltas beside its snapshot.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace as changed

from persistence import chain, framing
from persistence.commit import Outcome
from persistence.compaction import Compacted, compact, is_due
from persistence.leases import Leases
from persistence.models import Segment
from persistence.replacement import Snapshot, replace
from persistence.services import Services
from persistence.tails import written_anew
from rooms import pool
from rooms.calmly import calmly
from rooms.errors import RedisUnavailable, YRedisError
from rooms.failpoints import failpoint
from rooms.metrics import Count, count
from rooms.queue import Claim

logger = logging.getLogger(__name__)

NOTHING = Compacted((), gap=False, verbatim=False)
"""What a chain becomes in which there was only poison; its ids stay covered."""

REMEMBERED = 10_000
"""Rooms whose last compaction failed, or left some of their deltas as they were; and as many that wait for one."""


class Compactor:
    """Replaces chains by snapshots; what goes wrong leaves a chain as it was."""

    def __init__(self, services: Services, leases: Leases) -> None:
        self._services = services
        self._leases = leases
        self._free = max(1, services.conf.compute_processes - 1)
        self._waiting: OrderedDict[str, Outcome] = OrderedDict()
        self._left: OrderedDict[str, int] = OrderedDict()
        self.claims: set[Claim] = set()  # of rooms that are being compacted

    def line_up(self, outcome: Outcome) -> bool:
        """Let a room that was given back wait for its compaction, if it is worth one; the first come first.

        Returns:
            Whether a slot is free: compact() has to follow.
        """
        room = outcome.delta.claim.room
        if not self._wants(outcome):
            self._waiting.pop(room, None)
        elif room in self._waiting or len(self._waiting) < REMEMBERED:
            bare = changed(outcome.delta, entries=(), data=b"", place=None, quarantined=())
            self._waiting[room] = changed(outcome, delta=bare)
        if not (self._waiting and self._free):
            return False
        self._free -= 1
        return True

    def _wants(self, outcome: Outcome) -> bool:
        """Tell whether a chain may have a gap, or is worth compacting and twice as long as the last time left it."""
        return outcome.clocks is None or self._is_due(outcome)

    def _is_due(self, outcome: Outcome) -> bool:
        due = is_due(outcome.delta_bytes, outcome.delta_count, outcome.snapshot_bytes, self._services.conf)
        return due and outcome.delta_count >= 2 * self._left.get(outcome.delta.claim.room, 0)

    def forget_waiting(self) -> None:
        """Begin with no other room."""
        self._waiting.clear()

    async def compact(self) -> None:
        """Use a slot until no room waits."""
        try:
            while outcome := await self._next():
                await self._compact(outcome)
        finally:
            self._free += 1

    async def _next(self) -> Outcome | None:
        """Return a room that waited and is leased again; None if none does, or Redis is away: then they wait on."""
        while self._waiting:
            room, outcome = self._waiting.popitem(last=False)
            claim = outcome.delta.claim
            try:
                if await self._services.queue.resume(claim):
                    self.claims.add(claim)
                    self._leases.take([claim])
                    return outcome
            except RedisUnavailable:
                self._waiting.setdefault(room, outcome)
                self._waiting.move_to_end(room, last=False)
                return None
        return None

    async def _compact(self, outcome: Outcome) -> None:
        """Compact one room under its lease, and give that back whatever happens."""
        claim = outcome.delta.claim
        try:
            if claim in self._leases:
                failpoint("worker.compacting")
                await self.rewrite(claim, outcome.delta_bytes, is_due=self._is_due(outcome))
                failpoint("worker.compacted")
        except YRedisError as error:
            self._note_failure(outcome, error)
        finally:
            await self._release(outcome)

    async def rewrite(self, claim: Claim, size_bytes: int, *, is_due: bool) -> bool:
        """Write a leased room's chain anew, or what of it is worth that; False if somebody has persisted it since.

        A chain that is not due is only looked at for a gap, and cured of poison. A lease that was lost is noted.

        Raises:
            YRedisError: the chain is as it was; it can't be read, say, or not be decoded.
        """
        store, started = self._services.store, time.monotonic()
        segments, several = await store.read(claim.room)
        if any(segment.room.fence != claim.fence for segment in segments):
            return False
        entries = await pool.run(chain.entries, segments, several)
        compacted = await compact(self._services.compute, entries) or NOTHING
        old: Sequence[Segment] = ()
        if is_due or compacted.poison:
            old, compacted = await pool.run(written_anew, segments, several, entries, compacted)
            self._put_off(claim.room, len(segments) - len(old))
        data = await calmly(size_bytes, framing.pack, compacted.entries) if old else b""
        place = await pool.run(store.keep, claim.room, data) if old else None
        gone = await pool.run(replace, Snapshot(claim, [one.pk for one in old], data, place, compacted))
        if gone is None:
            self._leases.lose(claim, where="compacting")
            return False
        await pool.run(store.forget, gone)
        if old:
            self._log(claim.room, sum(one.byte_size for one in old), len(data), time.monotonic() - started)
        return True

    def _log(self, room: str, before: int, after: int, seconds: float) -> None:
        count(Count.COMPACTIONS)
        extra = {"action": "room_compacted", "room": room, "before": before, "after": after}
        text = "Compacted room %s from %d to %d bytes in %.3f s"
        logger.info(text, room, before, after, seconds, extra=extra | {"seconds": round(seconds, 3)})

    def _put_off(self, room: str, delta_count: int) -> None:
        """Let a room be compacted again when it has twice as many deltas as can't be compacted now."""
        self._left[room] = delta_count
        if not delta_count:
            del self._left[room]
        while len(self._left) > REMEMBERED:
            self._left.popitem(last=False)

    def _note_failure(self, outcome: Outcome, error: YRedisError) -> None:
        count(Count.COMPACTIONS_FAILED)
        room = outcome.delta.claim.room
        self._put_off(room, outcome.delta_count)
        extra = {"action": "room_not_compacted", "room": room, "reason": str(error)}
        logger.warning("Could not compact room %s: %s", room, error, extra=extra)

    async def _release(self, outcome: Outcome) -> None:
        claim = outcome.delta.claim
        self.claims.discard(claim)
        self._leases.put_down(claim)
        try:
            await self._services.queue.release(claim)
        except RedisUnavailable as error:  # its lease runs out
            logger.info("Could not give room %s back: %s", claim.room, error, extra={"action": "not_released"})
