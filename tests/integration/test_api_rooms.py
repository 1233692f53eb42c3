"""`rooms.api`: rooms that begin with content, who is in them, and all that there are."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from django.utils import timezone
from pycrdt import Array, Map, Text, XmlElement, XmlFragment, XmlText
from redis.asyncio.client import Pipeline

from rooms import api, pool
from rooms.api.creating import Fill
from rooms.backend import backend
from rooms.documents import Documents
from rooms.entries import Entry
from rooms.errors import NoSuchRoom, StoreUnavailable, TooBig
from rooms.hub import Hub
from rooms.models import Room
from tests.integration.peers import Peer, eventually, settled, text_update
from tests.integration.stores import MemoryStore

Seated = Callable[..., Awaitable[Peer]]
ROOM = "essay"
BIGINT = bytes.fromhex("010107002801016d016b017a7fffffffffffffff00")
"""Something that pycrdt can't write again."""


def typing(text: str) -> Fill:
    """Return what fills a document with a text."""

    def fill(document: Any) -> None:
        document.get("text", type=Text).insert(0, text)

    return fill


def never(document: Any) -> None:
    """Fail: nothing is to be filled."""
    raise AssertionError("called for a room that has content")


@pytest.fixture(autouse=True)
async def closed_behind(hub: Hub) -> AsyncIterator[None]:
    """Close this loop's own backend, as asyncio.run does, though pytest's loop ends its generators too late."""
    yield
    found = await backend()
    await found.aclose()


