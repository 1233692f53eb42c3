"""The admin's overview in a real browser: it follows what happens, and stops when nobody looks or may look."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browsers import keep_screenshot
from tests.support.clients import Client, NodeClients
from tests.support.people import people
from tests.support.servers import Asgi
from tests.support.stack import KEYS, Stack, room
from tests.support.workers import QUICK

CLIENTS = 20
SOON_MS = 15_000
HIDE = """(state) => {
  Object.defineProperty(document, 'visibilityState', { get: () => state, configurable: true })
  document.dispatchEvent(new Event('visibilitychange'))
}"""


@pytest.fixture(scope="module")
def site(asgi: Asgi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two servers of the demo site and a worker."""
    env = {**QUICK, "YREDIS_HEARTBEAT_SECONDS": "0.5"}
    with Stack(tmp_path_factory.mktemp(f"overview-{asgi}"), asgi, workers=1, env=env) as running:
        yield running


def an_hour(site: Stack) -> None:
    """Let the site have a history."""
    with site.redis() as client:
        now = client.time()[0]
        waves = [(number, 50 + 40 * math.sin(number / 40)) for number in range(-359, 1) if not -200 < number < -170]
        texts = [
            f"{(now + 10 * n)}000 {wave:.0f} {wave / 3:.1f} {wave / 9:.0f} {wave / 2:.1f} 5e6" for n, wave in waves
        ]
        client.rpush(KEYS.history, *texts)


@pytest.fixture(params=["light", "dark"])
async def page(request: pytest.FixtureRequest, site: Stack, browser: Browser) -> AsyncIterator[Page]:
    """The overview, as the superuser sees it, in each of the admin's themes."""
    passwords = dict(people(site.env, ["accounts"])["results"][0])
    context = await browser.new_context(color_scheme=request.param, viewport={"width": 1280, "height": 1400})
    opened, complaints = await context.new_page(), list[str]()
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    await opened.goto(f"http://127.0.0.1:{site.servers[0].port}/admin/yredis_rooms/room/")
    await opened.get_by_label("Username").fill("admin")
    await opened.get_by_label("Password").fill(passwords["admin"])
    await opened.get_by_role("button", name="Log in").click()
    await opened.get_by_role("link", name="Overview").click()
    await opened.wait_for_url("**/overview/", wait_until="load")  # with its script
    yield opened
    await context.close()
    assert complaints == []


async def type_on(client: Client) -> None:
    """Type until it is enough."""
    while True:
        await client.insert("a ")
        await asyncio.sleep(0.1)


def asked_by(page: Page) -> list[str]:
    """Return a list to which every request of a page is added."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


async def test_it_follows_while_people_type(
    site: Stack, node: NodeClients, page: Page, request: pytest.FixtureRequest
) -> None:
    an_hour(site)
    name = room("busy")
    clients = [await node.open(f"client-{n}", site.urls[n % 2], name) for n in range(CLIENTS)]
    for client in clients:
        await client.synced()
    connections = page.locator("dt", has_text="Connections").locator("+ dd strong")
    await expect(connections).to_have_text(str(CLIENTS), timeout=SOON_MS)
    typing = [asyncio.create_task(type_on(client)) for client in clients]
    await expect(page.locator("dt", has_text="Appends").locator("+ dd strong")).not_to_have_text("0", timeout=SOON_MS)
    persisted = page.locator("tr", has_text="ago").last.locator("td").nth(3)
    await expect(persisted).not_to_have_text("0", timeout=SOON_MS)
    await expect(page.get_by_role("img", name="Connections")).to_be_visible(timeout=SOON_MS)
    await expect(page.get_by_role("img", name="nothing yet")).to_have_count(0, timeout=SOON_MS)
    await keep_screenshot(page, f"overview-{request.node.callspec.id}")
    for each in typing:
        each.cancel()
    await asyncio.gather(*typing, return_exceptions=True)
    await asyncio.gather(*(client.do("close") for client in clients))
    await expect(connections).to_have_text("0", timeout=SOON_MS)


async def test_nobody_who_looks_elsewhere_asks_for_anything(page: Page) -> None:
    await page.evaluate(HIDE, "hidden")
    await asyncio.sleep(1)
    asked = asked_by(page)
    await asyncio.sleep(3)
    assert asked == []
    async with page.expect_request("**/overview/moment/", timeout=1000):
        await page.evaluate(HIDE, "visible")


async def test_who_is_signed_out_is_told_and_asks_no_more(page: Page) -> None:
    await page.context.clear_cookies()
    await expect(page.get_by_role("status")).to_contain_text("signed out", timeout=SOON_MS)
    asked = asked_by(page)
    await asyncio.sleep(3)
    assert asked == []


async def test_a_server_that_is_away_is_told_and_then_followed_again(site: Stack, page: Page) -> None:
    status = page.get_by_role("status")
    site.servers[0].kill()
    await expect(status).to_contain_text("what you see is old", timeout=SOON_MS)
    site.servers[0].start()
    await expect(status).to_be_hidden(timeout=SOON_MS)
