"""Concurrent editing, made up by chance: people who write at once, meet now and then, and agree in the end."""

import random
from typing import Any

from pycrdt import Array, Doc, Map, Text

from rooms import wire

ROOTS: dict[str, Any] = {"t": Text, "a": Array, "m": Map}


def clocks(state_vector: bytes) -> dict[int, int]:
    """Decode a state vector."""
    reader = wire.Reader(state_vector)
    found = {reader.var_uint(): reader.var_uint() for _ in range(reader.var_uint())}
    reader.expect_end()
    return found


def content(document: Doc[Any]) -> list[object]:
    """Return the text, the list and the map that a document holds."""
    text, *others = (document.get(name, type=kind) for name, kind in ROOTS.items())
    return [str(text), *(other.to_py() for other in others)]


def content_of(*updates: bytes) -> list[object]:
    """Return the content of a document built from `updates`."""
    document: Doc[Any] = Doc()
    for update in updates:
        document.apply_update(update)
    return content(document)


class Peer:
    """One person's document, and every update it made: (update, first clock, clock behind the last)."""

    def __init__(self, client: int, chance: random.Random) -> None:
        self.client = client
        self.chance = chance
        self.document: Doc[Any] = Doc(client_id=client)
        self.text, self.list, self.map = (self.document.get(name, type=kind) for name, kind in ROOTS.items())
        self.updates: list[tuple[bytes, int, int]] = []
        self.clock = 0
        self.cursor = 0

    def content(self) -> list[object]:
        return content(self.document)

    def work(self) -> None:
        """Do one thing, or the same thing a few times over, as people do."""
        edit = self.chance.choice([self.type, self.type, self.push, self.set, self.erase])
        for _ in range(self.chance.choice([1, 1, 2, 5])):
            made: list[bytes] = []
            subscription = self.document.observe(lambda event, made=made: made.append(event.update))
            edit()
            self.document.unobserve(subscription)
            start, self.clock = self.clock, clocks(self.document.get_state()).get(self.client, 0)
            self.updates.extend((update, start, self.clock) for update in made)

    def type(self) -> None:
        written = str(self.text)
        if self.chance.random() < 0.3 or self.cursor > len(written):
            self.cursor = self.chance.randint(0, len(written))
        typed = self.chance.choice(["x", "yz", "ü", "語"])
        self.text.insert(len(written[: self.cursor].encode()), typed)  # pycrdt counts bytes
        self.cursor += len(typed)

    def push(self) -> None:
        place = self.chance.choice([0, len(self.list), len(self.list), len(self.list)])
        self.list.insert(place, self.chance.choice([1, "one", None, {"deep": [1.5]}]))

    def set(self) -> None:
        self.map[self.chance.choice("kl")] = self.chance.randint(0, 99)

    def erase(self) -> None:
        if len(self.list):
            del self.list[self.chance.randrange(len(self.list))]
        if "k" in self.map and self.chance.random() < 0.2:
            del self.map["k"]
        characters = str(self.text)
        if characters:
            place = self.chance.randrange(len(characters))
            start = len(characters[:place].encode())
            del self.text[start : start + len(characters[place].encode())]

    def learn(self, other: "Peer") -> None:
        self.document.apply_update(other.document.get_update(self.document.get_state()))


def history(chance: random.Random) -> list[Peer]:
    """Return three people who wrote at once, met now and then, and know everything at the end."""
    peers = [Peer(client, chance) for client in chance.sample(range(1, 1000), 3)]
    for _ in range(chance.randint(3, 25)):
        chance.choice(peers).work()
        if chance.random() < 0.3:
            first, second = chance.sample(peers, 2)
            first.learn(second)
    for peer in peers * 2:
        for other in peers:
            peer.learn(other)
    return peers
