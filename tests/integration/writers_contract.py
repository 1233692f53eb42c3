"""What every writer does, whatever the server: suites which the tests of each server inherit."""

import contextlib
import time

import pytest
from websockets.exceptions import ConnectionClosed

from tests.integration.writers_app import CHUNK_BYTES, numbered_chunk, pattern
from tests.integration.writers_server import (
    BINARY,
    CLOSE,
    MIB,
    command,
    flooding,
    read_frame,
    send_close,
    send_masked,
)

SIZES = [0, 1, 125, 126, 65_535, 65_536, MIB, 2]
"""Around every change of the header's length, and one that no socket takes at once."""

POURED_BYTES = 20 * MIB
ALLOWED_BYTES = 8 * MIB

CHUNKS = [numbered_chunk(number) for number in range(1024)]
"""64 MiB for a client to flood the server with."""
FLOOD_ALLOWED_BYTES = 16 * MIB


def receive_patterns(client, sizes):
    for seed, size in enumerate(sizes):
        assert client.recv(timeout=15) == pattern(size, seed)


def read_patterns(stream, sizes):
    for seed, size in enumerate(sizes):
        assert read_frame(stream) == (BINARY, pattern(size, seed))


def assert_ended(stream):
    with contextlib.suppress(ConnectionResetError):  # how autobahn ends, once both sides have said goodbye
        assert stream.read() == b""


