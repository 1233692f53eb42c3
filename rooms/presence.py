"""Who is in a room, as one server process knows it: cursors and names, which are never persisted.

A connection speaks for its own client ids. y-websocket re-sends every state that it knows, other clients' too, so what
is foreign is dropped in silence. States go to all servers with the bell, and to newcomers through a short-lived hash.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgpack

from rooms import awareness
from rooms.awareness import GONE, State
from rooms.conf import Conf
from rooms.errors import RedisUnavailable, TooMuch
from rooms.keys import Keys
from rooms.limits import exceeded
from rooms.metrics import Count, count
from rooms.redis_client import Call, RedisClient, script

KEEP_SECONDS = 45.0
"""A state lives so long without being renewed; clients renew after 15 s and forget others after 30."""

PUBLISH_SECONDS = 0.02
"""Least time between two bells of one room: a hundred moving cursors are coalesced to fifty bells a second."""

RETRY_SECONDS = 1.0
"""After a failed publication."""

OWN_CLIENTS = 8
"""For so many client ids may one connection speak in its life; y-websocket needs one."""

RESENT_STATES = 1000
"""y-websocket sends on what it hears, so a frame may have some multiple of the states that are known; never more."""

MAX_CLOCK = 2**52
"""A higher clock is dropped: those of its removal, and of the client's answer to that, must stay below 2^53."""

