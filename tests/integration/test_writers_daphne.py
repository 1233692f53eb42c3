"""The writers under daphne, in real processes."""

import json
import subprocess
import sys
import time

import pytest
from websockets.exceptions import ConnectionClosed

from tests.integration.writers_app import pattern
from tests.integration.writers_contract import (
    CHUNKS,
    FLOOD_ALLOWED_BYTES,
    WireContract,
    WriterContract,
    assert_ended,
    receive_patterns,
)
from tests.integration.writers_server import (
    CLOSE,
    ROOT,
    command,
    flooding,
    make_certificate,
    read_frame,
    running,
    send_chunk,
    send_close,
)

APP = "tests.integration.writers_app"
PLAIN = "tcp:{port}:interface=127.0.0.1"
DAPHNE = ["-m", "daphne", "-v", "0", "-e"]


@pytest.fixture(scope="class")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("daphne")


class ReadingContract(WireContract):
    """Whose messages are not taken is not read, but as soon as it is being closed."""

    def test_who_is_closed_while_held_gets_its_code_and_is_heard(self, observer, held):
        for chunk in CHUNKS[:8]:
            send_chunk(held, chunk)
        observer.tell("close", of="held", code=1013)
        with held.makefile("rb") as stream:
            assert read_frame(stream) == (CLOSE, (1013).to_bytes(2))
            send_close(held, 1013)
            assert_ended(stream)
        observer.tell("release", of="held")
        observer.see("held", lambda answer: answer["gone"])

    def test_who_is_closed_is_paused_no_more(self, observer, held):
        observer.tell("close", of="held", code=1013)
        observer.see("held", lambda answer: answer["closed"])
        send_close(held, 1013)
        with held.makefile("rb") as stream:
            assert read_frame(stream) == (CLOSE, (1013).to_bytes(2))
            assert_ended(stream)


class TestDaphne(ReadingContract, WriterContract):
    """Frames go to the Twisted transport, which now says when it is full."""

    writer = "DirectDaphneWriter"

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, folder):
        with running([*DAPHNE, PLAIN, f"{APP}:app"], folder / "log") as server:
            yield server

    def test_a_flood_after_the_close_is_kept_for_nobody(self, server, observer, held):
        before = server.rss_bytes
        with flooding(held, CHUNKS):
            time.sleep(0.3)
            observer.tell("close", of="held", code=1013)
        assert server.rss_bytes - before < FLOOD_ALLOWED_BYTES
        with held.makefile("rb") as stream:
            assert read_frame(stream) == (CLOSE, (1013).to_bytes(2))


class TestUnansweredPings:
    """What daphne's pings are for when nothing is read."""

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, folder):
        pings = ["--ping-interval", "1", "--ping-timeout", "1"]
        with running([*DAPHNE[:-1], *pings, "-e", PLAIN, f"{APP}:app"], folder / "log") as server:
            yield server

    @pytest.mark.parametrize("leaves", [True, False])
    def test_one_who_is_gone_or_unheard_while_held_is_noticed(self, server, leaves):
        with server.connect("observer") as observer, server.connect("held") as held:
            held.send(command("hold"))
            time.sleep(0.3)
            if leaves:
                held.socket.close()
            deadline = time.monotonic() + 8
            while not (status := ask_about_held(observer))["closed"]:
                assert time.monotonic() < deadline, status
                time.sleep(0.1)
            assert status["held"]
            observer.send(command("release", of="held"))
            while not ask_about_held(observer)["gone"]:
                assert time.monotonic() < deadline
                time.sleep(0.1)


def ask_about_held(observer):
    observer.send(command("status", of="held"))
    return json.loads(observer.recv(timeout=5))


class TestDaphneWithTls(ReadingContract):
    """The same below a TLS wrapper: the gate sits at the socket."""

    writer = "DaphneWriter"

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, folder):
        pem = make_certificate(folder)
        tls = f"ssl:{{port}}:privateKey={pem}:certKey={pem}:interface=127.0.0.1"
        with running([*DAPHNE, tls, f"{APP}:app"], folder / "log", trusted=pem) as server:
            yield server


class TestBehindAWrapper:
    """`sniff` was not the outermost: plain ASGI works, but daphne's own limits show."""

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, folder):
        with running([*DAPHNE, PLAIN, f"{APP}:unsniffed"], folder / "log") as server:
            yield server

    def test_frames_arrive_whole_and_in_order(self, server):
        sizes = [1, 125, 126, 65_535, 65_536, 1024 * 1024]  # daphne doesn't send an empty message
        with server.connect() as client:
            client.send(command("write", sizes=sizes))
            receive_patterns(client, sizes)

    def test_a_code_that_autobahn_refuses_goes_as_its_private_twin(self, server):
        with server.connect() as client:
            client.send(command("close", code=1013, sizes=[7]))
            assert client.recv(timeout=15) == pattern(7)
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=15)
            assert closed.value.rcvd.code == 4013


def test_the_writers_import_no_server():
    """Importing daphne's server would install a Twisted reactor in a process that is not daphne."""
    code = "import sys, rooms.writers; sys.exit(bool({'daphne.server', 'twisted', 'uvicorn'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
