"""Bytes that no well-behaved client sends: that socket closes, nothing is stored, and nobody else notices."""

import asyncio
import re

import pytest

from rooms import protocol, wire
from tests.support.clients import Client, NodeClients
from tests.support.raw import RawClient, awareness_frame, raw_client
from tests.support.stack import Stack, room

GOOD_UPDATE = bytes.fromhex("01010100040101740161") + b"\x00"
"""Client 1 inserts "a" into the text "t"."""

MALFORMED: dict[str, bytes | str] = {
    "a text frame": "hello",
    "an empty frame": b"",
    "an unknown message type": b"\x04",
    "a message type that only servers send": b"\x02\x00\x00",
    "an unknown sync type": b"\x00\x03\x00",
    "a truncated length": b"\x00\x00\x80",
    "an over-long length": b"\x00\x02" + b"\xff" * 9 + b"\x01",
    "400 KB of an unending number": b"\x00\x02" + b"\xff" * 400_000,
    "a length past the end": b"\x00\x02\x05\x00",
    "trailing bytes": protocol.sync_step_1(b"\x00") + b"\x00",
    "trailing bytes in an update": protocol.update(GOOD_UPDATE + b"\x00"),
    "a truncated update": protocol.update(GOOD_UPDATE[:-1]),
    "a state vector of 2^29 entries": protocol.sync_step_1(b"\x80\x80\x80\x80\x02"),
    "a truncated state vector": protocol.sync_step_1(b"\x01\x05"),
    "a truncated awareness": protocol.awareness(b"\x01\x05"),
    "awareness of a million clients": protocol.awareness(b"\xc0\x84\x3d"),
    "awareness that is no JSON": awareness_frame((7, 1, "{")),
}


SECRET = "TOP-SECRET-TEXT"

LOGGED: dict[str, bytes | str] = {
    "a text frame": SECRET,
    "an unknown message type": b"\x7f" + SECRET.encode(),
    "trailing bytes": protocol.update(SECRET.encode()) + b"\x00",
    "no update": protocol.update(SECRET.encode()),
    "no state vector": protocol.sync_step_1(SECRET.encode()),
    "awareness that is no JSON": awareness_frame((7, 1, f'{{"user": {SECRET}')),
    "awareness that is not UTF-8": protocol.awareness(b"\x01\x07\x01\x10" + SECRET.encode() + b"\xff"),
}
"""Malformed frames with something in them that is nobody's business."""


def nested_any(depth: int) -> bytes:
    """Return an update whose one value is an array in an array in an array ..."""
    return bytes.fromhex("0101010028010174016b01") + b"\x75\x01" * depth + b"\x7e" + b"\x00"


HOSTILE: dict[str, bytes] = {
    "pycrdt panics": bytes.fromhex("01020a002801016d0163017c7c4f0000000000"),
    "accepted, then undecodable": bytes.fromhex("01010100020101748080808010013100"),
    "nested 26,000 deep": nested_any(26_000),
    "nested 100 deep": nested_any(100),
    "a count of 2^50 structs": b"\x01" + wire.var_uint(2**50) + b"\x01\x00\x00",
    "a client id over 2^53": b"\x01\x01" + b"\xff" * 7 + b"\x7f" + b"\x00\x04\x01\x01t\x01a\x00",
    "a clock over 2^53": b"\x01\x01\x01" + wire.var_uint(2**53 - 1) + b"\x04\x01\x01t\x01a\x00",
    "a delete set of 2^50 clients": b"\x00" + wire.var_uint(2**50),
}

POISON = [bytes.fromhex("0101010004010174016100"), bytes.fromhex("0102010004010178017a04000100017100")]
"""Each is well formed; together they block every later apply of their merge in pycrdt."""


@pytest.fixture
async def neighbours(stack: Stack, node: NodeClients) -> list[Client]:
    """Two clients of one room on two servers."""
    name = room("neighbours")
    clients = [await node.open(f"n{n}", url, name) for n, url in enumerate(stack.urls)]
    await asyncio.gather(*(client.synced() for client in clients))
    return clients


async def undisturbed(neighbours: list[Client]) -> None:
    """Assert that neighbours still edit together and never lost their connections."""
    for number, writer in enumerate(neighbours):
        text = f"{await writer.text()}still {number} "
        await writer.do("insert", text=f"still {number} ")
        await asyncio.gather(*(client.wait(text=text, seconds=5) for client in neighbours))
    assert [(await client.info())["closes"] for client in neighbours] == [[]] * len(neighbours)


async def rejected(stack: Stack, neighbours: list[Client], frame: bytes | str) -> int:
    """Send a frame to the neighbours' room; return the close code after checking that it left no trace."""
    name = neighbours[0].room
    before = stack.entries(name)
    async with raw_client(stack.urls[0], name) as stranger:
        await stranger.send(frame)
        code = await stranger.close_code()
    assert stack.entries(name) == before, "it was stored"
    await undisturbed(neighbours)
    assert all(server.running for server in stack.servers)
    return code


