"""Updates as Yjs writes them, made without a document: one letter after the other at the end of a text."""

from rooms import wire

TEXT = "t"
"""Name of the shared text."""

LETTER = b"\x01a"
LEFT_IS, PARENT_IS_NAMED = b"\x84", b"\x04\x01"
"""A string behind another item; a string that is the first of a named type."""


def keystroke(client: int, clock: int) -> bytes:
    """Return the update by which `client` types its letter number `clock`, counted from 0, behind the one before."""
    own = wire.var_uint(client)
    place = LEFT_IS + own + wire.var_uint(clock - 1) if clock else PARENT_IS_NAMED + wire.var_string(TEXT)
    return b"\x01\x01" + own + wire.var_uint(clock) + place + LETTER + b"\x00"
