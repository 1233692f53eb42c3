"""The same on a Redis Cluster of one node: keys of a room share a slot, channels are sharded."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from persistence.services import connected as services_of_a_worker
from rooms.backend import Backend
from rooms.entries import Entry
from rooms.hub import Hub
from rooms.sampler import Sampler
from rooms.survey import survey
from tests.integration.conftest import Configure, connected
from tests.integration.peers import Peer, agree, eventually, settled
from tests.integration.persisting import KEYS, work_once
from tests.integration.test_queue import Site
from tests.support.processes import free_port
from tests.support.valkey import Valkey

Seated = Callable[..., Awaitable[Peer]]
NAMES = ["essay", "ünï/cödé", "a{b}", "a:b", *map(str, range(20))]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey that is a cluster by itself."""
    folder: Path = tmp_path_factory.mktemp("cluster")
    config = {"cluster-enabled": "yes", "cluster-config-file": str(folder / "nodes.conf")}
    server = Valkey(folder, **config, **{"cluster-port": str(free_port())})
    server.start()
    with server.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO", NEVER_DECODE=True):
            pass
    yield server
    server.kill()


@pytest.fixture
async def hubs(cluster: Valkey, configure: Configure) -> AsyncIterator[tuple[Hub, Hub]]:
    """Two servers on the cluster."""
    configure(cluster)
    async with contextlib.AsyncExitStack() as stack:
        opened = []
        for _ in range(2):
            backend = await Backend.open()
            stack.push_async_callback(backend.aclose)
            opened.append(Hub(backend))
            await opened[-1].start()
            stack.push_async_callback(opened[-1].aclose)
        yield opened[0], opened[1]


async def test_it_is_known_to_be_one(hubs: tuple[Hub, Hub]) -> None:
    assert hubs[0].backend.client.is_cluster


@pytest.mark.parametrize("name", NAMES[:4])
async def test_two_servers_share_a_room(hubs: tuple[Hub, Hub], seat: Seated, name: str) -> None:
    here, there = await seat(hubs[0], name), await seat(hubs[1], name)
    here.add("a")
    await eventually(lambda: str(there.text) == "a")
    there.add("b")
    await eventually(lambda: agree(here, there) and str(here.text) == "ab")


async def test_entries_of_rooms_in_many_slots_go_in_one_tick(hubs: tuple[Hub, Hub]) -> None:
    backend = hubs[0].backend
    for appended in [backend.lane.append_and_wait(name, Entry(name.encode())) for name in NAMES]:
        await appended
    for name in NAMES:
        [(_, entry)] = (await backend.streams.read(name)).entries
        assert entry.update == name.encode()


async def test_the_heads_of_rooms_in_many_slots_are_read_together(hubs: tuple[Hub, Hub]) -> None:
    backend = hubs[0].backend
    for name in NAMES:
        await backend.lane.append_and_wait(name, Entry(b"x"))
    readings = await backend.streams.heads(NAMES)
    assert all(reading is not None and reading.head.epoch for reading in readings)


async def test_cursors_are_seen_and_go(hubs: tuple[Hub, Hub], seat: Seated) -> None:
    here, there = await seat(hubs[0], "essay"), await seat(hubs[1], "essay")
    here.show(7, 1, "{}")
    await eventually(lambda: there.sees(7))
    assert (await seat(hubs[1], "essay")).sees(7) == b"{}"
    await here.leave()
    await eventually(lambda: there.sees(7) is None)


async def test_servers_hear_of_each_other(hubs: tuple[Hub, Hub], cluster: Valkey) -> None:
    with cluster.client() as client:
        found = client.hkeys(hubs[0].backend.keys.servers)
    assert {name.decode() for name in found} == {hub.server_id for hub in hubs}


async def test_a_whole_cluster_is_looked_at(hubs: tuple[Hub, Hub]) -> None:
    backend = hubs[0].backend
    for name in NAMES:
        await backend.lane.append_and_wait(name, Entry(b"x"))
    await Sampler(backend.client, backend.keys, backend.conf).sample()
    found = await survey(backend.client, backend.keys, backend.conf)
    assert (len(found.servers), found.backlog.waiting, found.unanswered) == (2, len(NAMES), 0)
    assert found.history.samples[-1][1].backlog == len(NAMES)
    assert found.memory is not None
    assert found.memory.used_bytes > 0


async def test_a_broken_subscription_is_renewed(hubs: tuple[Hub, Hub], seat: Seated, cluster: Valkey) -> None:
    here, there = await seat(hubs[0], "essay"), await seat(hubs[1], "essay")
    with cluster.client() as client:
        client.client_kill_filter(_type="pubsub")
    here.add("a")
    await eventually(lambda: str(there.text) == "a")


