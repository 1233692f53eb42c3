"""What acceptance tests share: a running installation of each kind, and a Node process with real clients."""

import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from playwright.async_api import Browser

from tests.acceptance.admin_site import admin_browser as admin_browser
from tests.acceptance.admin_site import admin_node as admin_node
from tests.acceptance.admin_site import admin_stack as admin_stack
from tests.acceptance.admin_site import enter as enter
from tests.acceptance.admin_site import open_admin as open_admin
from tests.acceptance.admin_site import start_typing as start_typing
from tests.acceptance.admin_site import superuser as superuser
from tests.integration.conftest import own_valkey as own_valkey
from tests.integration.services import postgres as postgres
from tests.integration.services import postgres_databases as postgres_databases
from tests.integration.services import s3 as s3
from tests.integration.services import sqlite_template as sqlite_template
from tests.support.browsers import chromium
from tests.support.clients import NodeClients, node_clients
from tests.support.notes import note, notes
from tests.support.servers import Asgi
from tests.support.stack import Stack


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests noted."""
    if notes:
        terminalreporter.section("seeds and counts")
        for line in notes:
            terminalreporter.write_line(line)


KINDS: tuple[Asgi, ...] = ("daphne", "uvicorn")

StackMaker = Callable[..., Stack]


@pytest.fixture(scope="session", params=KINDS)
def asgi(request: pytest.FixtureRequest) -> Asgi:
    """The server program; every test that uses it runs once with each."""
    return cast("Asgi", request.param)


@pytest.fixture(scope="session")
def stack(asgi: Asgi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two servers and one Redis, shared by all tests that break nothing; each test has rooms of its own."""
    with Stack(tmp_path_factory.mktemp(asgi), asgi) as running:
        yield running


@pytest.fixture(autouse=True)
def every_process_lives(request: pytest.FixtureRequest) -> Iterator[None]:
    """Blame a server's death on the test that it happened in, not on all that come after."""
    yield
    if "stack" in request.fixturenames:
        running: Stack = request.getfixturevalue("stack")
        dead = [server for server in running.servers if not server.running]
        assert not dead, "\n".join(f"{one.log.name} ended with {one.exit_code}: {one.log_tail(10)}" for one in dead)


@pytest.fixture
def own_stack(asgi: Asgi, tmp_path: Path) -> Iterator[StackMaker]:
    """Start an installation that a test may break; its keywords are those of Stack."""
    started: list[Stack] = []

    def start(**options: object) -> Stack:
        running = Stack(tmp_path / f"stack-{len(started)}", asgi, **options)  # type: ignore[arg-type]
        started.append(running)
        return running.__enter__()

    yield start
    for running in started:
        running.stop()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[NodeClients]:
    """A Node process for clients; each of them keeps its journal in a folder of this test."""
    journals = tmp_path / "journals"
    journals.mkdir()
    async with node_clients(journals) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    async with chromium() as running:
        yield running


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of a run with chance in it: from YREDIS_SEED, else a new one; printed."""
    chosen = int(os.environ.get("YREDIS_SEED") or random.randrange(2**31))
    note(f"YREDIS_SEED={chosen} for {request.node.name}")
    return chosen
