"""What workers do to a room that people are in, or come back to: move it into the store, unnoticed."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rooms import names
from rooms.entries import Entry, encode
from rooms.redis_client import script
from tests.acceptance.conftest import StackMaker
from tests.support.clients import NodeClients, converge
from tests.support.databases import Database
from tests.support.notes import note
from tests.support.s3 import S3
from tests.support.servers import Asgi
from tests.support.stack import KEYS, Stack, room
from tests.support.workers import QUICK

POISON = bytes.fromhex("01010100020101748080808010013100")
"""A decoder takes it, and what is merged with it can't be decoded."""


@pytest.fixture(params=["sqlite", "postgres", "s3"])
def stored_stack(
    request: pytest.FixtureRequest, asgi: Asgi, tmp_path: Path, postgres_databases: Callable[[str], str]
) -> Iterator[Stack]:
    """An installation with a worker, for each place where segments can be."""
    env, database, file = dict(QUICK), "", None
    if request.param == "postgres":
        database = postgres_databases(f"worker_{asgi}")
    if request.param == "s3":
        s3: S3 = request.getfixturevalue("s3")
        env |= {**s3.site_env, "YREDIS_STORE": "persistence.stores.files.FileStore"}
        file = s3.read
    stack = Stack(tmp_path / "stack", asgi, workers=1, database=database, env=env)
    stack.database = Database(stack.database.url, file)
    with stack:
        yield stack


class TestRoundTrip:
    """Write, leave, come back."""

    async def test_what_was_written_is_read_from_the_store_after_every_round_and_after_flushall(
        self, stored_stack: Stack, node: NodeClients
    ) -> None:
        stack, name, expected = stored_stack, room("round"), ""
        for number, text in enumerate(["first ", "second ", "third "]):
            writer = await (await node.open(f"writer{number}", stack.urls[0], name)).synced()
            assert await writer.text() == expected
            await writer.insert(text)
            expected = await writer.text()
            await stack.drained(name, by=writer)
            await writer.do("close")
            with stack.redis() as client:
                assert not client.exists(KEYS.room(name))
            if number == 1:
                stack.valkey.flushall()
            reader = await (await node.open(f"reader{number}", stack.urls[1], name)).synced()
            assert await reader.text() == expected
            await reader.do("close")
        assert stack.database.stale_writes(name) == []

    async def test_two_servers_and_typists_notice_nothing_of_a_worker(
        self, stored_stack: Stack, node: NodeClients, seed: int
    ) -> None:
        stack, name = stored_stack, room("unnoticed")
        clients = [await node.open(f"c{n}", stack.urls[n % 2], name) for n in range(4)]
        await asyncio.gather(*(client.synced() for client in clients))
        await asyncio.gather(*(c.do("type", seed=seed + n, rate=10) for n, c in enumerate(clients)))
        await asyncio.sleep(4)
        typed = [await client.do("stopTyping") for client in clients]
        await converge(clients)
        await stack.drained(name, by=clients[0])
        fresh = await (await node.open("fresh", stack.urls[1], name)).synced()
        await converge([*clients, fresh])
        assert [(await client.info())["closes"] for client in clients] == [[]] * 4
        text = await fresh.text()
        assert [token for one in typed for token in one["kept"] if token not in text] == []
        assert await stack.judge(clients, fresh=fresh, seed=seed) == []
        assert len(stack.database.segments(name)) > 1


