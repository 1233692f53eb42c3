"""Segments with their bytes in the database."""

from django.db.models import QuerySet

from persistence.models import Segment
from persistence.stores.place import Place
from persistence.stores.port import SegmentStore
from persistence.transactions import rows


class DatabaseStore(SegmentStore):
    """Keeps bytes in the rows themselves: they are there when their row is, and go with it."""

    def keep(self, room: str, data: bytes) -> Place:
        """Return the bytes as a row's payload; they are written with the row."""
        return Place(payload=data)

    def elsewhere(self) -> QuerySet[Segment]:
        """Return the segments that have files."""
        return rows(Segment).filter(payload__isnull=True)
