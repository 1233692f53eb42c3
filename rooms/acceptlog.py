"""A test-only journal of what this process accepted: YREDIS_ACCEPT_LOG names a folder, a process writes a file.

The auditor compares it with the final documents: whatever stands here must be in them.
"""

import base64
import json
import os
import time
from functools import cache
from io import FileIO
from pathlib import Path

from rooms.entries import Entry, EntryId

folder = os.environ.get("YREDIS_ACCEPT_LOG", "")


@cache
def _file(process_id: int) -> FileIO:
    Path(folder).mkdir(parents=True, exist_ok=True)
    return (Path(folder) / f"{process_id}.jsonl").open("ab", buffering=0)


def note(room: str, entry_id: EntryId, entry: Entry) -> None:
    """Write one line for an entry whose append returned; unbuffered, so that it outlives a kill -9."""
    if not folder:
        return
    line = {
        "room": room,
        "id": str(entry_id),
        "connection": entry.connection_id,
        "user": entry.user_id,
        "verbatim": entry.verbatim,
        "update": base64.b64encode(entry.update).decode(),
        "at": time.time(),
    }
    _file(os.getpid()).write(json.dumps(line).encode() + b"\n")
