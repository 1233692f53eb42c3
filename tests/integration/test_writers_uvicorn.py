"""The writers under uvicorn, in real processes."""

import json
import time

import pytest

from tests.integration.writers_contract import WireContract, WriterContract
from tests.integration.writers_server import MIB, command, make_certificate, running, send_masked

APP = "tests.integration.writers_app"
UVICORN = ["-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning", "--ws"]


@pytest.fixture(scope="class")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("uvicorn")


class TestSansio(WriterContract):
    """uvicorn's default protocol: frames go to the transport."""

    writer = "UvicornWriter"

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, folder):
        with running([*UVICORN, "websockets-sansio", f"{APP}:app"], folder / "log") as server:
            yield server


class TestSansioWithTls(WireContract):
    """The same with TLS in the server's process."""

    writer = "UvicornWriter"

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, folder):
        pem = make_certificate(folder)
        command = [*UVICORN, "websockets-sansio", "--ssl-keyfile", str(pem), "--ssl-certfile", str(pem), f"{APP}:app"]
        with running(command, folder / "log", trusted=pem) as server:
            yield server


class TestUnansweredPings:
    """uvicorn closes such a connection, but doesn't end it while there are bytes to send, and tells nobody."""

    @pytest.fixture
    def server(self, folder):
        pings = ["--ws-ping-interval", "0.5", "--ws-ping-timeout", "0.5"]
        with running([*UVICORN, "websockets-sansio", *pings, f"{APP}:app"], folder / "log") as server:
            yield server

    def test_a_stalled_client_is_cut_off(self, server):
        with server.connect() as client, server.lazy_client("stalled") as stalled:
            send_masked(stalled, command("pour", bytes=20 * MIB))
            time.sleep(0.3)  # let it fill the buffers
            client.send(command("await", of="stalled"))
            answer = json.loads(client.recv(timeout=15))
            assert (answer["busy"], answer["closed"]) == (False, True)
            client.send(command("status", of="stalled"))
            assert json.loads(client.recv(timeout=5))["gone"]


class TestBehindAWrapper(WriterContract):
    """`sniff` was not the outermost: plain ASGI, on the same server."""

    writer = "AsgiWriter"
    cuts_off = False

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, folder):
        with running([*UVICORN, "websockets-sansio", f"{APP}:unsniffed"], folder / "log") as server:
            yield server


class TestLegacyWebsockets(WriterContract):
    """`--ws websockets`: a protocol that is not known here."""

    writer = "AsgiWriter"
    cuts_off = False

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, folder):
        with running([*UVICORN, "websockets", f"{APP}:app"], folder / "log") as server:
            yield server
