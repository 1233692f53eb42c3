"""`rooms.api`: the site's own code reads and edits rooms, with an event loop or without."""

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Array, Map, Text

from rooms import api, wire
from rooms.backend import backend
from rooms.entries import Entry
from rooms.errors import NoSuchRoom, RedisUnavailable, StoreUnavailable, Undecodable
from rooms.hub import Hub
from tests.integration.conftest import Configure
from tests.integration.peers import Peer, append_silently, eventually, settled, text_update
from tests.integration.stores import MemoryStore
from tests.support.processes import free_port
from tests.support.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent.parent
Seated = Callable[..., Awaitable[Peer]]
ROOM = "essay"

BLOCKS_EVERY_DOC = ["0101010004010174016100", "0102020004010178017a04000100017100"]
"""Together they merge, and then no document takes the merge."""


def nested_arrays(depth: int) -> bytes:
    """Return the update that nests `depth` shared arrays and deletes the outermost: building it overflows the stack."""
    inner = (b"\7\0\5" + wire.var_uint(parent) + b"\0" for parent in range(depth - 1))
    return b"\1" + wire.var_uint(depth) + b"\5\0" + b"\7\1\1t\0" + b"".join(inner) + b"\1\5\1\0\1"


def text_of(doc: Any) -> str:
    """Return a document's text."""
    return str(doc.get("text", type=Text))


@pytest.fixture(autouse=True)
async def closed_behind(hub: Hub) -> AsyncIterator[None]:
    """Close this loop's own backend, as asyncio.run does, though pytest's loop ends its generators too late."""
    yield
    found = await backend()
    await found.aclose()


class TestRead:
    """What a client would get that joins now."""

    async def test_a_room_nobody_wrote_to_is_empty(self) -> None:
        assert text_of(await api.read("unseen")) == ""

    async def test_it_has_everything_that_was_accepted(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, ROOM)
        peer.add("hello")
        await settled(peer)
        assert text_of(await api.read(ROOM)) == "hello"

    async def test_it_has_what_is_stored_too(self, hub: Hub) -> None:
        MemoryStore().save(ROOM, [Entry(text_update("stored", 9))], (await hub.backend.streams.head(ROOM)).last)
        assert text_of(await api.read(ROOM)) == "stored"

    async def test_a_name_means_the_room_that_a_url_means(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, "a b")
        peer.add("hello")
        await settled(peer)
        assert text_of(await api.read("a%20b")) == "hello"

    async def test_a_bad_name_is_refused(self) -> None:
        with pytest.raises(NoSuchRoom):
            await api.read("")

    async def test_a_store_that_fails_is_never_an_empty_document(self) -> None:
        MemoryStore.failing.add(ROOM)
        with pytest.raises(StoreUnavailable):
            await api.read(ROOM)


class TestEdit:
    """A change travels as any client's does."""

    async def test_it_reaches_everybody_on_every_server(self, hub: Hub, other_hub: Hub, seat: Seated) -> None:
        here, there = await seat(hub, ROOM), await seat(other_hub, ROOM)
        async with api.edit(ROOM) as doc:
            doc.get("text", type=Text).insert(0, "hello")
        await eventually(lambda: str(here.text) == str(there.text) == "hello")

    async def test_several_changes_are_one_entry(self, hub: Hub) -> None:
        async with api.edit(ROOM) as doc:
            doc["map"] = Map({"a": 1})
            doc["list"] = Array([1, 2, 3])
            del doc["list"][0]
        assert len((await hub.backend.streams.read(ROOM)).entries) == 1
        found = await api.read(ROOM)
        assert found.get("list", type=Array).to_py() == [2, 3]

    async def test_what_changes_nothing_appends_nothing(self, hub: Hub) -> None:
        async with api.edit(ROOM) as doc:
            text_of(doc)
        assert not (await hub.backend.streams.read(ROOM)).entries

    async def test_an_old_deletion_is_not_sent_again(self, hub: Hub) -> None:
        async with api.edit(ROOM) as doc:
            text = doc.get("text", type=Text)
            text.insert(0, "x" * 1000)
            del text[0:900]
        async with api.edit(ROOM) as doc:
            doc.get("text", type=Text).insert(0, "y")
        *_, (_, entry) = (await hub.backend.streams.read(ROOM)).entries
        assert len(entry.update) < 40

    async def test_an_exception_in_the_block_sends_nothing(self, hub: Hub) -> None:
        async def edit() -> None:
            async with api.edit(ROOM) as doc:
                doc.get("text", type=Text).insert(0, "hello")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await edit()
        assert not (await hub.backend.streams.read(ROOM)).entries

    async def test_edits_at_the_same_time_merge(self) -> None:
        async def edit(word: str) -> None:
            async with api.edit(ROOM) as doc:
                doc.get("text", type=Text).insert(0, word)
                await asyncio.sleep(0.01)

        await asyncio.gather(*(edit(word) for word in ("one ", "two ", "three ")))
        assert sorted(text_of(await api.read(ROOM)).split()) == ["one", "three", "two"]


