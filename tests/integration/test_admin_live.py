"""The rooms' admin with a real Redis: what it knows of the moment, and people who are sent away."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from redis.asyncio.client import Pipeline

from rooms import pool
from rooms.entries import Entry, encode
from rooms.hub import Hub
from rooms.models import Room
from tests.integration.conftest import Configure, Serve
from tests.integration.peers import READ, Peer, eventually, settled, text_update
from tests.integration.stores import MemoryStore
from tests.integration.test_api import nested_arrays
from tests.support.processes import free_port
from tests.support.valkey import Valkey

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("registering")]

Seated = Callable[..., Awaitable[Peer]]
LIST = "/admin/yredis_rooms/room/"


def staff(*codenames: str) -> Client:
    """Return the browser of somebody on the staff who has these permissions."""
    user = User.objects.create_user(uuid4().hex, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


async def row_of(name: str) -> Room:
    """Return a room's row, once there is one."""
    async with asyncio.timeout(5):
        while (found := await pool.run(lambda: Room.objects.filter(name=name).first())) is None:
            await asyncio.sleep(0.05)
    return found


async def test_the_list_has_rooms_that_were_never_persisted_and_what_redis_knows(serve: Serve, seat: Seated) -> None:
    peer = await seat(await serve(), "essay")
    peer.show(7, 1, "{}")
    peer.add("hello")
    await settled(peer)
    await row_of("essay")
    await eventually(lambda: peer.sees(7))

    def look() -> str:
        return staff("view_room").get(LIST).content.decode()

    page = await pool.run(look)
    assert '<td class="field-clients">1</td>' in page
    assert '<td class="field-waiting">1, ' in page
    assert 'class="field-last_edited nowrap">-' not in page


async def test_a_room_that_was_only_asked_about_was_never_edited(serve: Serve) -> None:
    hub = await serve()
    await hub.backend.streams.begin("new")

    def look() -> str:
        Room.objects.create(name="new")
        return staff("view_room").get(LIST).content.decode()

    page = await pool.run(look)
    assert 'class="field-last_edited nowrap">-' in page or '<td class="field-last_edited">-' in page