class TestSeed:
    async def test_a_new_room_has_the_content_then(self, hub: Hub) -> None:
        assert await api.seed(ROOM, typing("once"))
        assert await api.text(ROOM, "text") == "once"

    async def test_it_reaches_who_has_the_empty_room_open(self, hub: Hub, other_hub: Hub, seat: Seated) -> None:
        peers = [await seat(hub, ROOM), await seat(other_hub, ROOM)]
        assert await api.seed(ROOM, typing("once"))
        for peer in peers:
            await eventually(lambda peer=peer: str(peer.text) == "once")

    async def test_of_many_at_once_one_does(self, hub: Hub) -> None:
        answers = await asyncio.gather(*(api.seed(ROOM, typing("once")) for _ in range(50)))
        assert sum(answers) == 1
        assert await api.text(ROOM, "text") == "once"

    async def test_a_room_with_content_is_left_alone_and_nothing_is_filled(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, ROOM)
        peer.add("theirs")
        await settled(peer)
        assert not await api.seed(ROOM, never)
        assert await api.text(ROOM, "text") == "theirs"

    async def test_a_room_that_is_only_in_the_store_too(self, hub: Hub) -> None:
        MemoryStore().save(ROOM, [Entry(text_update("stored", 9))], (await hub.backend.streams.head(ROOM)).last)
        assert not await api.seed(ROOM, never)

    async def test_whoever_writes_meanwhile_is_first(
        self, hub: Hub, seat: Seated, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        peer, look, looks = await seat(hub, ROOM), Documents.exist, list[bool]()

        async def slow(documents: Documents, room: str) -> bool:
            looks.append(await look(documents, room))
            if len(looks) == 2:  # the room is new; it was looked into the store
                peer.add("theirs")
                await settled(peer)
            return looks[-1]

        monkeypatch.setattr(Documents, "exist", slow)
        assert not await api.seed(ROOM, typing("ours"))
        assert looks == [False, False]
        assert await api.text(ROOM, "text") == "theirs"

    async def test_what_was_persisted_before_redis_was_emptied_meanwhile_counts(
        self, hub: Hub, redis_of: "redis.Redis", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Somebody writes, a worker persists it, Redis is emptied: all between our look at the store and our append."""
        look, looks = Documents.exist, list[bool]()

        async def overtaken(documents: Documents, room: str) -> bool:
            looks.append(await look(documents, room))
            if len(looks) == 2:
                MemoryStore().save(ROOM, [Entry(text_update("theirs", 9))], (await hub.backend.streams.head(ROOM)).last)
                redis_of.flushall()
            return looks[-1]

        monkeypatch.setattr(Documents, "exist", overtaken)
        assert not await api.seed(ROOM, typing("ours"))
        assert looks == [False, False, True]

    async def test_a_store_that_does_not_answer_is_no_new_room(self, hub: Hub) -> None:
        MemoryStore.failing.add(ROOM)
        with pytest.raises(StoreUnavailable):
            await api.seed(ROOM, never)
        assert (await hub.backend.streams.read(ROOM)).entries == []

    async def test_with_nothing_it_is_a_mistake(self, hub: Hub) -> None:
        with pytest.raises(ValueError, match="nothing"):
            await api.seed(ROOM, lambda document: None)
        assert not await api.exists(ROOM)

    async def test_after_an_exception_nothing_is_sent(self, hub: Hub) -> None:
        with pytest.raises(AssertionError):
            await api.seed(ROOM, never)
        assert await api.seed(ROOM, typing("once"))

    async def test_a_seeded_room_is_due(self, hub: Hub, redis_of: "redis.Redis") -> None:
        await api.seed(ROOM, typing("once"))
        assert redis_of.zscore(hub.backend.keys.due_of(ROOM), ROOM)

    async def test_views_and_scripts_do_it_in_their_own_thread(self, hub: Hub) -> None:
        threads = []

        def fill(document: Any) -> None:
            threads.append(asyncio._get_running_loop())
            typing("once")(document)

        assert await asyncio.to_thread(api.seed_sync, ROOM, fill)
        assert not await asyncio.to_thread(api.seed_sync, ROOM, never)
        assert threads == [None]
        assert await asyncio.to_thread(api.text_sync, ROOM, "text") == "once"


class TestExists:
    async def test_from_the_first_update_on(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, ROOM)
        await peer.sync()
        assert not await api.exists(ROOM)
        peer.add("x")
        await settled(peer)
        assert await api.exists(ROOM)
        assert await asyncio.to_thread(api.exists_sync, ROOM)

    async def test_a_bad_name_is_refused(self) -> None:
        with pytest.raises(NoSuchRoom):
            await api.exists("")


class TestCopy:
    async def test_the_copy_goes_on_by_itself(self, hub: Hub) -> None:
        await api.seed(ROOM, typing("once"))
        assert await api.copy(ROOM, "copy")
        async with api.edit("copy") as document:
            document.get("text", type=Text).insert(0, "more than ")
        assert [await api.text(room, "text") for room in (ROOM, "copy")] == ["once", "more than once"]

    async def test_what_can_not_be_merged_comes_as_it_was_sent(self, hub: Hub) -> None:
        services = await backend()
        await services.lane.append_and_wait(ROOM, Entry(text_update("once", 9)))
        await services.lane.append_and_wait(ROOM, Entry(BIGINT, verbatim=True))
        assert await api.copy(ROOM, "copy")
        copied = await services.documents.load("copy")
        assert (copied.verbatim, copied.known) == ((BIGINT,), (await services.documents.load(ROOM)).known)

    async def test_more_than_goes_at_once_is_refused(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("rooms.api.creating.BATCH_ENTRIES", 1)
        services = await backend()
        await services.lane.append_and_wait(ROOM, Entry(text_update("once", 9)))
        await services.lane.append_and_wait(ROOM, Entry(BIGINT, verbatim=True))
        with pytest.raises(TooBig):
            await api.copy(ROOM, "copy")
        assert not await api.exists("copy")

    async def test_nothing_is_written_over_and_nothing_is_no_copy(self, hub: Hub) -> None:
        await api.seed(ROOM, typing("once"))
        await api.seed("other", typing("theirs"))
        assert not await asyncio.to_thread(api.copy_sync, ROOM, "other")
        assert not await api.copy("nowhere", "copy")
        assert not await api.exists("copy")
        assert await api.text("other", "text") == "theirs"


class TestContent:
    async def test_as_text_json_and_xml(self, hub: Hub) -> None:
        async with api.edit(ROOM) as document:
            options, todo = document.get("options", type=Map), document.get("todo", type=Array)
            options["colour"], options["sizes"] = "green", Array([1, 2])
            todo.append(Map({"what": Text("sleep"), "done": False}))
            paragraph = XmlElement("p", {"class": "first"})
            document.get("page", type=XmlFragment).children.append(paragraph)
            paragraph.children.append(XmlText("a < b"))
        assert await api.json(ROOM, "options") == {"colour": "green", "sizes": [1, 2]}
        assert await api.json(ROOM, "todo", Array) == [{"what": "sleep", "done": False}]
        assert await api.xml(ROOM, "page") == '<p class="first">a < b</p>'
        assert await api.json(ROOM, "nothing") == {}
        assert await asyncio.to_thread(api.json_sync, ROOM, "options") == {"colour": "green", "sizes": [1, 2]}
        assert await asyncio.to_thread(api.xml_sync, ROOM, "page") == '<p class="first">a < b</p>'


class TestAwareness:
    async def test_who_shows_themselves_on_any_server(self, hub: Hub, other_hub: Hub, seat: Seated) -> None:
        ada, bob = await seat(hub, ROOM, user_id="ada"), await seat(other_hub, ROOM)
        ada.show(7, 1, '{"user": {"name": "Ada"}}')
        bob.show(8, 1, "{}")
        await eventually(lambda: ada.sees(8) and bob.sees(7))
        found = sorted(await api.awareness(ROOM), key=lambda one: one.client_id)
        assert [(one.client_id, one.user_id, one.state) for one in found] == [
            (7, "ada", {"user": {"name": "Ada"}}),
            (8, None, {}),
        ]
        assert [one.server_id for one in found] == [hub.server_id, other_hub.server_id]
        await ada.leave()
        await eventually(lambda: not bob.sees(7))
        assert [one.client_id for one in await asyncio.to_thread(api.awareness_sync, ROOM)] == [8]


@pytest.mark.django_db(transaction=True)
class TestRooms:
    async def test_persisted_ones_and_those_only_in_redis(self, hub: Hub, seat: Seated) -> None:
        at = timezone.now()
        await pool.run(lambda: Room.objects.create(name="kept", snapshot_bytes=70, delta_bytes=7, last_persisted_at=at))
        peer = await seat(hub, "new/ünï")
        peer.add("hello")
        peer.show(7, 1, "{}")
        await settled(peer)
        await eventually(lambda: peer.sees(7))
        kept, new = [listed async for listed in api.rooms()]
        assert (kept.name, kept.stored_bytes, kept.waiting_entries, kept.waiting_bytes) == ("kept", 77, 0, 0)
        assert (kept.clients, kept.last_edited_at, kept.last_persisted_at) == (0, None, at)
        assert (new.name, new.stored_bytes, new.waiting_entries, new.clients) == ("new/ünï", 0, 1, 1)
        assert new.waiting_bytes > 50
        assert abs((datetime.now(UTC) - (new.last_edited_at or at)).total_seconds()) < 5
        assert new.last_persisted_at is None

    async def test_pages_of_them_are_few_questions(
        self, hub: Hub, monkeypatch: pytest.MonkeyPatch, redis_of: "redis.Redis"
    ) -> None:
        monkeypatch.setattr("rooms.api.listing.PAGE", 10)
        await pool.run(lambda: Room.objects.bulk_create(Room(name=f"room-{number:03}") for number in range(35)))
        await backend()
        redis_of.script_flush()
        asked, execute = list[int](), Pipeline.execute

        async def counted(pipeline: Any, *args: Any, **options: Any) -> Any:
            asked.append(len(pipeline.command_stack))
            return await execute(pipeline, *args, **options)

        monkeypatch.setattr(Pipeline, "execute", counted)
        assert [listed.name async for listed in api.rooms()] == [f"room-{number:03}" for number in range(35)]
        assert asked == [10, 9, 10, 10, 5]  # of the first page all but one again: Redis did not know the script
        assert len(await asyncio.to_thread(lambda: list(api.rooms_sync()))) == 35
