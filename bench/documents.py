"""Large documents for `bench.join`: one that is typed here, and a paper's real history where YREDIS_TRACES has it.

Each is given as the updates of its history and as one update, as it would come from a store that compacts.
"""

import gzip
import json
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgpack
from pycrdt import Doc, Text, TransactionEvent

from bench.keystrokes import TEXT
from bench.results import FOLDER

SEED = 1
TRANSACTIONS = 2500
TYPED_AT_ONCE = 90
DELETED_AT_ONCE = 40
TRACE = "automerge-paper.json.gz"
KEYSTROKES_TOGETHER = 100


@dataclass(frozen=True, slots=True)
class History:
    """A document's updates, and all of it as one."""

    name: str
    updates: list[bytes]
    whole: bytes
    letters: int


@contextmanager
def collected(document: "Doc[Text]", updates: list[bytes]) -> Iterator[None]:
    """Collect the update of each transaction."""

    def changed(event: TransactionEvent) -> None:
        updates.append(event.update)

    subscription = document.observe(changed)
    yield
    document.unobserve(subscription)


def typed() -> History:
    """Return a document of three authors, who type and delete at places of chance; the same in each run."""
    chance = random.Random(SEED)
    document, updates = Doc[Text](client_id=1), list[bytes]()
    text = document.get(TEXT, type=Text)
    with collected(document, updates):
        for _ in range(TRANSACTIONS):
            length = len(text)
            with document.transaction():
                at = chance.randint(0, length)
                text.insert(at, "".join(chance.choices("abcdefgh ", k=TYPED_AT_ONCE)))
                if length > DELETED_AT_ONCE and chance.random() < 0.5:
                    at = chance.randint(0, length - DELETED_AT_ONCE)
                    del text[at : at + DELETED_AT_ONCE]
    return History("typed", updates, document.get_update(), len(text))


def paper(path: Path) -> History:
    """Return a recorded history, many keystrokes to an update; kept under .data, as replaying takes some seconds."""
    kept = FOLDER / f"paper-by-{KEYSTROKES_TOGETHER}.msgpack"
    if not kept.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(msgpack.packb(replayed(path)))
    updates, whole, letters = msgpack.unpackb(kept.read_bytes())
    return History("paper", updates, whole, letters)


def replayed(path: Path) -> tuple[list[bytes], bytes, int]:
    """Return updates, document and length of a trace; raise ValueError if its text comes out different."""
    trace = json.loads(gzip.decompress(path.read_bytes()))
    document, updates = Doc[Text](client_id=1), list[bytes]()
    text = document.get(TEXT, type=Text)
    patches = [patch for transaction in trace["txns"] for patch in transaction["patches"]]
    with collected(document, updates):
        for first in range(0, len(patches), KEYSTROKES_TOGETHER):
            with document.transaction():
                for position, deleted, inserted in patches[first : first + KEYSTROKES_TOGETHER]:
                    del text[position : position + deleted]
                    text.insert(position, inserted)
    if str(text) != trace["endContent"]:
        raise ValueError(f"{path.name} ends with another text")
    return updates, document.get_update(), len(text)


def histories() -> list[History]:
    """Return the documents there are; say which is missing."""
    path = Path(os.environ.get("YREDIS_TRACES", "")) / TRACE
    if path.is_file():
        return [typed(), paper(path)]
    print(f"join: no {TRACE} here (YREDIS_TRACES names its folder): only the typed document is measured")
    return [typed()]
