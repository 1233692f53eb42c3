"""The consumer behind `ws/<room>`, driven as an ASGI server drives it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Self
from urllib.parse import quote, unquote

import pytest

from rooms import consumers, grants, protocol
from rooms.errors import CloseCode
from rooms.hub import hub as hub_of_loop
from rooms.protocol import SyncStep1, SyncStep2
from rooms.routing import with_rooms
from tests.integration.conftest import Configure
from tests.integration.peers import PausedWriter, eventually, text_update
from tests.support.valkey import Valkey

ROOM = "essay"


async def page(scope: Any, receive: Any, send: Any) -> None:
    """Be the site's http application."""
    await send({"type": "http.response.start", "status": 204})


class Socket:
    """One connection to an application: what a server puts in and gets out."""

    def __init__(
        self,
        application: Any,
        room: str,
        query: bytes = b"",
        *,
        mount: str = "/ws/",
        headers: Sequence[tuple[bytes, bytes]] = (),
        subprotocols: Sequence[str] = (),
    ) -> None:
        path = f"{mount}{room}"
        scope = {
            "type": "websocket",
            "path": unquote(path),
            "raw_path": quote(path, safe="/%").encode(),
            "query_string": query,
            "headers": list(headers),
            "client": ["127.0.0.1", 1],
            "subprotocols": list(subprotocols),
        }
        self.sent: list[dict[str, Any]] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self._received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.task = asyncio.create_task(application(scope, self._received.get, self._send))
        self.put("connect")

    async def _send(self, message: dict[str, Any]) -> None:
        await self.reading.wait()
        self.sent.append(message)

    def put(self, kind: str, **fields: Any) -> None:
        """Let the application receive a message."""
        self._received.put_nowait({"type": f"websocket.{kind}", **fields})

    async def open(self) -> Self:
        """Return when the room has asked for what we have, as it does every writer."""
        await eventually(lambda: any(isinstance(message, SyncStep1) for message in self.messages) or self.code)
        return self

    async def closed(self) -> int:
        """Return the close code once there is one."""
        await eventually(lambda: self.code is not None)
        return self.code or 0

    async def end(self) -> None:
        """Disconnect, and wait for the application."""
        self.put("disconnect", code=1006)
        await asyncio.wait_for(self.task, 5)

    @property
    def code(self) -> int | None:
        """The close code, once closed."""
        return next((message["code"] for message in self.sent if message["type"] == "websocket.close"), None)

    @property
    def messages(self) -> list[protocol.Message]:
        """What came, as messages."""
        return [protocol.parse(sent["bytes"]) for sent in self.sent if sent["type"] == "websocket.send"]


@pytest.fixture
async def application(valkey: Valkey, configure: Configure) -> AsyncIterator[Any]:
    configure(valkey)
    yield with_rooms(page)
    found = await hub_of_loop()
    await found.aclose()
    await found.backend.aclose()


async def entries() -> int:
    return len((await (await hub_of_loop()).backend.streams.read(ROOM)).entries)


class TestRouting:
    """`with_rooms` takes the websockets and hands on everything else."""

    async def test_http_goes_to_the_site(self, application: Any) -> None:
        sent = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await application({"type": "http"}, None, send)
        assert sent[0]["status"] == 204


