"""Deleting, erasing and freezing rooms from the admin."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.http import HttpResponse

from rooms import pool
from rooms.errors import CloseCode
from rooms.hub import Hub
from rooms.models import Room
from tests.integration.peers import Peer, eventually, settled
from tests.integration.test_admin_live import LIST, row_of, staff

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("registering")]

Seated = Callable[..., Awaitable[Peer]]


async def typed(hub: Hub, seat: Seated, room: str = "essay") -> Peer:
    """Return a writer who has typed in a room that has a row."""
    peer = await seat(hub, room)
    peer.add("hello")
    await settled(peer)
    await row_of(room)
    return peer


async def do(deed: str, permission: str, *rooms: str) -> HttpResponse:
    """Choose rooms in the list and a deed, and confirm."""

    def acted() -> Any:
        client = staff("view_room", permission)
        chosen = list(Room.objects.filter(name__in=rooms).values_list("pk", flat=True))
        data = {"action": deed, "_selected_action": chosen}
        assert "confirmed" in client.post(LIST, data).content.decode()
        return client.post(LIST, {**data, "confirmed": len(chosen)}, follow=True)

    return await pool.run(acted)


async def policy(room: str = "essay") -> tuple[Any, ...]:
    row = await row_of(room)
    return row.deleted_at is not None, row.is_read_only, row.generation


async def test_deleting_closes_a_room_and_restoring_opens_it(hub: Hub, seat: Seated) -> None:
    peer, other = await typed(hub, seat), await typed(hub, seat, "other")
    await do("soft_delete", "softdelete_room", "essay")
    await eventually(lambda: peer.code == CloseCode.DELETED)
    assert (await policy(), await policy("other"), other.code) == ((True, False, 0), (False, False, 0), None)
    await do("restore", "restore_room", "essay")
    assert await policy() == (False, False, 0)
    assert str((await (await seat(hub, "essay")).sync()).text) == "hello"


async def test_erasing_leaves_a_room_as_new(hub: Hub, seat: Seated, settings: Any) -> None:
    settings.YREDIS = {**settings.YREDIS, "STORE": "rooms.store.StreamOnly"}
    peer = await typed(hub, seat)
    await do("erase", "erase_room", "essay")
    await eventually(lambda: peer.code == CloseCode.DELETED)
    assert await policy() == (False, False, 1)
    assert str((await (await seat(hub, "essay")).sync()).text) == ""


async def test_a_store_that_can_not_erase_is_a_message_and_nothing_happens(hub: Hub, seat: Seated) -> None:
    await typed(hub, seat)
    page = await do("erase", "erase_room", "essay")
    assert "MemoryStore has no erase" in page.content.decode()
    assert await policy() == (False, False, 0)
    assert not await pool.run(LogEntry.objects.exists)


async def test_a_room_is_made_read_only_and_writable_again(hub: Hub, seat: Seated) -> None:
    peer = await typed(hub, seat)
    await do("freeze", "freeze_room", "essay")
    await eventually(lambda: peer.code == CloseCode.RIGHTS_CHANGED)
    assert await policy() == (False, True, 0)
    await do("thaw", "freeze_room", "essay")
    assert await policy() == (False, False, 0)


async def test_a_deleted_room_still_shows_what_it_holds(hub: Hub, seat: Seated) -> None:
    await typed(hub, seat)
    await do("soft_delete", "softdelete_room", "essay")
    pk = (await row_of("essay")).pk
    page = await pool.run(lambda: staff("view_room").get(f"{LIST}{pk}/change/").content.decode())
    assert "hello" in page


@pytest.mark.parametrize(
    ("state", "deeds"),
    [
        ({}, {"freeze", "soft_delete", "erase"}),
        ({"is_read_only": True, "deleted_at": "2026-01-01T00:00Z"}, {"thaw", "restore", "erase"}),
    ],
)
async def test_a_page_has_buttons_for_what_applies(hub: Hub, state: Any, deeds: set[str]) -> None:
    def look() -> str:
        room = Room.objects.create(name="essay", **state)
        permissions = ("freeze_room", "softdelete_room", "restore_room", "erase_room")
        return staff("view_room", *permissions).get(f"{LIST}{room.pk}/change/").content.decode()

    page = await pool.run(look)
    every = {"freeze", "thaw", "soft_delete", "restore", "erase"}
    assert {deed for deed in every if f'value="{deed}"' in page} == deeds
