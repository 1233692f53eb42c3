"""The demo's admin as people see it: a server for each look of it, a worker, somebody signed in, clients that type.

A module's tests share the servers, a browser and a Node process, so they share a loop too:
`pytestmark = pytest.mark.asyncio(loop_scope="module")`.
"""

import asyncio
import itertools
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from tests.integration.peers import text_update
from tests.support.browsers import chromium, keep_screenshot
from tests.support.clients import Client, NodeClients, node_clients
from tests.support.people import people
from tests.support.stack import Stack
from tests.support.workers import QUICK
from yredis_project.servers import MANAGE

LOOKS = ("unfold", "plain")
"""ADMIN_THEME of the first server and of the second; they share everything else, sessions too."""

NUMBERS = itertools.count()
"""Clients of one Node process have names of their own."""

MOST_PIXELS = 3_000
"""Height of a picture."""

ROOMS = "/admin/yredis_rooms/room/"

OpenAdmin = Callable[..., Awaitable["Admin"]]
Enter = Callable[..., Awaitable[Client]]
StartTyping = Callable[..., Awaitable[list[Client]]]


class Admin:
    """A page in the admin, in one of LOOKS."""

    def __init__(self, page: Page, stack: Stack, look: str) -> None:
        self.page = page
        self.look = look
        self.site = f"http://127.0.0.1:{stack.servers[LOOKS.index(look)].port}"

    async def go(self, path: str) -> Page:
        """Open a page of the site; fail unless it answers 200."""
        answer = await self.page.goto(f"{self.site}{path}")
        assert answer is not None
        assert answer.status == 200, await self.page.inner_text("body")
        return self.page

    @property
    def path(self) -> str:
        """The path of the page that is open."""
        return urlsplit(self.page.url).path

    def asked_for(self) -> dict[str, list[str]]:
        """Return the query of the page that is open."""
        return parse_qs(urlsplit(self.page.url).query)

    async def until(self, there: Locator, *, seconds: float = 10.0) -> None:
        """Load the page again until something is on it."""
        deadline = time.monotonic() + seconds
        while not await there.count():
            assert time.monotonic() < deadline, f"not on {self.page.url}: {there}"
            await asyncio.sleep(0.1)
            await self.page.reload()

    async def row(self, name: str) -> Locator:
        """Open the list of the rooms with this name, and return its row, once a server or the worker has made it."""
        await self.go(f"{ROOMS}?{urlencode({'q': name})}")
        found = self.page.locator("#result_list tr", has=self.page.get_by_role("link", name=name, exact=True))
        await self.until(found)
        return found

    async def open_room(self, name: str) -> Page:
        """Open the page of a room."""
        await (await self.row(name)).get_by_role("link", name=name, exact=True).click()
        await expect(self.page).to_have_url(re.compile(f"{ROOMS}[0-9]+/change/"))
        return self.page

    async def filter(self, choice: str) -> None:
        """Choose one of the filters beside a list, which unfold shows when asked."""
        if self.look == "unfold":
            await self.page.locator("a", has_text="Filters").first.click()
        await self.page.get_by_role("link", name=choice, exact=True).click()

    async def act(self, action: str, row: Locator) -> Page:
        """Choose an action of the list for a row of it: what it asks is open then."""
        await row.locator("input.action-select").check()
        await self.page.locator("select[name=action]").select_option(action)
        await self.page.locator("button[name=index]").click()
        return self.page

    async def confirm(self, done: str) -> None:
        """Say yes to what the page asks; return when it is told to be done."""
        await self.page.get_by_role("button", name="Yes, I'm sure").click()
        await expect(self.page.get_by_text(done).first).to_be_visible()

    async def picture(self, name: str) -> None:
        """Keep a picture of the page, named for its look too: of the whole page unless it is very long."""
        size = self.page.viewport_size
        height = await self.page.evaluate("document.documentElement.scrollHeight")
        if size:  # a taller window, as what sticks to its edges would lie across the picture
            tall = max(size["height"], min(height, MOST_PIXELS))
            await self.page.set_viewport_size({"width": size["width"], "height": tall})
        await keep_screenshot(self.page, f"admin-{name}-{self.look}")
        if size:
            await self.page.set_viewport_size(size)


