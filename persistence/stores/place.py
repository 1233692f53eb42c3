"""Where the bytes of one segment were written."""

import time
from dataclasses import dataclass, field

from rooms.conf import conf


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes that can be read again: the payload for a row, or a location in a storage.

    Args:
        kept_at: time.time() when they were written.
    """

    payload: bytes | None = None
    storage: str = ""
    location: str = ""
    kept_at: float = field(default_factory=time.time)

    @property
    def is_stale(self) -> bool:
        """Whether a sweep may take the bytes for orphans before a row points to them: this process stood still."""
        return bool(self.location) and time.time() - self.kept_at > conf().orphan_grace_seconds / 2
