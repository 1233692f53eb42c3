"""What the acceptance tests stand on: processes that end with the run, a Redis that loses just what it is told to."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clients import ClientError, node_clients
from tests.support.processes import accepts
from tests.support.valkey import Flavour, Persistence, Valkey, flavours

ROOT = Path(__file__).resolve().parent.parent.parent

STARTS_A_VALKEY = """
import pathlib, sys, time
from tests.support.valkey import Valkey
server = Valkey(pathlib.Path(sys.argv[1]))
server.start()
print(server.port, flush=True)
time.sleep(60)
"""


class TestOrphans:
    """A test run that is killed leaves nothing behind."""

    def test_a_server_ends_with_the_process_that_started_it(self, tmp_path: Path) -> None:
        command = [sys.executable, "-c", STARTS_A_VALKEY, str(tmp_path)]
        with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE) as run:
            assert run.stdout is not None
            port = int(run.stdout.readline())
            assert accepts(port)
            run.kill()
        deadline = time.monotonic() + 5
        while accepts(port) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not accepts(port)


class TestValkey:
    """Persistence as asked for, with every server that this machine has."""

    @pytest.fixture(params=flavours())
    def flavour(self, request: pytest.FixtureRequest) -> Flavour:
        """The embedded Valkey, and an installed Redis."""
        flavour: Flavour = request.param
        return flavour

    @pytest.fixture(params=["none", "always"])
    def server(self, request: pytest.FixtureRequest, flavour: Flavour, tmp_path: Path) -> Iterator[Valkey]:
        """A running server."""
        persistence: Persistence = request.param
        server = Valkey(tmp_path, persistence=persistence, flavour=flavour)
        server.start()
        yield server
        server.kill()

    def test_a_kill_keeps_what_the_persistence_promises(self, server: Valkey, request: pytest.FixtureRequest) -> None:
        with server.client() as client:
            client.set("key", "value")
        server.kill()
        server.start()
        with server.client() as client:
            expected = b"value" if "always" in request.node.name else None
            assert client.get("key") == expected

    def test_an_empty_restart_has_nothing(self, server: Valkey) -> None:
        with server.client() as client:
            client.set("key", "value")
        port = server.port
        server.restart_empty()
        with server.client() as client:
            assert client.get("key") is None
        assert server.port == port


class TestNodeClients:
    """The Node process: what it can't do is an error here, and it survives it."""

    async def test_two_clients_of_one_process_are_two_documents(self) -> None:
        async with node_clients() as node:
            ann = await node.open("ann", "ws://127.0.0.1:1/ws", "room", connect=False)
            bob = await node.open("bob", "ws://127.0.0.1:1/ws", "room", connect=False)
            await ann.insert("ünï 𝒳")
            assert (await ann.text(), await bob.text()) == ("ünï 𝒳", "")
            await bob.do("apply", update=(await ann.state())["update"])
            assert await bob.do("digest") == await ann.do("digest")

    async def test_a_wait_in_vain_says_what_is_there_instead(self) -> None:
        async with node_clients() as node:
            ann = await node.open("ann", "ws://127.0.0.1:1/ws", "room", connect=False)
            with pytest.raises(ClientError, match=r'ann: not \{"text":"never"\} in 0.1 s'):
                await ann.wait(text="never", seconds=0.1)

    async def test_a_journal_outlives_a_kill(self, tmp_path: Path) -> None:
        async with node_clients(tmp_path) as node:
            ann = await node.open("ann", "ws://127.0.0.1:1/ws", "room", connect=False)
            await ann.insert("written down")
            await node.kill()
        assert (tmp_path / "ann.jsonl").read_text().count("\n") == 2

    async def test_the_same_seed_types_the_same(self) -> None:
        texts = set()
        for _ in range(2):
            async with node_clients() as node:
                ann = await node.open("ann", "ws://127.0.0.1:1/ws", "room", connect=False)
                await ann.do("type", seed=7, rate=1000, count=50)
                await ann.wait(typed=True)
                texts.add(await ann.text())
        assert len(texts) == 1
