"""Segments with their bytes in the database."""

from persistence.stores.place import Place
from persistence.stores.port import SegmentStore


class DatabaseStore(SegmentStore):
    """Keeps bytes in the rows themselves: they are there when their row is, and go with it."""

    def keep(self, room: str, data: bytes) -> Place:
        """Return the bytes as a row's payload; they are written with the row."""
        return Place(payload=data)
