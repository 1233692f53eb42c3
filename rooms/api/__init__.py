"""Rooms for the site's own code: read, edit and seed documents, see who is there, send people away.

`await read("essay")` and `async with edit("essay") as doc:` in async code. Each has a twin that ends in `_sync`, for
views, commands, the shell and scripts without an event loop.
"""

from rooms.api.content import json, json_sync, snapshot, snapshot_sync, text, text_sync, xml, xml_sync
from rooms.api.creating import copy, copy_sync, exists, exists_sync, seed, seed_sync
from rooms.api.editing import edit, edit_sync, read, read_sync
from rooms.api.listing import Listed, rooms, rooms_sync
from rooms.api.people import (
    Present,
    awareness,
    awareness_sync,
    connections,
    connections_sync,
    kick,
    kick_sync,
    recheck,
    recheck_sync,
)
from rooms.api.ruling import (
    delete,
    delete_sync,
    erase,
    erase_sync,
    freeze,
    freeze_sync,
    restore,
    restore_sync,
    thaw,
    thaw_sync,
)
from rooms.rollcall import Connection

__all__ = [
    "Connection",
    "Listed",
    "Present",
    "awareness",
    "awareness_sync",
    "connections",
    "connections_sync",
    "copy",
    "copy_sync",
    "delete",
    "delete_sync",
    "edit",
    "edit_sync",
    "erase",
    "erase_sync",
    "exists",
    "exists_sync",
    "freeze",
    "freeze_sync",
    "json",
    "json_sync",
    "kick",
    "kick_sync",
    "read",
    "read_sync",
    "recheck",
    "recheck_sync",
    "restore",
    "restore_sync",
    "rooms",
    "rooms_sync",
    "seed",
    "seed_sync",
    "snapshot",
    "snapshot_sync",
    "text",
    "text_sync",
    "thaw",
    "thaw_sync",
    "xml",
    "xml_sync",
]
