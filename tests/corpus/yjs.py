"""What Yjs itself says of updates, asked in Node."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rooms.scan import Ranges
from tests.corpus.histories import _clocks, _made, _node, _ranges


@dataclass(frozen=True, slots=True)
class State:
    """A Yjs document: its content as JSON, its state vector, and all structs and deletions, those that wait too."""

    content: object
    state_vector: dict[int, int]
    structs: Ranges
    deletes: Ranges
    pending: bool


@dataclass(frozen=True, slots=True)
class Typed:
    """A recorded text: the updates of its edits, in steps; the text at the end; the size of Yjs's own document."""

    steps: list[list[bytes]]
    end: str
    document_bytes: int


def states(rooms: Sequence[Sequence[bytes]], *, typed: bool = False) -> list[State]:
    """Return what a fresh Yjs document says for each list of updates; `typed`: the roots are those of the corpus."""
    lines = [
        json.dumps({"updates": [base64.b64encode(update).decode() for update in updates], "typed": typed})
        for updates in rooms
    ]
    printed = _node(_made(), "state.js", stdin="\n".join(lines)).splitlines()
    return [
        State(
            said["content"],
            _clocks(said["vector"]),
            _ranges(said["structs"]),
            _ranges(said["deletes"]),
            said["pending"],
        )
        for said in map(json.loads, printed)
    ]


def typed_edits(path: Path, *, each: int) -> Typed:
    """Type a recorded sequential text in Yjs, and return the update of each edit, `each` to a step."""
    *steps, last = _node(_made(), "typed.js", str(path), str(each)).splitlines()
    said = json.loads(last)
    return Typed([[base64.b64decode(text) for text in json.loads(step)] for step in steps], said["end"], said["bytes"])
