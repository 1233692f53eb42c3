"""The names of everything in Redis. A shard's keys and channels share a hash tag, and so a cluster slot."""

from dataclasses import dataclass

from rooms import names
from rooms.conf import Conf

LAYOUT_VERSION = 1
"""Of keys, entries and bells together; another version refuses to start."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names for one prefix and number of shards."""

    prefix: str
    shards: int

    @classmethod
    def of(cls, conf: Conf) -> "Keys":
        """Return the keys that a site's settings name."""
        return cls(conf.prefix, conf.shards)

    def _of_room(self, kind: str, room: str) -> str:
        return f"{self.prefix}:{{{names.shard_of(room, self.shards)}}}:{kind}:{names.key_part(room)}"

    def room(self, room: str) -> str:
        """Stream: the room's entries, each with one field "e"."""
        return self._of_room("room", room)

    def head(self, room: str) -> str:
        """Hash: epoch, generation, last, floor; outlives the stream."""
        return self._of_room("head", room)

    def bell(self, room: str) -> str:
        """Sharded pub/sub channel."""
        return self._of_room("bell", room)

    def awareness(self, room: str) -> str:
        """Hash: client id -> who is here, for newcomers; short-lived."""
        return self._of_room("awareness", room)

    def due(self, shard: int) -> str:
        """Sorted set: key part of a room -> when to persist it, in milliseconds since the epoch."""
        return f"{self.prefix}:{{{shard}}}:due"

    def due_of(self, room: str) -> str:
        """Return the due set that a room belongs to."""
        return self.due(names.shard_of(room, self.shards))

    def leases(self, shard: int) -> str:
        """Hash: key part of a room -> "fence failures expiry" of whoever persists it."""
        return f"{self.prefix}:{{{shard}}}:lease"

    def fence(self, shard: int) -> str:
        """Counter: the fence of the last claim."""
        return f"{self.prefix}:{{{shard}}}:fence"

    def room_prefix(self, shard: int) -> str:
        """Return what the keys of a shard's streams begin with, before the key part of their room."""
        return f"{self.prefix}:{{{shard}}}:room:"

    @property
    def sweep(self) -> str:
        """Key that exists for a while after a worker began to look for streams without a task."""
        return f"{self.prefix}:sweep"

    @property
    def all_rooms(self) -> str:
        """Pattern of the keys of all streams."""
        return f"{self.prefix}:{{*}}:room:*"

    @property
    def all_heads(self) -> str:
        """Pattern of the keys of all heads."""
        return f"{self.prefix}:{{*}}:head:*"

    def room_of_head(self, key: str) -> str | None:
        """Return the room whose head a key is; None if a server would never make it."""
        room = names.from_key_part(key.rpartition(":")[2])
        return room if self.head(room) == key else None

    def room_of(self, key: str) -> str | None:
        """Return the room whose stream a key is; None if a server would never make it."""
        room = names.from_key_part(key.rpartition(":")[2])
        return room if self.room(room) == key else None

    @property
    def servers(self) -> str:
        """Hash: server id -> its last heartbeat."""
        return f"{self.prefix}:servers"

    @property
    def workers(self) -> str:
        """Hash: worker id -> its last heartbeat."""
        return f"{self.prefix}:workers"

    @property
    def history(self) -> str:
        """List: samples of the last hour."""
        return f"{self.prefix}:history"

    @property
    def sampling(self) -> str:
        """Key that exists for a while after somebody took a sample for the history."""
        return f"{self.prefix}:sampling"

    def roll_call(self, number: str) -> str:
        """List: what servers answer to one roll call."""
        return f"{self.prefix}:rollcall:{number}"

    @property
    def layout(self) -> str:
        """Hash: version, shards."""
        return f"{self.prefix}:layout"

    def room_of_channel(self, channel: str) -> str:
        """Return the room whose bell a channel is."""
        return names.from_key_part(channel.rpartition(":")[2])
