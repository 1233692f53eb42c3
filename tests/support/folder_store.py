"""A store for tests: each room is a file of entries. The test itself plays the worker, with persist()."""

import os
import struct
from pathlib import Path

import redis

from rooms import names
from rooms.entries import Entry, EntryId, decode, encode
from rooms.keys import Keys
from rooms.store import Chain
from tests.support.valkey import stream_entries

LENGTH = struct.Struct(">I")


class FolderStore:
    """Implements rooms.store.Store; its folder is named by YREDIS_TEST_STORE."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(os.environ["YREDIS_TEST_STORE"])

    def _path(self, room: str) -> Path:
        return self.folder / f"{names.key_part(room)}.segment"

    async def load(self, room: str) -> Chain | None:
        """Return what save() wrote last, or None."""
        path = self._path(room)
        return None if not path.exists() else read(path.read_bytes())

    def save(self, room: str, entries: list[Entry], last: EntryId) -> None:
        """Replace a room's file at once: a reader sees the old or the new one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        parts = [str(last).encode(), *(encode(entry) for entry in entries)]
        draft = self._path(room).with_suffix(".draft")
        draft.write_bytes(b"".join(LENGTH.pack(len(part)) + part for part in parts))
        draft.replace(self._path(room))


def read(data: bytes) -> Chain:
    """Return the chain that a file holds."""
    parts, at = [], 0
    while at < len(data):
        (length,) = LENGTH.unpack_from(data, at)
        parts.append(data[at + LENGTH.size : at + LENGTH.size + length])
        at += LENGTH.size + length
    return Chain([decode(part) for part in parts[1:]], EntryId.parse(parts[0]))


async def persist(client: "redis.Redis", keys: Keys, store: FolderStore, room: str) -> EntryId:
    """Do once what the worker does: segment first, then the head's floor, the trim last; return the trimmed id."""
    before = await store.load(room)
    page = list(stream_entries(client, keys.room(room)))
    last = EntryId.parse(page[-1][0])
    entries = [decode(data) for _, data in page]
    store.save(room, [*(before.entries if before else ()), *entries], last)
    client.hset(keys.head(room), "floor", str(last))
    client.xtrim(keys.room(room), minid=str(EntryId(last.milliseconds, last.sequence + 1)), approximate=False)
    client.zrem(keys.due_of(room), names.key_part(room))
    return last
