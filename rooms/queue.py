"""The queue of rooms that are to be persisted: who may, one worker at a time, and when.

Per shard there is a set of rooms by the time at which they are due, and a lease for each that a worker has. A lease
that is not renewed runs out; the fence that came with it then tells whoever is late from whoever has the room now.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

from rooms import names
from rooms.conf import Conf
from rooms.entries import EntryId
from rooms.errors import RedisUnavailable
from rooms.keys import Keys
from rooms.redis_client import Call, RedisClient, script

logger = logging.getLogger(__name__)

SWEEP_PAGE = 500
"""Keys that one step of a sweep looks at."""


TAIL = 16
"""Newest of the entries that were persisted, of which the stream must have the same to be trimmed."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A room that one worker may persist until its lease runs out.

    Args:
        fence: above that of every earlier claim of the room.
        attempt: how many times in a row it could not be persisted.
    """

    room: str
    fence: int
    shard: int
    attempt: int = 0


def fingerprint(entries: Sequence[tuple[EntryId, bytes]]) -> str:
    """Return a digest of the newest of some entries, ids and bytes, as done.lua makes it."""
    digest = sha1(usedforsecurity=False)
    for entry_id, data in reversed(entries[-TAIL:]):
        digest.update(f"{entry_id} {len(data)} ".encode() + data)
    return digest.hexdigest()


def milliseconds(seconds: float) -> int:
    """Return a duration as scripts take it."""
    return round(seconds * 1000)


class Queue:
    """The rooms of all shards, for one event loop."""

    def __init__(self, client: RedisClient, keys: Keys, conf: Conf) -> None:
        self._client = client
        self._keys = keys
        self._lease = milliseconds(conf.lease_seconds)
        self._waits = (milliseconds(conf.debounce_seconds), milliseconds(conf.max_delay_seconds))
        self._silent = set[int]()  # shards that gave no answer the last time
        self._skimmed = set[int]()  # shards of which not all that might be due was looked at

    async def claim(self, shards: Sequence[int], limit: int) -> list[list[Claim]]:
        """Return up to `limit` rooms of each shard that are due, in one round trip.

        A room is due when it has been quiet for DEBOUNCE_SECONDS, or its oldest entry is MAX_DELAY_SECONDS old.

        Raises:
            RedisUnavailable: no shard answered. Of those that answered after all, leases run out.
        """
        calls = [self._claim(shard, limit) for shard in shards]
        answers = await self._client.run_together(calls)
        errors = [answer for answer in answers if isinstance(answer, RedisUnavailable)]
        if errors and len(errors) == len(calls):
            raise errors[0]
        return [self._claims(shard, answer) for shard, answer in zip(shards, answers, strict=True)]

    async def take(self, room: str) -> Claim | None:
        """Claim one room now, due or not, with entries or without; None if somebody has it at this moment.

        Raises:
            RedisUnavailable: no answer; a lease that was given all the same runs out.
        """
        shard = names.shard_of(room, self._keys.shards)
        keys = (self._keys.due(shard), self._keys.leases(shard), self._keys.fence(shard))
        answer = await self._client.run(Call(script("take"), keys, (names.key_part(room), self._lease)))
        return Claim(room, answer[0], shard, answer[1]) if answer else None

    @property
    def has_more(self) -> bool:
        """Whether the last claims have passed over rooms without a look, behind many that are not due after all."""
        return bool(self._skimmed)

    @property
    def silent(self) -> int:
        """How many shards gave no answer to the last claim."""
        return len(self._silent)

    def _claim(self, shard: int, limit: int) -> Call:
        keys = (self._keys.due(shard), self._keys.leases(shard), self._keys.fence(shard))
        return Call(script("claim"), keys, (limit, self._lease, *self._waits, self._keys.room_prefix(shard)))

    def _claims(self, shard: int, answer: Any) -> list[Claim]:
        if isinstance(answer, RedisUnavailable):
            if shard not in self._silent:
                extra = {"action": "shard_not_claimed", "shard": shard, "reason": str(answer)}
                logger.warning("No room of shard %d can be persisted: %s", shard, answer, extra=extra)
            self._silent.add(shard)
            self._skimmed.discard(shard)
            return []
        self._silent.discard(shard)
        claimed, has_more = answer
        (self._skimmed.add if has_more else self._skimmed.discard)(shard)
        return [
            Claim(room, fence, shard, failed)
            for member, fence, failed in claimed
            if (room := self._room(shard, member.decode(errors="replace"))) is not None
        ]

    def _room(self, shard: int, member: str) -> str | None:
        """Return the room of a task; a task that no server makes waits for its lease, and is not ours to delete."""
        room = self._keys.room_of(self._keys.room_prefix(shard) + member)
        if room is None:
            extra = {"action": "foreign_task", "shard": shard, "member": member}
            logger.error("Shard %d has a task that names no room: %r", shard, member, extra=extra)
        return room

    async def renew(self, claims: Iterable[Claim]) -> set[Claim]:
        """Let leases begin anew; return those that are another worker's by now.

        Raises:
            RedisUnavailable: for some of them no answer.
        """
        by_shard = defaultdict[int, list[Claim]](list)
        for claim in claims:
            by_shard[claim.shard].append(claim)
        answers = await self._client.run_together([self._renew(shard, ours) for shard, ours in by_shard.items()])
        lost = set[Claim]()
        for ours, answer in zip(by_shard.values(), answers, strict=True):
            if isinstance(answer, RedisUnavailable):
                raise answer
            lost.update(claim for claim, kept in zip(ours, answer, strict=True) if not kept)
        return lost

    def _renew(self, shard: int, claims: Sequence[Claim]) -> Call:
        pairs = [part for claim in claims for part in (names.key_part(claim.room), claim.fence)]
        return Call(script("renew"), (self._keys.due(shard), self._keys.leases(shard)), (self._lease, *pairs))

    async def done(
        self, claim: Claim, persisted: Sequence[tuple[EntryId, bytes]], *, epoch: str, generation: int
    ) -> bool:
        """Trim from a room's stream what is persisted, and give it back; False if the lease is lost.

        What was appended meanwhile is due later. If the stream does not have these entries, or the head has another
        epoch or generation than `epoch` and `generation`, nothing is trimmed and the room is due at once.

        Args:
            persisted: the oldest entries, as they were read.

        Raises:
            RedisUnavailable: whether it was trimmed is unknown.
        """
        keys = (*self._task(claim), self._keys.room(claim.room), self._keys.head(claim.room))
        what = (str(persisted[-1][0]), fingerprint(persisted), epoch, generation)
        arguments = (names.key_part(claim.room), claim.fence, *what, *self._waits, TAIL)
        return bool(await self._client.run(Call(script("done"), keys, arguments)))

    async def release(self, claim: Claim, *, delay_seconds: float = 0.0) -> bool:
        """Give a room back without trimming it; False if the lease is lost.

        Args:
            delay_seconds: it is due after so long; above 0 the next claim has one attempt more.
        """
        keys = (*self._task(claim), self._keys.room(claim.room))
        what = (names.key_part(claim.room), claim.fence, milliseconds(delay_seconds))
        return bool(await self._client.run(Call(script("release"), keys, what)))

    async def resume(self, claim: Claim) -> bool:
        """Lease a room again that was given back, entries or none; False if somebody has it or it waits for a retry.

        The fence stays: a store that has seen a higher one meanwhile refuses it. release() gives the room back.
        """
        what = (names.key_part(claim.room), claim.fence, self._lease)
        return bool(await self._client.run(Call(script("resume"), self._task(claim), what)))

    def _task(self, claim: Claim) -> tuple[str, str]:
        return self._keys.due(claim.shard), self._keys.leases(claim.shard)

    async def raise_fence(self, shard: int, seen: int) -> None:
        """Let all later fences of a shard be above one that the store has seen."""
        await self._client.run(Call(script("raise"), (self._keys.fence(shard),), (seen,)))

    async def is_my_turn_to_sweep(self, seconds: float) -> bool:
        """Tell whether nobody else has begun a sweep within the last `seconds`; raise RedisUnavailable."""
        call = Call(script("turn"), (self._keys.sweep,), (milliseconds(seconds),))
        return bool(await self._client.run(call))

    async def sweep(self, *, pause_seconds: float = 0.0) -> int:
        """Make a task for every room that has entries and none; return how many there were.

        It goes through all keys of Redis, in small steps with a pause after each. A shard that refuses does not keep
        it from the others.

        Raises:
            RedisUnavailable: no answer, or not from all shards; some rooms may have been found.
        """
        found, error = 0, None
        async for keys in self._client.scan(self._keys.all_rooms, kind="stream", page=SWEEP_PAGE):
            for answer in await self._heal(room for key in keys if (room := self._keys.room_of(key)) is not None):
                if isinstance(answer, RedisUnavailable):
                    error = answer
                else:
                    found += answer
            await asyncio.sleep(pause_seconds)
        if error:
            raise error
        return found

    async def _heal(self, rooms: Iterable[str]) -> list[Any]:
        by_due = defaultdict[str, list[str]](list)
        for room in rooms:
            by_due[self._keys.due_of(room)].append(names.key_part(room))
        return await self._client.run_together([Call(script("heal"), (due,), ours) for due, ours in by_due.items()])
