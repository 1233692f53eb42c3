"""What a site hears at once: events on its Channels layer, and signals; whatever these do, rooms go on."""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from channels.layers import channel_layers, get_channel_layer
from channels.testing import WebsocketCommunicator
from pycrdt import Text

from persistence.services import connected
from rooms import api, events
from rooms.backend import backend
from rooms.entries import Entry, encode
from rooms.events import ALL, group_of
from rooms.metrics import Count, counters
from rooms.signals import room_joined, room_left
from tests.integration.conftest import Configure, Serve
from tests.integration.peers import READ, Peer, eventually, settled, text_update
from tests.integration.persisting import append, work_once
from tests.support.valkey import Valkey

Seated = Callable[..., Awaitable[Peer]]
ROOM = "essay/ünï"
DOCS = Path(__file__).resolve().parents[2] / "docs" / "events.md"
MEMORY = {"BACKEND": "channels.layers.InMemoryChannelLayer"}


class Broken:
    """A layer that takes nothing."""

    def __init__(self, **config: Any) -> None:
        self.seconds = float(config.get("SECONDS", 0))

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await asyncio.sleep(self.seconds)
        raise ConnectionError("no layer")


@pytest.fixture(params=["memory", "redis"])
def layer(request: pytest.FixtureRequest, settings: Any, valkey: Valkey) -> Iterator[Any]:
    """The site's Channels layer."""
    real = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [valkey.url]}}
    settings.CHANNEL_LAYERS = {"default": MEMORY if request.param == "memory" else real}
    channel_layers.backends.clear()
    yield get_channel_layer()
    channel_layers.backends.clear()


@pytest.fixture
def no_layer(settings: Any) -> Iterator[None]:
    """A site without one."""
    settings.CHANNEL_LAYERS = {}
    channel_layers.backends.clear()
    yield
    channel_layers.backends.clear()