async def test_scripts_that_were_forgotten_are_sent_again(hubs: tuple[Hub, Hub], seat: Seated, cluster: Valkey) -> None:
    peer = await seat(hubs[0], "essay")
    with cluster.client() as client:
        client.script_flush()
    peer.add("a")
    await settled(peer)
    assert len((await hubs[0].backend.streams.read("essay")).entries) == 1


async def test_a_room_left_and_entered_again_at_once_is_heard(hubs: tuple[Hub, Hub], seat: Seated) -> None:
    """In a cluster the end of a subscription can mean that its slot moves; this one does not."""
    witness = await seat(hubs[1], "other")
    peer = await seat(hubs[0], "essay")
    await peer.leave()
    hubs[0]._close_if_empty(hubs[0].rooms["essay"])
    again, there = await seat(hubs[0], "essay"), await seat(hubs[1], "essay")
    there.add("a")
    await eventually(lambda: str(again.text) == "a")
    assert witness.code is None


class TestQueue:
    """Workers on a cluster."""

    @pytest.fixture
    async def site(self, cluster: Valkey, configure: Configure) -> AsyncIterator[Site]:
        """A queue in which every room is due as soon as it is written to."""
        settings = configure(cluster, DEBOUNCE_SECONDS=0, MAX_DELAY_SECONDS=60, LEASE_SECONDS=30)
        async with connected(settings) as found:
            yield Site(found)

    async def test_rooms_of_all_shards_are_claimed_in_one_round_trip(self, site: Site) -> None:
        for name in NAMES:
            await site.write(name)
        claims = await site.claimed()
        assert {claim.room for claim in claims} == set(NAMES)
        assert len({claim.shard for claim in claims}) > 5
        assert await site.queue.renew(claims) == set()
        assert await site.claimed() == []

    async def test_what_is_persisted_is_trimmed_and_what_is_not_comes_again(self, site: Site, cluster: Valkey) -> None:
        for name in NAMES:
            await site.write(name)
        claims = {claim.room: claim for claim in await site.claimed()}
        for name in NAMES[1:]:
            assert await site.persisted(claims[name])
        assert await site.queue.release(claims[NAMES[0]])
        with cluster.client() as client:
            assert client.exists(site.keys.room(NAMES[0]))
            assert not any(client.exists(site.keys.room(name)) for name in NAMES[1:])
        assert [claim.room for claim in await site.claimed()] == [NAMES[0]]

    async def test_a_sweep_finds_entries_without_a_task_on_every_node(self, site: Site, cluster: Valkey) -> None:
        for name in NAMES:
            await site.write(name)
        with cluster.client() as client:
            for shard in range(16):
                client.delete(site.keys.due(shard))
        assert await site.claimed() == []
        assert await site.queue.sweep() == len(NAMES)
        assert {claim.room for claim in await site.claimed()} == set(NAMES)

    async def test_after_a_loss_the_fence_is_raised_and_one_worker_sweeps(self, site: Site) -> None:
        room = NAMES[0]
        await site.write(room)
        [claim] = await site.claimed()
        await site.queue.raise_fence(claim.shard, 1000)
        await site.queue.release(claim)
        assert [again.fence for again in await site.claimed()] == [1001]
        assert [await site.queue.is_my_turn_to_sweep(60) for _ in range(2)] == [True, False]


@contextlib.asynccontextmanager
async def server() -> AsyncIterator[Hub]:
    """A server of now."""
    backend = await Backend.open()
    hub = Hub(backend)
    try:
        yield hub
    finally:
        await hub.aclose()
        await backend.aclose()


@pytest.mark.django_db(transaction=True)
async def test_a_worker_persists_and_a_server_reads_it_from_the_store(
    seat: Seated, cluster: Valkey, configure: Configure
) -> None:
    configure(cluster, STORE="persistence.stores.database.DatabaseStore", DEBOUNCE_SECONDS=0)
    async with server() as hub:
        for name in NAMES:
            writer = await seat(hub, name)
            writer.add("a")
            await settled(writer)
            await writer.leave()
    async with services_of_a_worker() as services:
        assert await work_once(services) == 0
    with cluster.client() as client:
        assert not any(client.exists(KEYS.room(name)) for name in NAMES)
    async with server() as late:
        for name in NAMES:
            reader = await (await seat(late, name)).sync()
            assert str(reader.text) == "a"
            await reader.leave()