class WireContract:
    """What leaves, seen from a bare socket. A subclass supplies the fixture `server`, which runs writers_app."""

    writer = "the class that this server gets"
    cuts_off = True

    @pytest.fixture
    def observer(self, server):
        with server.observer() as observer:
            yield observer

    @pytest.fixture
    def stalled(self, server, observer):
        """A client that asked for 20 MiB and reads nothing."""
        with server.lazy_client("stalled") as client:
            send_masked(client, command("pour", bytes=POURED_BYTES))
            for _ in range(10):  # in a row: until then the kernel's own buffers grow
                observer.see("stalled", lambda answer: answer["busy"])
                time.sleep(0.02)
            yield client

    @pytest.fixture
    def held(self, server, observer):
        """A client of which the application takes nothing more, until it is released."""
        with server.lazy_client("held") as client:
            send_masked(client, command("hold"))
            observer.see("held", lambda answer: answer["held"])
            yield client
            observer.tell("release", of="held")

    def test_this_server_gets_its_own_writer(self, server, observer):
        """Fails loudly when a new version of the server has lost what the writer relies on."""
        with server.lazy_client("main"):
            answer = observer.ask("status", of="main")
            assert (answer["writer"], answer["busy"], answer["closed"]) == (self.writer, False, False)

    def test_frames_of_every_size_arrive_whole_and_in_order(self, server):
        with server.lazy_client("main") as client, client.makefile("rb") as stream:
            send_masked(client, command("write", sizes=SIZES))
            read_patterns(stream, SIZES)

    def test_the_close_code_comes_after_the_last_frame_and_nothing_after_it(self, server):
        with server.lazy_client("main") as client, client.makefile("rb") as stream:
            send_masked(client, command("close", code=1013, sizes=[3, MIB]))
            read_patterns(stream, [3, MIB])
            assert read_frame(stream) == (CLOSE, (1013).to_bytes(2))
            send_close(client, 1013)
            assert_ended(stream)

    def test_a_client_that_says_goodbye_is_let_go(self, server, observer):
        with server.lazy_client("main") as client, client.makefile("rb") as stream:
            send_close(client, 1000)
            opcode, payload = read_frame(stream)
            assert (opcode, payload[:2]) == (CLOSE, (1000).to_bytes(2))
            assert_ended(stream)
        observer.see("main", lambda answer: answer["gone"])

    def test_a_client_that_stops_reading_costs_bounded_memory(self, server, observer, stalled):
        before = server.rss_bytes
        time.sleep(1)
        answer = observer.ask("status", of="stalled")
        assert (answer["busy"], answer["closed"]) == (True, False)
        assert 0 < answer["buffered_bytes"] < ALLOWED_BYTES
        assert server.rss_bytes - before < ALLOWED_BYTES

    def test_a_client_that_reads_again_gets_everything(self, stalled):
        with stalled.makefile("rb") as stream:
            for _ in range(POURED_BYTES // CHUNK_BYTES):
                assert read_frame(stream) == (BINARY, pattern(CHUNK_BYTES))

    def test_drained_returns_once_the_client_read(self, observer, stalled):
        observer.tell("await", of="stalled")
        time.sleep(0.5)
        with stalled.makefile("rb") as stream:
            for _ in range(POURED_BYTES // CHUNK_BYTES):
                read_frame(stream)
        assert observer.answer()["awaited_seconds"] > 0.4

    def test_drained_returns_when_the_client_is_gone(self, observer, stalled):
        observer.tell("await", of="stalled")
        stalled.close()
        observer.answer()
        assert observer.see("stalled", lambda answer: answer["gone"])["closed"]

    def test_a_client_that_floods_while_nothing_is_taken_costs_bounded_memory(self, server, observer, held):
        before = server.rss_bytes
        with flooding(held, CHUNKS):
            time.sleep(1.5)
            assert server.rss_bytes - before < FLOOD_ALLOWED_BYTES
            observer.tell("release", of="held")
        observer.see("held", lambda answer: answer["taken"] == len(CHUNKS))

    def test_writes_while_busy_are_kept_in_order(self, stalled):
        send_masked(stalled, command("flood", bytes=MIB))
        frames = (POURED_BYTES + MIB) // CHUNK_BYTES
        with stalled.makefile("rb") as stream:
            assert all(read_frame(stream) == (BINARY, pattern(CHUNK_BYTES)) for _ in range(frames))

    def test_closing_a_client_that_never_reads_takes_no_longer_than_told(self, observer, stalled):
        observer.tell("close", of="stalled", code=1013, patience_seconds=0.5)
        answer = observer.see("stalled", lambda answer: answer["close_seconds"])
        assert 0.4 < answer["close_seconds"] < 2.5, answer
        assert answer["closed"]

    def test_a_client_that_was_cut_off_is_gone(self, observer, stalled):
        if not self.cuts_off:
            return  # plain ASGI has no way to: the server's own ping time-out does it
        observer.tell("close", of="stalled", code=1013, patience_seconds=0)
        observer.see("stalled", lambda answer: answer["gone"], seconds=2)

    def test_a_slow_client_that_drains_in_time_gets_its_code(self, server, observer):
        with server.lazy_client("slow") as client, client.makefile("rb") as stream:
            send_masked(client, command("write", sizes=[8 * MIB, 1]))
            observer.see("slow", lambda answer: answer["buffered_bytes"])
            observer.tell("close", of="slow", code=1012, patience_seconds=10)
            time.sleep(1.5)
            read_patterns(stream, [8 * MIB, 1])
            assert read_frame(stream) == (CLOSE, (1012).to_bytes(2))


class WriterContract(WireContract):
    """And what a real client makes of it."""

    def test_the_servers_own_sends_keep_their_place(self, server):
        with server.connect() as client:
            for verb in ("write", "asgi", "write", "asgi"):
                client.send(command(verb, sizes=SIZES[1:]))
            for _ in range(4):
                receive_patterns(client, SIZES[1:])

    def test_a_client_that_offers_compression_takes_both(self, server):
        with server.connect(compression="deflate") as client:
            for verb in ("asgi", "write", "asgi"):
                client.send(command(verb, sizes=SIZES[1:]))
            for _ in range(3):
                receive_patterns(client, SIZES[1:])

    def test_pings_are_answered_among_frames(self, server):
        with server.connect() as client:
            client.send(command("pour", bytes=4 * MIB))
            pongs = [client.ping() for _ in range(20)]
            for _ in range(4 * MIB // CHUNK_BYTES):
                assert client.recv(timeout=15) == pattern(CHUNK_BYTES)
            assert all(pong.wait(5) for pong in pongs)

    @pytest.mark.parametrize("code", [1011, 1012, 1013, 4400, 4503])
    def test_every_code_arrives_with_its_reason(self, server, code):
        with server.connect() as client:
            client.send(command("close", code=code, reason="that's it"))
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=15)
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, "that's it")

    def test_a_reason_too_long_for_a_close_frame_is_cut(self, server):
        with server.connect() as client:
            client.send(command("close", code=4403, reason="ü" * 100))
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=15)
            assert closed.value.rcvd.reason == "ü" * 61

    def test_a_client_that_left_amid_frames_disturbs_nobody(self, server, observer):
        with server.connect("leaver") as client:
            client.send(command("pour", bytes=MIB))
        observer.tell("close", of="leaver", code=1011, sizes=[9])
        assert observer.see("leaver", lambda answer: answer["gone"])["closed"]