@pytest.fixture(scope="module")
def admin_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two servers of the demo site, one for each of LOOKS, and a worker; each test has rooms of its own."""
    env = {**QUICK, "YREDIS_HEARTBEAT_SECONDS": "0.5", "YREDIS_AUTHORIZE": "authbridge.authorizer.authorize"}
    stack = Stack(tmp_path_factory.mktemp("admin"), "daphne", servers=len(LOOKS), workers=1, env=env)
    for server, look in zip(stack.servers, LOOKS, strict=True):
        server.env = {**stack.env, "ADMIN_THEME": look}
    with stack:
        yield stack


class Superuser(NamedTuple):
    """The demo's admin, who may do everything."""

    password: str
    session: str


@pytest.fixture(scope="module")
def superuser(admin_stack: Stack) -> Superuser:
    """Somebody who is signed in."""
    accounts, session = people(admin_stack.env, ["accounts"], ["log_in", "admin"])["results"]
    return Superuser(accounts["admin"], session)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin_browser() -> AsyncIterator[Browser]:
    """The browser of a module."""
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin_node() -> AsyncIterator[NodeClients]:
    """The Node process of a module."""
    async with node_clients() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def open_admin(admin_stack: Stack, superuser: Superuser, admin_browser: Browser) -> AsyncIterator[OpenAdmin]:
    """Open the admin in a look, in a browser profile of its own; fail if a page broke, or something asked the person.

    What else is given goes to Playwright's new_context: `viewport`, `color_scheme` ...
    """
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    async def opened(look: str = LOOKS[0], *, signed_in: bool = True, **screen: Any) -> Admin:
        context = await admin_browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **screen})
        contexts.append(context)
        page = await context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
        page.on("response", lambda answer: complaints.append(answer.url) if answer.status == 404 else None)
        admin = Admin(page, admin_stack, look)
        if signed_in:
            await context.add_cookies([{"name": "sessionid", "value": superuser.session, "url": admin.site}])
        return admin

    yield opened
    for context in contexts:
        await context.close()
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="module")
async def enter(admin_stack: Stack, admin_node: NodeClients) -> AsyncIterator[Enter]:
    """Enter a room as a real client that shows a name; what else is given are options of NodeClients.open."""
    entered: list[Client] = []

    async def opened(room: str, *, user: str = "Ann", server: int = 0, **options: Any) -> Client:
        client = await admin_node.open(f"{user}-{next(NUMBERS)}", admin_stack.urls[server], room, **options)
        entered.append(client)
        await client.synced()
        await client.do("setAwarenessField", field="user", value={"name": user})
        return client

    yield opened
    for client in entered:
        await client.do("close")


@pytest_asyncio.fixture(loop_scope="module")
async def start_typing(enter: Enter) -> StartTyping:
    """Let so many real clients type until the test ends, spread evenly over rooms and over both servers."""

    async def started(clients: int, rooms: list[str], *, rate: float = 5.0) -> list[Client]:
        typists = await asyncio.gather(
            *(enter(rooms[number % len(rooms)], server=number % len(LOOKS)) for number in range(clients))
        )
        for number, client in enumerate(typists):
            await client.do("type", seed=number, rate=rate)
        return typists

    return started


HEAL = """
import sys, django
django.setup()
from persistence.models import Quarantined
from rooms.entries import Entry, encode
Quarantined.objects.filter(room__name=sys.argv[1]).update(data=encode(Entry(bytes.fromhex(sys.argv[2]))))
"""


def heal(stack: Stack, name: str) -> None:
    """Let what a room has in quarantine be something that can be decoded, as by a later pycrdt."""
    env = {**stack.env, "DJANGO_SETTINGS_MODULE": "yredis_project.settings"}
    command = [sys.executable, "-c", HEAL, name, text_update("healed", 9).hex()]
    subprocess.run(command, cwd=Path(MANAGE).parent, env=env, check=True)