class TestConnecting:
    """Accepted first, and then refused with a code: a refusal before it is an HTTP 403, retried for ever."""

    async def test_a_writer_is_asked_for_what_it_has(self, application: Any) -> None:
        socket = await Socket(application, ROOM).open()
        assert socket.sent[0]["type"] == "websocket.accept"
        assert socket.messages == [SyncStep1(b"\0")]
        await socket.end()

    @pytest.mark.parametrize("room", ["", "a%00b", "x" * 256, "%0A"])
    async def test_a_name_that_can_name_no_room(self, application: Any, room: str) -> None:
        socket = Socket(application, room)
        assert await socket.closed() == CloseCode.NO_SUCH_ROOM
        assert socket.sent[0]["type"] == "websocket.accept"
        await socket.end()

    async def test_a_path_that_is_no_rooms(self, application: Any) -> None:
        socket = Socket(application, ROOM, mount="/elsewhere/")
        assert await socket.closed() == CloseCode.NO_SUCH_ROOM
        await socket.end()

    async def test_an_authorizer_that_gives_no_grant(self, application: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        async def forgetful(scope: Any, room: str) -> None:
            return None

        monkeypatch.setattr(grants, "import_string", lambda path: forgetful)
        socket = Socket(application, ROOM)
        assert await socket.closed() == CloseCode.INTERNAL_ERROR
        await socket.end()

    async def test_one_who_may_not_enter(self, application: Any) -> None:
        socket = Socket(application, "forbidden room")
        assert await socket.closed() == CloseCode.NO_RIGHT
        assert socket.sent[0]["type"] == "websocket.accept"
        await socket.end()

    async def test_a_page_of_another_site_with_a_cookie_of_ours_gets_an_http_403(self, application: Any) -> None:
        headers = [(b"host", b"here"), (b"origin", b"http://evil"), (b"cookie", b"sessionid=k")]
        socket = Socket(application, ROOM, headers=headers)
        await asyncio.wait_for(socket.task, 5)
        assert [message["type"] for message in socket.sent] == ["websocket.close"]  # before an accept

    async def test_one_whose_decision_takes_too_long(
        self, application: Any, configure: Configure, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def slow(scope: Any, room: str) -> None:
            await asyncio.sleep(60)

        configure(valkey, HANDSHAKE_SECONDS=0.1)
        monkeypatch.setattr(grants, "import_string", lambda path: slow)
        socket = Socket(application, ROOM)
        assert await socket.closed() == CloseCode.TRY_AGAIN_LATER
        await socket.end()

    async def test_of_the_subprotocols_one_that_is_no_token_is_selected(self, application: Any) -> None:
        socket = await Socket(application, ROOM, subprotocols=["yauth-secret", "yredis"]).open()
        assert socket.sent[0]["subprotocol"] == "yredis"
        await socket.end()

    async def test_nothing_is_taken_from_one_who_was_refused(self, application: Any) -> None:
        socket = Socket(application, "forbidden room")
        socket.put("receive", bytes=protocol.update(text_update("a", 9)))
        await socket.closed()
        await socket.end()
        assert not [message for message in socket.sent if message["type"] == "websocket.send"]

    async def test_names_that_differ_only_in_their_encoding_are_two_rooms(self, application: Any) -> None:
        sockets = [await Socket(application, room).open() for room in ("a/b", "a%2Fb")]
        assert set((await hub_of_loop()).rooms) == {"a/b", "a%2Fb"}
        for socket in sockets:
            await socket.end()

    async def test_a_redis_that_is_away(self, own_valkey: Valkey, configure: Configure) -> None:
        configure(own_valkey)
        application = with_rooms(page)
        own_valkey.kill()
        socket = Socket(application, ROOM)
        assert await socket.closed() == CloseCode.TRY_AGAIN_LATER
        await socket.end()


class TestFrames:
    """Frames go to the seat, one after the other."""

    async def test_a_question_is_answered(self, application: Any) -> None:
        socket = await Socket(application, ROOM).open()
        socket.put("receive", bytes=protocol.sync_step_1(b"\0"))
        await eventually(lambda: SyncStep2(b"\0\0") in socket.messages)
        await socket.end()

    async def test_text_is_no_frame_of_the_protocol(self, application: Any) -> None:
        socket = await Socket(application, ROOM).open()
        socket.put("receive", text="hello")
        assert await socket.closed() == CloseCode.MALFORMED
        await socket.end()

    async def test_a_server_may_send_both_keys(self, application: Any) -> None:
        socket = await Socket(application, ROOM).open()
        socket.put("receive", text=None, bytes=protocol.update(text_update("a", 9)))
        socket.put("receive", text="hello", bytes=None)
        assert await socket.closed() == CloseCode.MALFORMED
        await socket.end()
        assert await entries() == 1

    async def test_a_reader_who_writes_is_closed(self, application: Any) -> None:
        socket = Socket(application, ROOM, b"as=reader")
        socket.put("receive", bytes=protocol.update(text_update("a", 9)))
        assert await socket.closed() == CloseCode.NO_RIGHT
        await socket.end()
        assert await entries() == 0


class TestPausing:
    """A server that queues without bound reads no further while a frame is being taken."""

    @pytest.fixture
    def writers(self, monkeypatch: pytest.MonkeyPatch) -> list[PausedWriter]:
        made: list[PausedWriter] = []

        def make(scope: Any, send: Any) -> PausedWriter:
            made.append(PausedWriter(send))
            return made[-1]

        monkeypatch.setattr(consumers, "writer_for", make)
        return made

    async def test_until_it_is_seated(
        self, application: Any, writers: list[PausedWriter], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decided = asyncio.Event()

        async def slow(scope: Any, room: str) -> grants.Grant:
            await decided.wait()
            return grants.Grant(room=room, access=grants.Access.WRITE)

        monkeypatch.setattr(grants, "import_string", lambda path: slow)
        socket = Socket(application, ROOM)
        await eventually(lambda: writers)
        assert writers[0].paused
        decided.set()
        await socket.open()
        await eventually(lambda: not writers[0].paused)
        await socket.end()

    async def test_while_a_frame_waits(self, application: Any, writers: list[PausedWriter]) -> None:
        socket = await Socket(application, ROOM).open()
        await eventually(lambda: not writers[0].paused)
        socket.reading.clear()
        socket.put("receive", bytes=protocol.sync_step_1(b"\0"))
        await eventually(lambda: writers[0].busy)
        for _ in range(2):  # the first is answered into the outbox, the second waits for that
            socket.put("receive", bytes=protocol.sync_step_1(b"\0"))
        await eventually(lambda: writers[0].paused)
        await asyncio.sleep(0.05)
        assert writers[0].paused
        socket.reading.set()
        await eventually(lambda: not writers[0].paused)
        assert socket.messages.count(SyncStep2(b"\0\0")) == 3
        await socket.end()

    async def test_never_for_a_frame_that_is_taken_at_once(self, application: Any, writers: list[PausedWriter]) -> None:
        socket = await Socket(application, ROOM).open()
        await eventually(lambda: not writers[0].paused)
        before = writers[0].pauses
        for clock in range(5):
            socket.put("receive", bytes=protocol.update(text_update("a", 9, clock)))
            await asyncio.sleep(0.01)
        assert writers[0].pauses == before
        await socket.end()


class TestEnds:
    """Whatever ends a connection, what it sent arrives, and nothing of it stays."""

    async def test_who_disconnects_has_left(self, application: Any) -> None:
        socket = await Socket(application, ROOM).open()
        await socket.end()
        assert (await hub_of_loop()).seats == 0

    async def test_the_last_words_of_one_who_disconnects_are_kept(self, application: Any) -> None:
        socket = await Socket(application, ROOM).open()
        socket.put("receive", bytes=protocol.update(text_update("a", 9)))
        await socket.end()
        assert await entries() == 1

    async def test_one_who_disconnects_while_being_seated_leaves_no_seat(self, application: Any) -> None:
        for _ in range(10):
            await Socket(application, ROOM).end()
        assert (await hub_of_loop()).seats == 0

    async def test_a_cancelled_application_says_that_it_restarts(self, application: Any) -> None:
        socket = await Socket(application, ROOM).open()
        socket.task.cancel()
        await asyncio.gather(socket.task, return_exceptions=True)
        assert socket.task.cancelled()
        assert (socket.code, (await hub_of_loop()).seats) == (CloseCode.RESTARTING, 0)

    @pytest.mark.parametrize("turns", range(6))
    async def test_an_append_on_its_way_arrives_though_the_application_is_cancelled(
        self, application: Any, turns: int
    ) -> None:
        socket = await Socket(application, ROOM).open()
        socket.put("receive", bytes=protocol.update(text_update("a", 9)))
        lane = (await hub_of_loop()).backend.lane
        while not lane._waiting:
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        socket.task.cancel()
        await asyncio.gather(socket.task, return_exceptions=True)
        assert (socket.code, await entries()) == (CloseCode.RESTARTING, 1)

    @pytest.mark.parametrize("turns", range(0, 60, 4))
    async def test_one_that_is_cancelled_at_any_moment_leaves_no_seat(self, application: Any, turns: int) -> None:
        socket = Socket(application, ROOM)
        for _ in range(turns):
            await asyncio.sleep(0)
        socket.task.cancel()
        await asyncio.gather(socket.task, return_exceptions=True)
        assert (await hub_of_loop()).seats == 0
        again = await Socket(application, ROOM).open()
        assert again.code is None
        await again.end()
