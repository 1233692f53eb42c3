"""The y-websocket protocol: frames in, messages out, and back. One message to a frame.

Source: y-protocols PROTOCOL.md, sync.js, awareness.js, auth.js; y-websocket's message types.
"""

from dataclasses import dataclass
from enum import IntEnum

from rooms import wire
from rooms.errors import MalformedFrame


class MessageType(IntEnum):
    """The first number of a frame."""

    SYNC = 0
    AWARENESS = 1
    AUTH = 2
    QUERY_AWARENESS = 3
    TOKEN = 121
    """Ours: a fresh token, before the old one runs out. Stock servers do not know it, stock clients do not send it."""


class SyncType(IntEnum):
    """The second number of a sync frame."""

    STEP_1 = 0
    STEP_2 = 1
    UPDATE = 2


@dataclass(frozen=True, slots=True)
class SyncStep1:
    """Here is what I have: an encoded state vector, not yet looked into."""

    state_vector: bytes


@dataclass(frozen=True, slots=True)
class SyncStep2:
    """Here is what you lack: an encoded update, not yet looked into."""

    update: bytes


@dataclass(frozen=True, slots=True)
class Update:
    """A change just made: an encoded update, not yet looked into."""

    update: bytes


@dataclass(frozen=True, slots=True)
class Awareness:
    """Who is here: an encoded awareness update, not yet looked into."""

    states: bytes


@dataclass(frozen=True, slots=True)
class QueryAwareness:
    """Tell me who is here."""


@dataclass(frozen=True, slots=True)
class Token:
    """Here is a fresh token for who I am."""

    token: str


type_of_sync = (SyncStep1, SyncStep2, Update)
Message = SyncStep1 | SyncStep2 | Update | Awareness | QueryAwareness | Token


def parse(frame: bytes) -> Message:
    """Read one websocket frame; raise MalformedFrame unless every byte is accounted for."""
    reader = wire.Reader(frame)
    message: Message
    match reader.var_uint():
        case MessageType.SYNC:
            message = type_of_sync[reader.var_uint(below=len(type_of_sync))](reader.var_bytes())
        case MessageType.AWARENESS:
            message = Awareness(reader.var_bytes())
        case MessageType.QUERY_AWARENESS:
            message = QueryAwareness()
        case MessageType.TOKEN:
            message = Token(reader.var_string())
        case other:
            raise MalformedFrame(f"a client sends no message of type {other}")
    reader.expect_end()
    return message


SYNC_STEP_1 = bytes((MessageType.SYNC, SyncType.STEP_1))
SYNC_STEP_2 = bytes((MessageType.SYNC, SyncType.STEP_2))
UPDATE = bytes((MessageType.SYNC, SyncType.UPDATE))
AWARENESS = bytes((MessageType.AWARENESS,))


def sync_step_1(state_vector: bytes) -> bytes:
    """Return the frame that asks for what `state_vector` lacks."""
    return SYNC_STEP_1 + wire.var_bytes(state_vector)


def sync_step_2(update: bytes) -> bytes:
    """Return the frame that answers a sync step 1."""
    return SYNC_STEP_2 + wire.var_bytes(update)


def update(update: bytes) -> bytes:
    """Return the frame that carries a change."""
    return UPDATE + wire.var_bytes(update)


def awareness(states: bytes) -> bytes:
    """Return the frame that carries an encoded awareness update."""
    return AWARENESS + wire.var_bytes(states)
