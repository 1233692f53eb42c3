"""What the site has decided about a room as such: whether it is deleted or read-only, and which document counts.

Its row has it. Redis is told, so that an append to a deleted room is refused in the same instant everywhere, and a
server that missed the bell finds out by comparing; a Redis that lost it is told again.
"""

from dataclasses import dataclass, replace

from rooms.errors import RoomDeleted
from rooms.grants import Access, Grant


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy of one room.

    Args:
        generation: how many times it was erased; what belongs to a lower one is garbage.
        version: how many times the policy was changed.
        is_erasing: it is deleted, and what it held is being removed.
    """

    generation: int = 0
    version: int = 0
    is_deleted: bool = False
    is_read_only: bool = False
    is_erasing: bool = False

    @property
    def marks(self) -> str:
        """As the head has it, field `policy`: the version, "d" for deleted, "r" for read-only; "" before a change."""
        marks = "d" * self.is_deleted + "r" * self.is_read_only
        return f"{self.version} {marks}".rstrip() if self.version else ""

    def leaves(self, access: Access) -> Access:
        """Return what a room that is read-only leaves of what somebody may do."""
        return Access.READ if self.is_read_only and access is Access.WRITE else access

    def limited(self, grant: Grant) -> Grant:
        """Return what it leaves of a grant."""
        return replace(grant, access=self.leaves(grant.access)) if self.is_read_only else grant

    def check(self) -> None:
        """Raise RoomDeleted if nobody may enter."""
        if self.is_deleted:
            raise RoomDeleted("the room is deleted")


NEW = Policy()
"""Of a room about which nothing was ever decided."""


def version_of(marks: str) -> int:
    """Return the version that is in a policy's marks."""
    number = marks.partition(" ")[0]
    return int(number) if number.isdecimal() else 0