async def test_10000_rooms_are_few_queries_and_one_round_trip(
    configure: Configure, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(valkey)
    trips, execute = list[int](), Pipeline.execute

    async def counted(pipeline: Any, *args: Any, **options: Any) -> Any:
        trips.append(len(pipeline.command_stack))
        return await execute(pipeline, *args, **options)

    def look() -> tuple[int, str]:
        Room.objects.bulk_create(Room(name=f"room-{number:05}") for number in range(10_000))
        client = staff("view_room")
        client.get(LIST)
        monkeypatch.setattr(Pipeline, "execute", counted)
        with CaptureQueriesContext(connection) as queries:
            page = client.get(LIST).content.decode()
        return len(queries), page

    queries, page = await pool.run(look)
    assert page.count('class="field-clients"') == 100
    assert queries < 20
    assert trips == [100]


async def test_without_redis_the_list_says_so(configure: Configure, valkey: Valkey) -> None:
    configure(valkey, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")

    def look() -> str:
        Room.objects.create(name="essay")
        return staff("view_room").get(LIST).content.decode()

    page = await pool.run(look)
    assert "Redis gives no answer" in page
    assert '<td class="field-clients">?</td>' in page


async def test_a_rooms_page_tells_who_is_there_harmlessly(serve: Serve, seat: Seated) -> None:
    peer = await seat(await serve(), "essay", user_id="<b>7</b>")
    peer.show(7, 1, json.dumps({"user": {"name": "<script>alert(1)</script>"}}))
    peer.show(8, 1, json.dumps({"user": "nobody"}))
    peer.show(9, 1, "[1]")
    peer.show(10, 1, '{"user": {"name": "half an emoji \\ud83d and \\u202egnp.exe"}}')
    peer.add("hello")
    await settled(peer)
    await eventually(lambda: peer.sees(10))
    row = await row_of("essay")
    page = await pool.run(lambda: staff("view_room").get(f"{LIST}{row.pk}/change/").content.decode())
    assert "&lt;script&gt;alert(1)&lt;/script&gt; (user &lt;b&gt;7&lt;/b&gt;, client 7)" in page
    assert page.count("? (user ") == 2
    assert "half an emoji \\ud83d and \\u202egnp.exe (user" in page
    assert "<script>alert" not in page


class TestDocument:
    async def page(self, name: str) -> str:
        """Return the page of a room that has entries."""
        row = await row_of(name)
        return await pool.run(lambda: staff("view_room").get(f"{LIST}{row.pk}/change/").content.decode())

    async def test_what_was_typed_is_shown_persisted_or_not(self, serve: Serve, seat: Seated) -> None:
        peer = await seat(await serve(), "essay")
        peer.add("<b>hello</b>")
        await settled(peer)
        assert "&lt;b&gt;hello&lt;/b&gt;" in await self.page("essay")

    async def test_10_mb_are_shown_within_2_seconds(self, serve: Serve) -> None:
        hub = await serve()
        await hub.backend.lane.append_and_wait("large", Entry(text_update("x" * 10_000_000, 7)))
        await row_of("large")
        await self.page("large")  # starts the child
        began = time.monotonic()
        page = await self.page("large")
        assert time.monotonic() - began < 2
        assert "There is more than is shown here." in page
        assert len(page) < 100_000

    async def test_one_that_crashes_the_decoder_is_said_so_and_the_next_is_shown(
        self, serve: Serve, seat: Seated
    ) -> None:
        hub = await serve()
        await hub.backend.lane.append_and_wait("deep", Entry(nested_arrays(100_000)))
        peer = await seat(hub, "essay")
        peer.add("hello")
        await settled(peer)
        assert "It can&#x27;t be shown" in await self.page("deep")
        assert "hello" in await self.page("essay")

    async def test_one_that_can_not_be_loaded_is_said_so(self, serve: Serve) -> None:
        await serve()
        await pool.run(Room.objects.create, name="gone")
        MemoryStore.failing.add("gone")
        assert "out of order" in await self.page("gone")


class TestDisconnect:
    async def test_once_confirmed_everybody_is_out_and_it_is_noted(self, serve: Serve, seat: Seated) -> None:
        here, there = await seat(await serve(), "essay"), await seat(await serve(), "essay")
        other = await seat(await serve(), "other")
        for peer in (here, other):
            peer.add("hello")
            await settled(peer)
        row = await row_of("essay")
        client = await pool.run(lambda: staff("view_room", "kick_room"))
        chosen = {"action": "disconnect", "_selected_action": [row.pk]}
        asked = await pool.run(lambda: client.post(LIST, chosen).content.decode())
        assert "Close everybody" in asked
        assert here.code is None
        await pool.run(lambda: client.post(LIST, {**chosen, "confirmed": "1"}))
        for peer in (here, there):
            await eventually(lambda peer=peer: peer.code == 4403)
        assert other.code is None
        noted = await pool.run(lambda: list(LogEntry.objects.values_list("object_repr", "change_message")))
        assert noted == [("essay", "Everybody was disconnected.")]

    @pytest.mark.parametrize("permissions", [("view_room",), ("view_room", "change_room"), ("kick_room",)])
    async def test_who_may_not_can_not(self, serve: Serve, seat: Seated, permissions: tuple[str, ...]) -> None:
        peer = await seat(await serve(), "essay")
        peer.add("hello")
        await settled(peer)
        row = await row_of("essay")
        client = await pool.run(lambda: staff(*permissions))
        chosen = {"action": "disconnect", "_selected_action": [row.pk], "confirmed": "1"}
        await pool.run(lambda: client.post(LIST, chosen))
        assert not await pool.run(LogEntry.objects.exists)
        assert peer.code is None
        assert "Disconnect everybody" not in await pool.run(lambda: client.get(LIST).content.decode())

    async def test_without_redis_it_is_told(self, configure: Configure, valkey: Valkey) -> None:
        configure(valkey, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")

        def press() -> str:
            row = Room.objects.create(name="essay")
            chosen = {"action": "disconnect", "_selected_action": [row.pk], "confirmed": "1"}
            return staff("view_room", "kick_room").post(LIST, chosen, follow=True).content.decode()

        assert "Not done for essay: " in await pool.run(press)
        assert not await pool.run(LogEntry.objects.exists)


async def test_a_rooms_page_tells_who_is_connected_and_to_which_server(hub: Hub, other_hub: Hub, seat: Seated) -> None:
    peer = await seat(hub, "essay", user_id="<b>ann", address="10.0.0.1")
    await seat(other_hub, "essay", READ)
    peer.add("a")
    await settled(peer)
    pk = (await row_of("essay")).pk
    page = await pool.run(lambda: staff("view_room").get(f"{LIST}{pk}/change/").content.decode())
    assert "<td>&lt;b&gt;ann</td><td>write</td><td>10.0.0.1</td>" in page
    assert all(f"<td>{server.server_id}</td>" in page for server in (hub, other_hub))


async def test_the_lag_of_a_room_grows_while_no_worker_comes(hub: Hub, redis_of: "redis.Redis") -> None:
    an_hour_ago = int(time.time() - 3600) * 1000
    redis_of.xadd(hub.backend.keys.room("essay"), {"e": encode(Entry(text_update("a", 7)))}, id=f"{an_hour_ago}-0")

    def look() -> str:
        Room.objects.create(name="essay", lag_seconds=3)
        Room.objects.create(name="persisted", lag_seconds=3)
        return staff("view_room").get(LIST).content.decode()

    page = await pool.run(look)
    assert re.findall(r'field-lag">([\d.]+\s\w+)', page) == ["1.0 h", "3.0 s"]


async def test_what_turns_the_line_around_is_spelled_out_of_users_and_addresses_too(hub: Hub, seat: Seated) -> None:
    peer = await seat(hub, "essay", user_id="ann\u202egnp", address="10.\u202e1")
    peer.show(7, 1, "{}")
    peer.add("a")
    await settled(peer)
    await eventually(lambda: peer.sees(7))
    pk = (await row_of("essay")).pk
    page = await pool.run(lambda: staff("view_room").get(f"{LIST}{pk}/change/").text)
    assert "<td>ann\\u202egnp</td><td>write</td><td>10.\\u202e1</td>" in page
    assert "(user ann\\u202egnp, client 7)" in page