class TestJoins:
    """A worker may trim at any moment of a join."""

    @pytest.mark.parametrize("point", ["join.page", "join.stream", "join.store"])
    async def test_a_join_during_which_the_room_is_trimmed_is_complete(
        self, own_stack: StackMaker, node: NodeClients, point: str
    ) -> None:
        stack, name = own_stack(env=QUICK), room("trimmed")
        writer = await (await node.open("writer", stack.urls[0], name)).synced()
        for _ in range(20):  # more than one page
            await writer.insert("x" * 300_000)
        await writer.insert("end")
        await stack.accepted_from(writer)
        slow = stack.servers[1]
        slow.kill()
        slow.env = {**(slow.env or {}), "YREDIS_FAILPOINTS": f"{point}=sleep:4"}
        slow.launch()
        await asyncio.to_thread(slow.wait_ready)
        assert stack.entries(name) > 0
        joining = asyncio.create_task(self.join(node, slow.url, name))
        await asyncio.sleep(0.7)
        worker = stack.add_worker()
        await stack.drained(name, seconds=15)
        assert not joining.done(), "the room was to be trimmed while it was joined"
        assert await joining == await writer.text()
        worker.kill()

    async def join(self, node: NodeClients, url: str, name: str) -> str:
        """Return the text that a newcomer gets."""
        return await (await (await node.open("late", url, name)).synced(30)).text()


class TestFences:
    """A worker that stood still for longer than its lease comes back too late."""

    @pytest.mark.parametrize("point", ["worker.claimed", "worker.read", "worker.written"])
    async def test_what_a_stopped_worker_does_after_its_lease_is_rejected(
        self, own_stack: StackMaker, node: NodeClients, point: str
    ) -> None:
        stack, name = own_stack(env={**QUICK, "YREDIS_LEASE_SECONDS": "1"}), room("stopped")
        writer = await (await node.open("writer", stack.urls[0], name)).synced()
        late = stack.add_worker(failpoints=f"{point}=stop")
        await writer.insert("hello")
        await asyncio.to_thread(late.wait_stopped)
        assert stack.entries(name) == 1
        stack.add_worker()
        await stack.drained(name)
        before = stack.database.segments(name)
        late.thaw()
        if point == "worker.written":
            await self.says(late, "Too late for room")
        if point != "worker.claimed":  # then it finds nothing to read
            await self.says(late, "Lost the lease of room")
        await asyncio.sleep(1)
        assert stack.database.segments(name) == before
        await writer.insert(" again")
        await stack.drained(name, by=writer)
        fresh = await (await node.open("fresh", stack.urls[1], name)).synced()
        assert await stack.judge([writer], fresh=fresh) == []
        assert stack.database.stale_writes(name) == []

    async def says(self, worker: object, text: str) -> None:
        """Wait until something stands in a worker's log."""
        deadline = time.monotonic() + 10
        while not worker.says(text):  # type: ignore[attr-defined]
            assert time.monotonic() < deadline, f"no {text!r} in\n{worker.log_tail()}"  # type: ignore[attr-defined]
            await asyncio.sleep(0.05)


class TestPoison:
    async def test_a_healthy_room_does_not_wait_for_sixty_poisoned_ones(
        self, own_stack: StackMaker, node: NodeClients
    ) -> None:
        debounce = 2.0
        env = {"YREDIS_DEBOUNCE_SECONDS": str(debounce), "YREDIS_MAX_DELAY_SECONDS": "10"}
        stack, name = own_stack(workers=1, env=env), room("healthy")
        poisoned = [room("poisoned") for _ in range(60)]
        healthy = await (await node.open("healthy", stack.urls[0], name)).synced()
        with stack.redis() as client:
            for each in poisoned:
                append(client, each, encode(Entry(POISON)), milliseconds=round(debounce * 1000))
        await healthy.insert("hello")
        began = time.monotonic()
        await stack.drained(name, by=healthy, seconds=2 * debounce)
        note(f"a healthy room beside 60 poisoned ones was persisted after {time.monotonic() - began:.1f} s")
        await stack.drained(*poisoned, seconds=120)
        states = stack.database.ask("SELECT state, count(*) FROM yredis_rooms_room GROUP BY state ORDER BY state")
        assert states == [("ok", 1), ("quarantined", 60)]
        kept = stack.database.ask("SELECT data FROM yredis_persistence_quarantined")
        assert {bytes(data) for (data,) in kept} == {encode(Entry(POISON))}