class Listener:
    """Somebody in a group."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    async def listen(self, group: str) -> None:
        """Hear from now on."""
        self.channel = await self.layer.new_channel()
        await self.layer.group_add(group, self.channel)

    async def next(self) -> dict[str, Any]:
        """Return the next event."""
        async with asyncio.timeout(5):
            heard: dict[str, Any] = await self.layer.receive(self.channel)
        return heard


class TestLayer:
    async def test_who_comes_and_goes_is_told_to_who_listens_to_the_room_or_to_all(
        self, layer: Any, serve: Serve, seat: Seated
    ) -> None:
        of_room, of_all, of_other = Listener(layer), Listener(layer), Listener(layer)
        for listener, group in ((of_room, group_of(ROOM)), (of_all, ALL), (of_other, group_of("other"))):
            await listener.listen(group)
        hub = await serve()
        ada = await seat(hub, ROOM, READ, user_id="7")
        assert ada.seat is not None
        who = {"room": ROOM, "user_id": "7", "access": "read", "connection_id": ada.seat.speaker.connection_id}
        assert await of_room.next() == await of_all.next() == {"type": "room.joined", **who}
        await ada.leave()
        assert await of_room.next() == await of_all.next() == {"type": "room.left", **who}
        await seat(hub, "other")
        assert (await of_other.next())["room"] == "other"

    async def test_many_changes_are_told_of_once(
        self, layer: Any, serve: Serve, seat: Seated, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(events, "CHANGED_SECONDS", 0.3)
        listener = Listener(layer)
        peer = await seat(await serve(), ROOM)
        await listener.listen(group_of(ROOM))
        for number in range(20):
            peer.add(str(number))
        await settled(peer)
        assert await listener.next() == {"type": "room.changed", "room": ROOM}
        peer.add("more")
        assert await listener.next() == {"type": "room.changed", "room": ROOM}

    @pytest.mark.django_db(transaction=True)
    async def test_a_worker_tells_of_what_it_has_persisted(
        self, layer: Any, configure: Configure, valkey: Valkey, redis_of: "redis.Redis"
    ) -> None:
        configure(valkey, STORE="persistence.stores.database.DatabaseStore", DEBOUNCE_SECONDS=0.01)
        listener = Listener(layer)
        await listener.listen(group_of("essay"))
        append(redis_of, "essay", encode(Entry(text_update("hello", 7))))
        await asyncio.sleep(0.05)
        async with connected() as services:
            assert await work_once(services) == 0
            told = await listener.next()
        assert told == {"type": "room.persisted", "room": "essay", "entries": 1, "bytes": told["bytes"]}
        assert told["bytes"] > 10

    async def test_edits_of_the_sites_own_code_are_changes(
        self, layer: Any, configure: Configure, valkey: Valkey
    ) -> None:
        configure(valkey)
        listener = Listener(layer)
        await listener.listen(ALL)
        assert await api.seed(ROOM, lambda document: document.get("text", type=Text).insert(0, "x"))
        await (await backend()).aclose()
        assert await listener.next() == {"type": "room.changed", "room": ROOM}


class TestFailures:
    @pytest.mark.parametrize("seconds", [0, 60])
    async def test_a_layer_that_is_away_or_hangs_holds_up_nobody(
        self, settings: Any, serve: Serve, seat: Seated, seconds: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(events, "PATIENCE_SECONDS", 0.2)
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.Broken", "CONFIG": {"SECONDS": seconds}}}
        channel_layers.backends.clear()
        failed = counters[Count.EVENTS_FAILED]
        ada, bob = [await seat(await serve(), ROOM) for _ in range(2)]
        ada.add("hello")
        await eventually(lambda: str(bob.text) == "hello")
        await eventually(lambda: counters[Count.EVENTS_FAILED] >= failed + 2)
        channel_layers.backends.clear()

    async def test_more_than_can_be_sent_are_dropped_the_oldest_first(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.Broken", "CONFIG": {"SECONDS": 60}}}
        channel_layers.backends.clear()
        monkeypatch.setattr(events, "FAREWELL_SECONDS", 0.1)
        dropped, told = counters[Count.EVENTS_DROPPED], events.Events("default")
        for number in range(events.MOST_WAITING + 5):
            told.tell("room.persisted", f"room-{number}")
        assert counters[Count.EVENTS_DROPPED] == dropped + 5
        assert told._waiting[0].room == "room-5"
        await told.aclose()
        channel_layers.backends.clear()

    async def test_without_a_layer_and_receivers_nothing_is_done(self, no_layer: None) -> None:
        told = events.Events("default")
        told.tell("room.joined", ROOM, user_id=None)
        told.changed(ROOM)
        assert (told._task, told._waiting, told._changed) == (None, deque(maxlen=events.MOST_WAITING), {})


class TestSignals:
    async def test_receivers_hear_who_comes_and_goes_in_order(self, no_layer: None, serve: Serve, seat: Seated) -> None:
        heard: list[tuple[str, Any]] = []

        async def came(sender: Any, room: str, user_id: str, **kwargs: Any) -> None:
            heard.append(("came", (room, user_id, kwargs["access"])))

        def went(sender: Any, room: str, user_id: str, **kwargs: Any) -> None:
            heard.append(("went", (room, user_id)))

        def fails(**kwargs: Any) -> None:
            raise ValueError("a bug of the site")

        room_joined.connect(came)
        room_joined.connect(fails)
        room_left.connect(went)
        try:
            failed = counters[Count.EVENTS_FAILED]
            ada = await seat(await serve(), ROOM, user_id="7")
            await ada.leave()
            await eventually(lambda: len(heard) == 2)
            assert heard == [("came", (ROOM, "7", "write")), ("went", (ROOM, "7"))]
            assert counters[Count.EVENTS_FAILED] == failed + 1
        finally:
            room_joined.disconnect(came)
            room_joined.disconnect(fails)
            room_left.disconnect(went)


class TestDocs:
    async def test_the_consumer_of_the_docs_tells_a_page(self, layer: Any, serve: Serve, seat: Seated) -> None:
        found: dict[str, Any] = {}
        consumer, _ = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
        exec(consumer, found)
        page = WebsocketCommunicator(found["Visitors"].as_asgi(), "/visitors")
        assert (await page.connect())[0]
        ada = await seat(await serve(), "essay", user_id="7")
        assert await page.receive_json_from(5) == {"came": "7"}
        ada.add("hello")
        assert await page.receive_json_from(5) == {"changed": "essay"}
        await ada.leave()
        assert await page.receive_json_from(5) == {"went": "7"}
        await page.disconnect()
