"""What is in a room, as plain text, as what JSON can hold, or as one update."""

from typing import Any

from pycrdt import Array, Map, Text, XmlFragment

from rooms import background, names
from rooms.api.editing import read
from rooms.backend import backend


async def text(room: str, name: str) -> str:
    """Return the text that editors know by `doc.getText(name)`, without its formats.

    Raises:
        NoSuchRoom, RedisUnavailable, StoreUnavailable, Undecodable: as `read`.
    """
    return str((await read(room)).get(name, type=Text))


async def json(room: str, name: str, type: type[Map[Any]] | type[Array[Any]] = Map) -> Any:  # noqa: A002  # as pycrdt's
    """Return what is in `doc.getMap(name)`, or with `Array` in `doc.getArray(name)`; shared types in it as well.

    Raises:
        NoSuchRoom, RedisUnavailable, StoreUnavailable, Undecodable: as `read`.
        ValueError: there is XML in it.
    """
    return (await read(room)).get(name, type=type).to_py()


async def xml(room: str, name: str) -> str:
    """Return the XML that ProseMirror's and TipTap's bindings keep in `doc.getXmlFragment(name)`.

    Raises:
        NoSuchRoom, RedisUnavailable, StoreUnavailable, Undecodable: as `read`.
    """
    return str((await read(room)).get(name, type=XmlFragment))


async def snapshot(room: str) -> bytes:
    """Return a room's whole document as one update, for `Y.applyUpdate`, `pycrdt.Doc.apply_update` or `seed`.

    It is what a client gets that joins, deleted text included, and no value is another in it.

    Raises:
        NoSuchRoom, RoomDeleted, RedisUnavailable, StoreUnavailable: as `read`.
        Undecodable: stored bytes that can't be decoded.
        Unmergeable: there are several updates, and one of them has what can only be kept as it was sent, a BigInt say:
            `copy` gives another room all of them.
    """
    services, name = await backend(), names.canonical(room)
    await services.policies.open(name)
    return await services.documents.whole(await services.documents.load(name))


def snapshot_sync(room: str) -> bytes:
    """Do as `snapshot`, in code without an event loop."""
    return background.run(snapshot(room))


def text_sync(room: str, name: str) -> str:
    """Do as `text`, in code without an event loop."""
    return background.run(text(room, name))


def json_sync(room: str, name: str, type: type[Map[Any]] | type[Array[Any]] = Map) -> Any:  # noqa: A002  # as pycrdt's
    """Do as `json`, in code without an event loop."""
    return background.run(json(room, name, type))


def xml_sync(room: str, name: str) -> str:
    """Do as `xml`, in code without an event loop."""
    return background.run(xml(room, name))