def append(client: object, name: str, payload: bytes, *, milliseconds: int) -> None:
    """Append an entry that no server would."""
    keys = (KEYS.room(name), KEYS.head(name), KEYS.due_of(name))
    rest = (KEYS.bell(name), "epoch", milliseconds, names.key_part(name), 65536, "", 0, 0, payload)
    client.eval(script("append").source, 3, *keys, *rest)  # type: ignore[attr-defined]


class TestDamage:
    """A segment whose bytes are not those that were written (G6, G7)."""

    async def test_the_room_is_refused_with_the_reason_and_its_stream_is_kept(
        self, own_stack: StackMaker, node: NodeClients
    ) -> None:
        stack, name, other = own_stack(workers=1, env=QUICK), room("damaged"), room("sound")
        for each in (name, other):
            writer = await (await node.open(each, stack.urls[0], each)).synced()
            await writer.insert("hello")
            await stack.drained(each, by=writer)
            await writer.do("close")
        [good] = stack.database.segments(name)
        change = "UPDATE yredis_persistence_segment SET payload = ? WHERE id = ?"
        stack.database.ask(change, good.data[:-1] + b"!", good.pk)
        refused = await node.open("refused", stack.urls[1], name)
        await refused.wait(closed=1013)
        assert f"segment {good.pk}" in stack.database.room(name, "damage")
        assert stack.database.room(name, "state") == "failing"
        with stack.redis() as client:
            append(client, name, encode(Entry(b"\0\0")), milliseconds=0)
        sound = await (await node.open("sound", stack.urls[1], other)).synced()
        await sound.insert("other ")
        await stack.drained(other, by=sound)
        assert stack.entries(name) == 1
        stack.database.ask(change, good.data, good.pk)
        await refused.wait(synced=True, text="hello", seconds=30)
        await stack.drained(name)
        assert stack.database.room(name, "state") == "ok"


class TestStoreAway:
    """No trim without a store; all drains by itself when it is back."""

    async def test_a_frozen_s3_loses_nothing(self, own_stack: StackMaker, node: NodeClients, s3: S3, seed: int) -> None:
        env = {
            **QUICK,
            **s3.site_env,
            "YREDIS_STORE": "persistence.stores.files.FileStore",
            "YREDIS_STORE_TIMEOUT_SECONDS": "1",
        }
        stack, name = own_stack(workers=1, env=env), room("frozen")
        stack.database.file = lambda location: bytes(
            s3.client().get_object(Bucket=s3.bucket, Key=location)["Body"].read()
        )
        writer = await (await node.open("writer", stack.urls[0], name)).synced()
        await writer.insert("before ")
        await stack.drained(name, by=writer)
        s3.freeze()
        try:
            await writer.insert("meanwhile ")
            await stack.accepted_from(writer)
            late = await node.open("late", stack.urls[1], name)
            await late.wait(closed=1013)
            await asyncio.sleep(3)
            assert stack.entries(name) == 1
            assert stack.database.room(name, "state") == "failing"
            assert stack.database.room(name, "lag_seconds") > 0.5
        finally:
            s3.thaw()
        await stack.drained(name, seconds=40)
        await late.wait(synced=True, seconds=30)
        assert await late.text() == await writer.text()
        assert await stack.judge([writer], fresh=late, seed=seed) == []


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_a_worker_that_is_asked_to_end_under_load_finishes_and_loses_nothing(
        self, own_stack: StackMaker, node: NodeClients, number: signal.Signals, seed: int
    ) -> None:
        stack, name = own_stack(workers=2, env=QUICK), room("asked")
        writer = await (await node.open("writer", stack.urls[0], name)).synced()
        await writer.do("type", seed=seed, rate=30)
        for worker in stack.workers:
            await asyncio.sleep(1)
            assert worker.popen is not None
            worker.popen.send_signal(number)
            assert await asyncio.to_thread(worker.popen.wait, 20) == 0
            worker.launch()
        await writer.do("stopTyping")
        await stack.drained(name, by=writer)
        fresh = await (await node.open("fresh", stack.urls[1], name)).synced()
        await converge([writer, fresh])
        assert await stack.judge([writer], fresh=fresh, seed=seed) == []
