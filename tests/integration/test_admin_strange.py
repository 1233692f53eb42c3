"""The admin with documents and people that no editor makes: small ones that would fill a page, and exact exports."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pycrdt import Doc, Map, Text

from rooms import api, awareness, documents, pool
from rooms.backend import backend
from rooms.background import run
from rooms.entries import Entry
from rooms.models import Room
from tests.integration.admin_deeds import ROOMS, noted, staff
from tests.integration.conftest import Configure, Serve
from tests.integration.peers import Peer, eventually, text_update
from tests.integration.test_api_rooms import BIGINT
from tests.support.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)

CONTENT_JSON = b'\1\1\1\0\2\1\1a\1\7{"a":1}\0'
"""A value as Yjs once wrote it, which pycrdt can't read."""

Seated = Callable[..., Awaitable[Peer]]

MOST_PAGE_BYTES = 300_000
MOST_SECONDS = 2.0


@pytest.fixture(autouse=True)
def site(valkey: Valkey, configure: Configure) -> None:
    """A site with a Redis, and a store in the test's database."""
    configure(valkey, STORE="persistence.stores.database.DatabaseStore")


def room_of(*entries: Entry) -> Room:
    """Return a room with these entries."""

    async def append() -> None:
        for entry in entries:
            await (await backend()).lane.append_and_wait("essay", entry)

    run(append())
    return Room.objects.get_or_create(name="essay")[0]


def page_of(room: Room) -> Any:
    """Return the response with a room's page."""
    return staff("view_room").get(f"{ROOMS}{room.pk}/change/")


def exported(room: Room, ending: str) -> Any:
    """Return the response to an export."""
    data = {"action": "export", "_selected_action": [room.pk], "confirmed": "1", "deed-format": ending}
    return staff("view_room", "export_room").post(ROOMS, data, follow=True)


def long_format(document: Any) -> None:
    """Give a text one long format, and 10,000 short ones within it."""
    text = document.get("t", type=Text)
    text += "x" * 20_000
    with document.transaction():
        text.format(0, 20_000, {"a": "y" * 5_000})
        for start in range(0, 20_000, 2):
            text.format(start, start + 1, {"b": True})


def long_names(document: Any) -> None:
    """Make many roots whose names differ at the end."""
    for number in range(60):
        document.get("n" * 100_000 + str(number), type=Map)["a"] = number


def quotes(document: Any) -> None:
    """Fill every root that is shown with what HTML spells longest."""
    for number in range(60):
        document.get(f"root-{number}", type=Text).insert(0, '"' * 20_000)


class TestPage:
    @pytest.mark.parametrize("fill", [long_format, long_names, quotes])
    def test_no_document_makes_a_large_page_or_a_slow_one(self, fill: Callable[[Any], None]) -> None:
        document: Doc[Any] = Doc()
        fill(document)
        room = room_of(Entry(document.get_update()))
        staff("view_room").get(ROOMS)  # what the first page of a process has to load is not its document's
        begin = time.monotonic()
        page = page_of(room)
        assert time.monotonic() - begin < MOST_SECONDS
        assert 'class="yredis-document"' in page.text
        assert len(page.content) < MOST_PAGE_BYTES

    def test_what_a_child_tells_at_too_great_length_is_not_believed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(documents, "MOST_PREVIEW_BYTES", 10)
        assert "more than a page can show" in page_of(room_of(Entry(text_update("hello", 7)))).text


class TestExport:
    @pytest.mark.parametrize("update", [BIGINT, CONTENT_JSON])
    def test_an_update_that_is_kept_as_it_was_sent_comes_out_as_it_was_sent(self, update: bytes) -> None:
        assert exported(room_of(Entry(update, verbatim=True)), "bin").content == update

    @pytest.mark.parametrize("other", [Entry(text_update("hello", 9)), Entry(CONTENT_JSON, verbatim=True)])
    def test_what_can_not_be_one_update_without_a_change_is_refused(self, other: Entry) -> None:
        page = exported(room_of(Entry(BIGINT, verbatim=True), other), "bin").text
        assert "it can&#x27;t be made one update without changing them" in page
        assert noted() == []

    def test_it_can_be_read_all_the_same(self) -> None:
        room = room_of(Entry(BIGINT, verbatim=True), Entry(text_update("hello", 9)))
        assert json.loads(exported(room, "json").content)["text"]["content"] == [{"insert": "hello"}]


class TestPeople:
    @pytest.mark.parametrize("name", ["[" * 60 + "]" * 60, "5", "null", '{"a": "b"}'])
    async def test_a_name_that_is_no_text_is_none(self, serve: Serve, seat: Seated, name: str) -> None:
        assert "? (user " in await self.page_with(await seat(await serve(), "essay"), f'{{"user":{{"name":{name}}}}}')

    @pytest.mark.parametrize("depth", [100, 900])
    async def test_what_an_earlier_release_took_fills_no_stack(
        self, serve: Serve, seat: Seated, monkeypatch: pytest.MonkeyPatch, depth: int
    ) -> None:
        peer = await seat(await serve(), "essay")
        monkeypatch.setattr(awareness, "MAX_DEPTH", 1000)
        peer.show(7, 1, '{"user":{"name":' + "[" * depth + "]" * depth + "}}")
        await eventually(lambda: peer.sees(7))
        monkeypatch.undo()
        [one] = await api.awareness("essay")
        assert (one.client_id, one.state) == (7, None)

    @staticmethod
    async def page_with(peer: Peer, state: str) -> str:
        """Return the page of a peer's room while it shows a state."""
        peer.show(7, 1, state)
        await eventually(lambda: peer.sees(7))
        response = await pool.run(lambda: page_of(Room.objects.create(name="essay")))
        return str(response.content.decode())