OUTRAGEOUS = 10
"""Times a limit: no longer cut down, but closed."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """The connection that a state came from; `user_id` is "" for somebody unknown."""

    server_id: str
    connection_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Known:
    """A state, whose it is, and when it came (seconds, this process's clock)."""

    state: State
    speaker: Speaker
    at: float


class Presence:
    """The awareness states of one room."""

    def __init__(self, room: str, client: RedisClient, keys: Keys, conf: Conf) -> None:
        self._room = room
        self._client = client
        self._keys = keys
        self._conf = conf
        self._known: dict[int, Known] = {}
        self._said: dict[int, Known] = {}  # by our own connections, until the bell brings it back
        self._unpublished: set[int] = set()
        self._claims: dict[Speaker, set[int]] = {}  # of our own connections
        self._publishing: asyncio.Task[None] | None = None

    # -- what our own connections say

    def hear(self, speaker: Speaker, states: list[State]) -> list[State]:
        """Take what a connection says about itself, and publish it soon.

        Returns:
            removals that the connection must see: it came back with a clock that everybody else takes for old, and
            answers its own removal with a newer one.

        Raises:
            MalformedFrame: a state that is no JSON.
            TooMuch: a state of many times the limit, or far more states than there are.
        """
        if len(states) > RESENT_STATES + 2 * len(self._known):
            raise exceeded(Count.LIMIT_AWARENESS, TooMuch, f"an awareness update of {len(states)} states")
        stale: dict[int, State] = {}
        claimed = self._claims.setdefault(speaker, set())
        for state in states:
            known = self._newest(state.client)
            if state.clock > MAX_CLOCK or not self._may_speak(speaker, known, state, claimed):
                count(Count.AWARENESS_FOREIGN)
            elif known and known.state.is_gone and state.clock <= known.state.clock:
                if not state.is_gone:
                    stale[state.client] = known.state
            elif self._is_news(known, state) and self._fits(state):
                awareness.check_json(state.value)
                self._say(Known(state, speaker, time.monotonic()))
                claimed.add(state.client)
        return list(stale.values())

    @staticmethod
    def _may_speak(speaker: Speaker, known: Known | None, state: State, claimed: set[int]) -> bool:
        if known is not None and known.speaker == speaker:
            return True
        if state.is_gone or len(claimed) >= OWN_CLIENTS:
            return False
        if known is None:
            return True
        same_user = speaker.user_id == known.speaker.user_id
        if known.state.is_gone:  # whoever it was may come back, and nobody else in his name
            return same_user or not known.speaker.user_id
        # The first id that a connection names is its own; after that it re-sends what it heard from others.
        return same_user and bool(speaker.user_id) and not claimed

    def _newest(self, client: int) -> Known | None:
        return self._said.get(client) or self._known.get(client)

    @staticmethod
    def _is_news(known: Known | None, state: State) -> bool:
        return known is None or state.clock > known.state.clock or (state.is_gone and not known.state.is_gone)

    def _fits(self, state: State) -> bool:
        size, limit = len(state.value), self._conf.max_awareness_bytes
        if limit and size > limit:
            count(Count.AWARENESS_TOO_BIG)
            if size > OUTRAGEOUS * limit:
                raise exceeded(Count.LIMIT_AWARENESS, TooMuch, "an awareness state of many times the limit")
            return False
        return True

    def leave(self, speaker: Speaker) -> None:
        """Publish that a connection's clients are gone; a closing tab doesn't say so itself."""
        newest = {client: self._newest(client) for client in self._claims.pop(speaker, ())}
        self._remove(
            [
                client
                for client, known in newest.items()
                if known and known.speaker == speaker and not known.state.is_gone
            ]
        )

    def bury(self, server_id: str) -> None:
        """Publish that everybody who was connected to a server that died is gone."""
        self._remove(
            [
                client
                for client, known in self._known.items()
                if known.speaker.server_id == server_id and not known.state.is_gone
            ]
        )

    def _remove(self, clients: Iterable[int]) -> None:
        for client in clients:
            known = self._said.get(client) or self._known[client]
            gone = State(client, known.state.clock + 1, GONE)
            self._say(Known(gone, known.speaker, time.monotonic()))

    # -- to the other servers

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits to be published."""
        return self._publishing is None

    async def settle(self) -> None:
        """Return when nothing waits to be published."""
        if self._publishing is not None:
            await asyncio.wait((self._publishing,))

    def stop(self) -> None:
        """Publish nothing more."""
        if self._publishing is not None:
            self._publishing.cancel()

    def _say(self, known: Known) -> None:
        """Publish soon; until then only the newest state of each client is kept."""
        self._said[known.state.client] = known
        self._unpublished.add(known.state.client)
        if self._publishing is None:
            self._publishing = asyncio.create_task(self._publish())

    async def _publish(self) -> None:
        try:
            while batch := {client: self._said[client] for client in self._unpublished if client in self._said}:
                self._unpublished.clear()
                try:
                    await self._client.run(self._call(batch))
                    count(Count.AWARENESS_PUBLISHED, len(batch))
                    await asyncio.sleep(PUBLISH_SECONDS)
                except RedisUnavailable:
                    count(Count.AWARENESS_FAILED)
                    self._unpublished |= batch.keys()
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._publishing = None

    def _call(self, batch: dict[int, Known]) -> Call:
        fields: list[str | bytes] = []
        for client, known in batch.items():
            fields += [str(client), b"" if known.state.is_gone else _pack([known])]
        keep = int(KEEP_SECONDS * 1000)
        return Call(
            script("awareness"),
            (self._keys.awareness(self._room), self._keys.head(self._room)),
            (self._keys.bell(self._room), keep, _pack(batch.values()), *fields),
        )

    # -- from the servers, our own included

    def take(self, body: bytes) -> list[State]:
        """Take a bell's body; return the states that are news, for every connection of the room."""
        news = []
        for known in _unpack(body):
            said = self._said.get(known.state.client)
            if said and (said.state == known.state or said.state.clock < known.state.clock):
                del self._said[known.state.client]
            before = self._known.get(known.state.client)
            if self._is_news(before, known.state) or (before and before.speaker != known.speaker):
                self._known[known.state.client] = known
                news.append(known.state)
        return news

    async def load(self, dead: frozenset[str]) -> None:
        """Read who is here from the hash, but for those who were connected to a server that is `dead`.

        Raises:
            RedisUnavailable: no answer in time.
        """
        for known in await stored(self._client, self._keys, self._room):
            if known.speaker.server_id not in dead and known.state.client not in self._known:
                self._known[known.state.client] = known

    def states(self) -> list[State]:
        """Return everybody who is here."""
        self.forget_old()
        return [known.state for known in self._known.values() if not known.state.is_gone]

    def forget_old(self) -> None:
        """Forget states that nobody renewed, as every client has by now, and removals that everybody has heard of."""
        oldest = time.monotonic() - KEEP_SECONDS
        self._known = {client: known for client, known in self._known.items() if known.at >= oldest}
        self._said = {client: known for client, known in self._said.items() if known.at >= oldest}


async def stored(client: RedisClient, keys: Keys, room: str) -> list[Known]:
    """Return who is in a room, as the hash for newcomers has it; raise RedisUnavailable without an answer in time."""
    call = Call(script("present"), (keys.awareness(room),), (int(KEEP_SECONDS * 1000),))
    return [known for value in await client.run(call) for known in _unpack(value)]


def _pack(many: Any) -> bytes:
    packed: bytes = msgpack.packb(
        [
            (
                known.state.client,
                known.state.clock,
                known.state.value,
                known.speaker.server_id,
                known.speaker.connection_id,
                known.speaker.user_id,
            )
            for known in many
        ]
    )
    return packed


def _unpack(body: bytes) -> list[Known]:
    """Read what `_pack` wrote; what another release wrote differently is left out."""
    try:
        now = time.monotonic()
        return [
            Known(State(client, clock, value), Speaker(server, connection, user), now)
            for client, clock, value, server, connection, user in msgpack.unpackb(body)
        ]
    except (ValueError, TypeError, msgpack.UnpackException):
        count(Count.BELLS_UNREADABLE)
        return []