class TestPoison:
    """What no document can be built from is refused, and the process lives."""

    async def test_updates_that_block_each_other(self, hub: Hub, redis_of: Any) -> None:
        append_silently(hub, redis_of, ROOM, *map(bytes.fromhex, BLOCKS_EVERY_DOC))
        with pytest.raises(Undecodable):
            await api.read(ROOM)
        with pytest.raises(Undecodable):
            async with api.edit(ROOM):
                pass

    async def test_a_deletion_that_overflows_the_stack(self, hub: Hub, redis_of: Any) -> None:
        append_silently(hub, redis_of, ROOM, nested_arrays(40_000))
        with pytest.raises(Undecodable):
            await api.read(ROOM)
        assert text_of(await api.read("another")) == ""


class TestSync:
    """The twins, for code without an event loop: one background loop for the process."""

    async def test_a_thread_edits_and_reads(self, hub: Hub, seat: Seated) -> None:
        peer = await seat(hub, ROOM)

        def edit() -> str:
            with api.edit_sync(ROOM) as doc:
                doc.get("text", type=Text).insert(0, "hello")
            return text_of(api.read_sync(ROOM))

        assert await asyncio.to_thread(edit) == "hello"
        await eventually(lambda: str(peer.text) == "hello")

    async def test_many_threads_share_one_loop(self) -> None:
        def edit(word: str) -> None:
            with api.edit_sync(ROOM) as doc:
                doc.get("text", type=Text).insert(0, word)

        await asyncio.gather(*(asyncio.to_thread(edit, f"{number} ") for number in range(8)))
        assert len(text_of(await api.read(ROOM)).split()) == 8
        assert len([thread for thread in threading.enumerate() if thread.name == "yredis"]) == 1

    async def test_an_exception_in_the_block_sends_nothing(self, hub: Hub) -> None:
        def edit() -> None:
            with api.edit_sync(ROOM) as doc:
                doc.get("text", type=Text).insert(0, "hello")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(edit)
        assert not (await hub.backend.streams.read(ROOM)).entries

    async def test_in_an_event_loop_it_is_refused(self) -> None:
        with pytest.raises(RuntimeError, match="await"):
            api.read_sync(ROOM)


SCRIPT = """
import asyncio, os, sys
import django
django.setup()
from pycrdt import Text
from rooms import api

async def main():
    async with api.edit("essay") as doc:
        doc.get("text", type=Text).insert(0, "async ")
    print(str((await api.read("essay")).get("text", type=Text)))

def text():
    return str(api.read_sync("essay").get("text", type=Text))
"""

IN_A_LOOP = "asyncio.run(main())"

IN_TWO_LOOPS = "asyncio.run(main()); asyncio.run(main())"

WITHOUT_A_LOOP = """
with api.edit_sync("essay") as doc:
    doc.get("text", type=Text).insert(0, "sync ")
print(text())
"""

AFTER_A_FORK = """
with api.edit_sync("essay") as doc:
    doc.get("text", type=Text).insert(0, "parent ")
child = os.fork()
if not child:
    with api.edit_sync("essay") as doc:
        doc.get("text", type=Text).insert(0, "child ")
    print(text(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(text())
"""


class TestScripts:
    """A script leaves nothing behind: no warning, no connection, no child."""

    @pytest.mark.parametrize(
        ("body", "printed"),
        [
            (IN_A_LOOP, ["async"]),
            (IN_TWO_LOOPS, ["async", "async async"]),
            (WITHOUT_A_LOOP, ["sync"]),
            (AFTER_A_FORK, ["child parent", "child parent"]),
        ],
        ids=["in a loop", "in two loops", "without a loop", "after a fork"],
    )
    def test_it_reads_what_it_wrote(
        self, valkey: Valkey, configure: Configure, body: str, printed: list[str], tmp_path: Path, sqlite_template: Path
    ) -> None:
        configure(valkey)
        shutil.copy(sqlite_template, tmp_path / "db.sqlite3")
        done = run_script(SCRIPT + body, valkey.url, tmp_path)
        assert (done.returncode, [line.strip() for line in done.stdout.splitlines()]) == (0, printed), done.stderr
        assert "Warning" not in done.stderr
        assert "Traceback" not in done.stderr

    def test_one_without_redis_says_so(self, tmp_path: Path) -> None:
        done = run_script(SCRIPT + IN_A_LOOP, f"redis://127.0.0.1:{free_port()}/0", tmp_path)
        assert done.returncode == 1
        assert RedisUnavailable.__name__ in done.stderr
        assert "ResourceWarning" not in done.stderr


def run_script(source: str, url: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a script that no other process outlives: whoever holds its pipes is waited for."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "yredis_project.settings",
        "DATA_DIR": str(folder),
        "YREDIS_REDIS_URL": url,
    }
    command = [sys.executable, "-X", "dev", "-c", source]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=False)
