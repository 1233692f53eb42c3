"""`rooms.api`: a room as one update, and a room that begins with one."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pycrdt import Doc, Text

from rooms import api
from rooms.entries import Entry
from rooms.errors import MalformedFrame, NoSuchRoom, Undecodable, Unmergeable
from rooms.hub import Hub
from tests.integration.peers import Peer, eventually, settled, text_update
from tests.integration.test_api import nested_arrays
from tests.integration.test_api_rooms import BIGINT, closed_behind, typing

__all__ = ["closed_behind"]

pytestmark = pytest.mark.django_db(transaction=True)

Seated = Callable[..., Awaitable[Peer]]
ROOM = "essay"


def parts() -> list[bytes]:
    """Return an update; then one that goes on, one by another client within the first, and one with a later BigInt."""
    document, other = Doc[Any](client_id=1), Doc[Any](client_id=2)
    text = document.get("text", type=Text)
    text += "hello"
    first, seen = document.get_update(), document.get_state()
    other.apply_update(first)
    text += " world"
    other.get("text", type=Text).insert(2, "-")
    return [first, document.get_update(seen), other.get_update(seen), BIGINT.replace(b"\x07\0\x28", b"\x07\1\x28")]


class TestSnapshot:
    async def test_it_is_the_whole_document(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, ROOM)
        for text in ("one ", "two "):
            peer.add(text)
            await settled(peer)
        document: Doc[Any] = Doc()
        document.apply_update(await api.snapshot(ROOM))
        assert str(document.get("text", type=Text)) == str(peer.text)

    async def test_of_a_new_room_it_is_an_update_without_content(self, hub: Hub) -> None:
        assert await api.snapshot(ROOM) == b"\0\0"

    async def test_what_is_kept_as_it_was_sent_is_in_it(self, hub: Hub) -> None:
        await hub.backend.lane.append_and_wait(ROOM, Entry(BIGINT, verbatim=True))
        assert await api.seed("other", await api.snapshot(ROOM))
        assert await api.json("other", "m") == await api.json(ROOM, "m") != {}
        assert await api.snapshot(ROOM) == BIGINT

    async def test_what_can_not_be_one_update_without_a_change_is_refused(self, hub: Hub) -> None:
        for entry in (Entry(BIGINT, verbatim=True), Entry(text_update("hello", 9))):
            await hub.backend.lane.append_and_wait(ROOM, entry)
        with pytest.raises(Unmergeable):
            await api.snapshot(ROOM)

    async def test_what_is_no_name_is_refused(self, hub: Hub) -> None:
        with pytest.raises(NoSuchRoom):
            await api.snapshot("")


class TestSeed:
    async def test_a_room_begins_with_an_update(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, ROOM)
        assert await api.seed(ROOM, text_update("hello", 7))
        await eventually(lambda: str(peer.text) == "hello")
        assert not await api.seed(ROOM, text_update("again", 8))

    async def test_what_can_not_be_written_again_is_kept_as_it_is(self, hub: Hub) -> None:
        assert await api.seed(ROOM, BIGINT)
        [(_, entry)] = (await hub.backend.streams.read(ROOM)).entries
        assert (entry.update, entry.verbatim) == (BIGINT, True)

    @pytest.mark.parametrize("update", [b"", b"\0", b"<html>", text_update("hello", 7)[:-1]])
    async def test_what_is_no_update_is_refused(self, hub: Hub, update: bytes) -> None:
        with pytest.raises(MalformedFrame):
            await api.seed(ROOM, update)
        assert not await api.exists(ROOM)

    async def test_an_update_without_content_is_refused(self, hub: Hub) -> None:
        with pytest.raises(ValueError, match="seeded with nothing"):
            await api.seed(ROOM, b"\0\0")

    @pytest.mark.parametrize("number", [1, 2, 3])
    async def test_an_update_that_needs_others_is_refused(self, hub: Hub, number: int) -> None:
        with pytest.raises(ValueError, match="needs others"):
            await api.seed(ROOM, parts()[number])
        assert not await api.exists(ROOM)
        assert await api.seed(ROOM, parts()[0])

    async def test_one_that_kills_a_decoder_is_refused_and_the_next_is_not(self, hub: Hub) -> None:
        with pytest.raises(Undecodable):
            await api.seed(ROOM, nested_arrays(100_000))
        assert await api.seed(ROOM, typing("hello"))
