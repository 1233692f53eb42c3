"""The overview in the admin, with a real Redis: what it tells, to whom, and at what cost."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.client import Pipeline

from persistence.health import Health
from persistence.services import connected
from persistence.supervisor import Supervisor
from rooms import history, pool
from rooms.entries import Entry
from rooms.history import Sample
from rooms.models import Room
from rooms.redis_client import script
from tests.integration.conftest import Configure, Serve
from tests.integration.peers import Peer, eventually
from tests.integration.persisting import KEYS
from tests.integration.test_admin_live import LIST, staff
from tests.support.processes import free_port
from tests.support.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)

Seated = Callable[..., Awaitable[Peer]]
PAGE = f"{LIST}overview/"
PARTS = [f"{PAGE}moment/", f"{PAGE}trend/"]


async def seen(url: str = PAGE) -> str:
    """Return a page as somebody sees it who may view rooms."""
    return await pool.run(lambda: staff("view_room").get(url).content.decode())


def figure(page: str, name: str) -> str:
    """Return one of the figures on top."""
    [value] = re.findall(rf"<dt>{name}</dt><dd><strong>(.*?)</strong>", page)
    return str(value).replace("\xa0", " ")


def cells(page: str, name: str) -> list[str]:
    """Return what a table says of somebody."""
    [row] = [row for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL) if f"<td>{name}</td>" in row]
    return re.findall(r"<td>(.*?)</td>", row)


class TestAccess:
    @pytest.mark.parametrize("url", [PAGE, *PARTS])
    async def test_who_may_not_see_rooms_sees_nothing(self, serve: Serve, url: str) -> None:
        await serve()
        assert await pool.run(lambda: staff("view_segment").get(url).status_code) == 403
        assert await pool.run(lambda: staff().post(url).status_code) == 403

    @pytest.mark.parametrize("url", [PAGE, *PARTS])
    async def test_who_is_signed_out_is_sent_to_the_login(self, serve: Serve, url: str) -> None:
        await serve()
        answer = await pool.run(lambda: Client().get(url))
        assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={url}")

    async def test_there_are_no_other_parts(self, serve: Serve) -> None:
        await serve()
        assert await pool.run(lambda: staff("view_room").get(f"{PAGE}other/").status_code) == 404

    async def test_the_list_links_to_it_also_when_it_is_empty(self, serve: Serve) -> None:
        await serve()
        page = await seen(LIST)
        assert "0 rooms" in page
        assert f'<a href="{PAGE}">Overview</a>' in page


class TestMoment:
    async def test_connections_and_rooms_are_told_in_total_and_of_each_server(self, serve: Serve, seat: Seated) -> None:
        here, there = await serve(), await serve()
        for hub, room in ((here, "essay"), (here, "essay"), (there, "essay"), (there, "other")):
            await seat(hub, room)
        for hub in (here, there):
            await hub.upkeep.beat()
        page = await seen()
        assert (figure(page, "Connections"), figure(page, "Open rooms")) == ("4", "3")
        assert cells(page, here.server_id)[2:4] == ["2", "1"]
        assert cells(page, there.server_id)[2:4] == ["2", "2"]

    async def test_who_is_silent_is_told_so_and_does_not_count(self, serve: Serve, redis_of: "redis.Redis") -> None:
        await serve()
        long_ago = redis_of.time()[0] - 120
        redis_of.hset(KEYS.servers, "<b>gone</b>", f"9 {long_ago}000 40 2 1")
        redis_of.hset(KEYS.workers, "lost", f"9 {long_ago}000 40")
        page = await seen(PARTS[0])
        assert figure(page, "Connections") == "0"
        assert cells(page, "&lt;b&gt;gone&lt;/b&gt;")[1] == "<strong>silent for 2.0\xa0min</strong>".replace(
            "\xa0", " "
        )
        assert cells(page, "lost")[2:] == ["40", "?", "?"]

    async def test_what_waits_is_told(self, serve: Serve, redis_of: "redis.Redis") -> None:
        hub = await serve()
        await hub.backend.lane.append_and_wait("essay", Entry(b"x"))
        redis_of.xadd(KEYS.room("old"), {"e": b"x"}, id=f"{redis_of.time()[0] - 3600}000-0")
        redis_of.zadd(KEYS.due_of("old"), {"old": 1})
        page = await seen()
        assert figure(page, "Rooms to persist") == "2"
        assert "1 due, 1 of them overdue" in page
        assert figure(page, "Oldest unpersisted entry") == "1.0 h"

    async def test_a_worker_tells_that_it_lives_and_what_it_does(
        self, valkey: Valkey, configure: Configure, redis_of: "redis.Redis"
    ) -> None:
        configure(valkey, STORE="persistence.stores.database.DatabaseStore", HEARTBEAT_SECONDS=0.1)
        async with connected() as services:
            supervisor = Supervisor(services, range(16), concurrency=2, health=Health())
            running = asyncio.create_task(supervisor.run())
            await eventually(lambda: next(iter(redis_of.hvals(KEYS.workers)), b"") > b"2 ")
            page = await seen()
            supervisor.stop()
            await running
        [name] = redis_of.hkeys(KEYS.workers)
        assert cells(page, name.decode())[2] == "0"
        assert "ago" in cells(page, name.decode())[1]

    async def test_a_redis_that_evicts_is_warned_of(self, own_valkey: Valkey, configure: Configure) -> None:
        configure(own_valkey)
        with own_valkey.client() as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
        page = await seen()
        assert "A full Redis throws documents away (allkeys-lru)" in page
        assert "A crash or restart of Redis may lose accepted updates that are not persisted yet." in page


class TestTrend:
    async def test_rooms_are_counted_by_state_and_those_that_fail_are_named(self, serve: Serve) -> None:
        await serve()
        await pool.run(Room.objects.create, name="essay")
        await pool.run(Room.objects.create, name="<i>", failures=2, last_error="<b>503</b>", lag_seconds=90)
        page = await seen(PARTS[1])
        assert re.search(r"state__exact=failing\">failing</a></th><td>1</td>", page)
        assert re.search(r">all</a></th><td>2</td>", page)
        assert "&lt;i&gt;</a></td><td>1.5 min</td><td>&lt;b&gt;503&lt;/b&gt;</td>" in page

    async def test_the_last_hour_is_drawn(self, serve: Serve) -> None:
        hub = await serve()
        for number in (10, 4, 7):
            await hub.backend.client.run(history.add(KEYS, Sample(number, 0.5, 3, 90, 2048)))
        page = await seen(PARTS[1])
        assert page.count("<svg") == 5
        assert "<title>Connections: 7, from 4 to 10</title>" in page
        assert "<title>Oldest unpersisted entry: 1.5 min, from 1.5 min to 1.5 min</title>" in page


class TestWithoutRedis:
    @pytest.mark.parametrize("url", [PAGE, *PARTS])
    async def test_it_says_so_and_tells_what_the_database_knows(
        self, configure: Configure, valkey: Valkey, url: str
    ) -> None:
        configure(valkey, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
        await pool.run(Room.objects.create, name="essay")
        page = await seen(url)
        assert ("Redis gives no answer" in page) is (url != PARTS[1])
        assert (">all</a></th><td>1</td>" in page) is (url != PARTS[0])

    async def test_one_that_dies_while_somebody_looks_is_no_error(
        self, own_valkey: Valkey, configure: Configure
    ) -> None:
        configure(own_valkey)
        assert figure(await seen(), "Connections") == "0"
        own_valkey.kill()
        assert "Redis gives no answer" in await seen()


async def test_10000_rooms_are_few_queries_and_three_round_trips(
    configure: Configure, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(valkey)
    trips, execute, command = list[str](), Pipeline.execute, AsyncRedis.execute_command

    async def counted(pipeline: Any, *args: Any, **options: Any) -> Any:
        trips.append("pipeline")
        return await execute(pipeline, *args, **options)

    async def counted_command(client: Any, *args: Any, **options: Any) -> Any:
        if args[1:2] != (script("order").digest,):  # the permissions that `staff` has given are told to the servers
            trips.append(args[0])
        return await command(client, *args, **options)

    def look() -> int:
        Room.objects.bulk_create(Room(name=f"room-{number:05}", failures=number % 2) for number in range(10_000))
        client = staff("view_room")
        client.get(PAGE)
        monkeypatch.setattr(Pipeline, "execute", counted)
        monkeypatch.setattr(AsyncRedis, "execute_command", counted_command)
        with CaptureQueriesContext(connection) as queries:
            assert "10000" in client.get(PAGE).content.decode()
        return len(queries)

    assert await pool.run(look) < 20
    assert sorted(trips) == ["CONFIG GET", "INFO", "pipeline"]


async def test_a_rooms_page_has_charts_of_its_activity(serve: Serve) -> None:
    await serve()
    room = await pool.run(Room.objects.create, name="essay", activity=[[490_000, 3, 1024], [490_001, 4, 2048]])
    page = await seen(f"{LIST}{room.pk}/change/")
    assert "<title>updates an hour: 4, from 3 to 4</title>" in page
    assert "490000" not in page
