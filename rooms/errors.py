"""Every error raised on purpose, and the close codes that clients see.

YRedisError
├── ClientError             close this one socket with `close_code`
│   ├── MalformedFrame      4400  the bytes are not a message
│   ├── IdentityRefused     4401  who it is can't be told
│   ├── AccessDenied        4403  no grant for this room, or not for this deed
│   ├── NoSuchRoom          4404  the name can't name a room
│   ├── RoomDeleted         4410  the room is deleted
│   ├── TooBig              4413  over a size limit
│   └── TooMuch             4529  over a rate or a seat limit
├── RedisUnavailable        1013  Redis gave no answer, or refused: come back later
│   └── Unfinished          1013  it, or the store, failed when part was done (a StoreUnavailable too)
├── DecisionUnavailable     1013  nobody could tell who may enter
├── StoreUnavailable        1013  the store gave no answer, or a bad one
├── ComputeUnavailable      1013  no compute child could be had
├── Undecodable             1011  stored bytes that can't be decoded
│   └── LaterRelease              stored bytes that a later release can decode
├── Unmergeable             1011  a document that can't be one update unchanged
└── LayoutMismatch                Redis holds another layout: refuse to start
"""

from enum import IntEnum


class CloseCode(IntEnum):
    """Why a socket was closed. y-websocket stops for good on 4400-4499 and retries on all others."""

    INTERNAL_ERROR = 1011
    RESTARTING = 1012
    TRY_AGAIN_LATER = 1013
    MALFORMED = 4400
    IDENTITY = 4401
    NO_RIGHT = 4403
    NO_SUCH_ROOM = 4404
    DELETED = 4410
    TOO_BIG = 4413
    RIGHTS_CHANGED = 4503
    TOO_MUCH = 4529


class YRedisError(Exception):
    """Base of every error raised on purpose; `close_code` is what a socket hit by it closes with."""

    close_code = CloseCode.INTERNAL_ERROR


class ClientError(YRedisError):
    """The client is at fault: close its socket; nobody else is concerned."""


class MalformedFrame(ClientError):
    """The client sent bytes that aren't a message."""

    close_code = CloseCode.MALFORMED


class IdentityRefused(ClientError):
    """Who it is can't be told: a token that is missing, wrong or expired, or a session that ended."""

    close_code = CloseCode.IDENTITY


class AccessDenied(ClientError):
    """No grant for this room, or none for what the client tried."""

    close_code = CloseCode.NO_RIGHT


class NoSuchRoom(ClientError):
    """The name can't name a room: empty, too long, or with characters that can't be shown."""

    close_code = CloseCode.NO_SUCH_ROOM


class RoomDeleted(ClientError):
    """The room is deleted, or what it held was erased."""

    close_code = CloseCode.DELETED


class TooBig(ClientError):
    """A frame or a document over its size limit."""

    close_code = CloseCode.TOO_BIG


class TooMuch(ClientError):
    """Over a rate or a seat limit."""

    close_code = CloseCode.TOO_MUCH


class RedisUnavailable(YRedisError):
    """Redis gave no answer in time, or refused: whether it did what was asked is unknown."""

    close_code = CloseCode.TRY_AGAIN_LATER


class DecisionUnavailable(YRedisError):
    """What tells who may enter gave no answer in time, or a bad one: nobody enters."""

    close_code = CloseCode.TRY_AGAIN_LATER


class StoreUnavailable(YRedisError):
    """The store gave no answer in time or a bad one: never take that for an empty document."""

    close_code = CloseCode.TRY_AGAIN_LATER


class Unfinished(RedisUnavailable, StoreUnavailable):
    """Redis or the store failed when part of it was done, or perhaps all: the rest is still to come."""


class ComputeUnavailable(YRedisError):
    """No compute child could be started, or the server is stopping: this says nothing about the bytes."""

    close_code = CloseCode.TRY_AGAIN_LATER


class Undecodable(YRedisError):
    """Stored bytes that no decoder takes, or that killed the process which tried."""


class LaterRelease(Undecodable):
    """Stored bytes of a later release, which runs beside this one: leave them to it."""


class Unmergeable(YRedisError):
    """Several updates that would change if they were merged: take them as they are, as rooms.api.copy does."""


class LayoutMismatch(YRedisError):
    """Redis holds keys of another layout version or number of shards."""
