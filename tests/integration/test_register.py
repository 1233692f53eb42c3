"""Rooms have rows as soon as they begin; where the database is away, that is all that is missing."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pycrdt import Text

from rooms import api, pool, register
from rooms.backend import backend
from rooms.errors import StoreUnavailable
from rooms.models import Room
from tests.integration.conftest import Serve
from tests.integration.peers import Peer, eventually, settled

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("registering")]

Seated = Callable[..., Awaitable[Peer]]


async def names() -> list[str]:
    """Return the rooms that have rows."""
    return await pool.run(lambda: list(Room.objects.order_by("name").values_list("name", flat=True)))


async def there(*expected: str) -> None:
    """Return once these have rows and no others."""
    async with asyncio.timeout(5):
        while await names() != sorted(expected):
            await asyncio.sleep(0.02)


async def test_a_room_has_a_row_soon_after_somebody_wrote_to_it(serve: Serve, seat: Seated) -> None:
    hub = await serve()
    peers = [await seat(hub, name) for name in ("ünï/1", "two", "two")]
    for peer in peers:
        peer.add("hello")
        await settled(peer)
    await there("two", "ünï/1")


async def test_who_only_looks_makes_none(serve: Serve, seat: Seated) -> None:
    peer = await seat(await serve(), "unseen")
    await peer.sync()
    await asyncio.sleep(register.SOON_SECONDS + 0.2)
    assert await names() == []


async def test_a_room_that_has_one_keeps_it(serve: Serve, seat: Seated) -> None:
    row = await pool.run(Room.objects.create, name="essay", snapshot_bytes=7)
    peer, other = await seat(await serve(), "essay"), await seat(await serve(), "other")
    for one in (peer, other):
        one.add("hello")
        await settled(one)
    await there("essay", "other")
    await pool.run(row.refresh_from_db)
    assert row.snapshot_bytes == 7


async def test_a_process_that_ends_at_once_has_noted_what_it_made(serve: Serve) -> None:
    await serve()
    assert await api.seed("seeded", lambda document: document.get("text", type=Text).insert(0, "x"))
    await (await backend()).aclose()
    assert await names() == ["seeded"]


async def test_a_database_that_is_away_holds_up_nobody(
    serve: Serve, seat: Seated, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(names: list[str]) -> None:
        raise StoreUnavailable("no database")

    monkeypatch.setattr(register, "_insert", away)
    ada, bob = [await seat(await serve(), "essay") for _ in range(2)]
    ada.add("hello")
    await eventually(lambda: str(bob.text) == "hello")
    await eventually(lambda: "no database" in caplog.text)
    assert ada.code is bob.code is None
