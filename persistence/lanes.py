"""Two ways to the compute children: what has killed one does not keep the others waiting."""

from collections.abc import Sequence

from rooms.compute import Compute
from rooms.errors import Undecodable


class Lanes:
    """One batch's way to compute children; a batch that one died of goes to others from then on.

    So the search for poison, which takes many children their lives, is only ever in the way of other such searches.
    """

    def __init__(self, front: Compute, back: Compute) -> None:
        self._front = front
        self._back = back
        self._struck = False

    async def run(self, operation: str, parts: Sequence[bytes]) -> list[bytes]:
        """Do as Compute.run."""
        if self._struck:
            return await self._back.run(operation, parts)
        try:
            return await self._front.run(operation, parts)
        except Undecodable:
            self._struck = True
            raise