class TestMalformed:
    """Not a message: 4400."""

    @pytest.mark.parametrize("kind", MALFORMED)
    async def test_a_malformed_frame_closes_4400(self, stack: Stack, neighbours: list[Client], kind: str) -> None:
        assert await rejected(stack, neighbours, MALFORMED[kind]) == 4400

    async def test_a_good_frame_of_the_same_shape_is_taken(self, stack: Stack) -> None:
        name = room("good")
        async with raw_client(stack.urls[0], name) as stranger:
            await stranger.send(protocol.update(GOOD_UPDATE))
            await stranger.sync()
            await eventually_stored(stack, name, 1)

    async def test_no_later_frame_of_a_refused_socket_counts(self, stack: Stack) -> None:
        name = room("later")
        async with raw_client(stack.urls[0], name) as stranger:
            await asyncio.gather(stranger.send(b"\x04"), stranger.send(protocol.update(GOOD_UPDATE)))
            assert await stranger.close_code() == 4400
        await asyncio.sleep(0.2)
        assert stack.entries(name) == 0

    @pytest.mark.parametrize("kind", LOGGED)
    async def test_the_log_has_one_line_without_content(self, stack: Stack, kind: str) -> None:
        name, before = room("logged"), set(stack.logged().splitlines())
        async with raw_client(stack.urls[0], name) as stranger:
            await stranger.send(LOGGED[kind])
            assert await stranger.close_code() == 4400
        await asyncio.sleep(0.2)  # for a second line, if there is one
        new = [line for line in stack.logged().splitlines() if line not in before]
        assert [name in line for line in new if "Connected to Redis" not in line] == [True], new
        shown = re.sub(r"\s", "", "".join(new))
        assert not {
            form for form in (SECRET, SECRET.encode().hex(), ",".join(map(str, SECRET.encode()))) if form in shown
        }


class TestHostileUpdates:
    """Updates that `scan` refuses before pycrdt sees them."""

    @pytest.mark.parametrize("kind", HOSTILE)
    @pytest.mark.parametrize("carry", [protocol.update, protocol.sync_step_2], ids=["update", "sync-step-2"])
    async def test_it_closes_4400_and_every_process_lives(
        self, stack: Stack, neighbours: list[Client], kind: str, carry: type[bytes]
    ) -> None:
        assert await rejected(stack, neighbours, carry(HOSTILE[kind])) == 4400

    async def test_two_updates_that_poison_each_other_harm_no_other_room(
        self, stack: Stack, neighbours: list[Client]
    ) -> None:
        name = room("poison")
        async with raw_client(stack.urls[0], name) as stranger:
            for update in POISON:
                await stranger.send(protocol.update(update))
            await eventually_stored(stack, name, 2)
            await stranger.sync()
        async with raw_client(stack.urls[1], name) as other:
            await other.sync()
        await undisturbed(neighbours)


class TestTooBig:
    """Over MAX_FRAME_BYTES, 16 MiB."""

    async def test_a_frame_over_the_limit_closes_4413(self, stack: Stack, neighbours: list[Client]) -> None:
        assert await rejected(stack, neighbours, protocol.update(bytes(16 * 2**20))) == 4413


class TestAwarenessLimits:
    """MAX_AWARENESS_BYTES is 16 KiB, MAX_AWARENESS_PER_SECOND is 50; ten times either is too much."""

    async def test_a_state_over_the_size_is_dropped(self, stack: Stack, neighbours: list[Client]) -> None:
        async with raw_client(stack.urls[0], neighbours[0].room) as stranger:
            await stranger.send(awareness_frame((71, 1, '"fits"')))
            await neighbours[1].wait(sees=71)
            await stranger.send(awareness_frame((71, 2, f'"{"x" * 20_000}"')))
            await stranger.sync()
            await asyncio.sleep(0.3)
            assert (await neighbours[1].do("awareness"))["71"] == "fits"
        await undisturbed(neighbours)

    async def test_ten_times_the_size_closes_4529(self, stack: Stack, neighbours: list[Client]) -> None:
        frame = awareness_frame((72, 1, f'"{"x" * 170_000}"'))
        assert await rejected(stack, neighbours, frame) == 4529

    async def test_a_rate_over_the_limit_is_coalesced_to_the_newest(
        self, stack: Stack, neighbours: list[Client]
    ) -> None:
        async with raw_client(stack.urls[0], neighbours[0].room) as stranger:
            before = (await neighbours[1].info())["framesIn"]
            for clock in range(1, 201):
                await stranger.send(awareness_frame((73, clock, str(clock))))
            await asyncio.sleep(2.5)
            assert (await neighbours[1].do("awareness"))["73"] == 200
            assert (await neighbours[1].info())["framesIn"] - before < 190
        await undisturbed(neighbours)

    async def test_a_flood_closes_4529(self, stack: Stack, neighbours: list[Client]) -> None:
        async with raw_client(stack.urls[0], neighbours[0].room) as stranger:
            flood = asyncio.create_task(send_flood(stranger))
            assert await stranger.close_code(20) == 4529
            flood.cancel()
            await asyncio.gather(flood, return_exceptions=True)
        await undisturbed(neighbours)


async def send_flood(stranger: RawClient) -> None:
    """Move a cursor 20,000 times as fast as can be."""
    for clock in range(1, 20_001):
        await stranger.send(awareness_frame((74, clock, str(clock))))


async def eventually_stored(stack: Stack, name: str, entries: int) -> None:
    """Return when a room's stream has so many entries."""
    async with asyncio.timeout(5):
        while stack.entries(name) < entries:
            await asyncio.sleep(0.02)
