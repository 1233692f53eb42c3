"""Which rooms are next: the shards take turns, so that a busy one can't keep the others waiting."""

from collections.abc import Sequence

from rooms.errors import RedisUnavailable
from rooms.queue import Claim, Queue


class Rota:
    """Claims rooms for one worker, from all of its shards."""

    def __init__(self, queue: Queue, shards: Sequence[int]) -> None:
        self._queue = queue
        self._shards = list(shards)

    async def claim(self, limit: int) -> list[Claim]:
        """Return up to `limit` rooms that are due: of each shard its share, and more of those that have more.

        If they are fewer, every shard was asked until it gave fewer than it might have.

        Raises:
            RedisUnavailable: no answer; what was claimed all the same comes back when its lease has run out.
        """
        claims, asked, answered = list[Claim](), self._shards, False
        self._shards = [*self._shards[1:], self._shards[0]]
        while asked and (left := limit - len(claims)) > 0:
            share = -(-left // len(asked))
            number = -(-left // share)
            turn, others = asked[:number], asked[number:]
            try:
                found = await self._queue.claim(turn, share)
            except RedisUnavailable:
                if not answered:
                    raise
                break  # what was claimed is ours; another call begins with another shard
            answered = True
            claims += [claim for few in found for claim in few]
            asked = others + [shard for shard, few in zip(turn, found, strict=True) if len(few) == share]
        return claims
