"""The demo's editor in a real browser: two headless Chromium pages, each connected to a server of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browsers import keep_screenshot
from tests.support.clients import NodeClients
from tests.support.raw import awareness_frame, raw_client
from tests.support.servers import Asgi
from tests.support.stack import Stack, room

OPEN_ROOMS = {"YREDIS_AUTHORIZE": "authbridge.authorizer.authorize"}
WORDS = {
    4400: "could not read",
    4401: "not signed in",
    4403: "may not enter",
    4404: "No room can have this name",
    4410: "was deleted",
    4413: "more than the room can take",
    4499: "has closed this room",
}
"""What a page says when it was closed with a code after which y-websocket gives up."""

Opener = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="module")
def site(asgi: Asgi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two servers of the demo site, with the demo's own rule of who may enter; each test has rooms of its own."""
    with Stack(tmp_path_factory.mktemp(f"site-{asgi}"), asgi, env=OPEN_ROOMS) as running:
        yield running


@pytest.fixture
async def open_page(site: Stack, browser: Browser) -> AsyncIterator[Opener]:
    """Open a room in a page of a browser profile of its own; fail if one of them printed an error."""
    complaints: list[str] = []

    async def open_one(name: str, *, server: int = 0, path: str = "/edit/", **look: object) -> Page:
        context = await browser.new_context(**look)
        page = await context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        await page.goto(f"http://127.0.0.1:{site.servers[server].port}{path}{name}")
        return page

    yield open_one
    assert complaints == []


async def live(page: Page) -> Page:
    """Return when a page shows that it is connected and has the room's text."""
    await expect(page.locator("#state")).to_have_text("Live", timeout=20_000)
    return page


async def type_into(page: Page, text: str) -> None:
    """Type at the end of the text, key by key."""
    await page.locator(".cm-content").click()
    await page.keyboard.press("Control+End")
    await page.keyboard.type(text, delay=15)


async def text_of(page: Page) -> str:
    """Return the text without the names at the cursors of others."""
    return str(
        await page.evaluate(
            """() => [...document.querySelectorAll('.cm-line')].map((line) => {
                 const copy = line.cloneNode(true)
                 copy.querySelectorAll('.cm-ySelectionCaret, .cm-placeholder').forEach((extra) => extra.remove())
                 return copy.textContent
               }).join('\\n')"""
        )
    )


async def agreed_text(*pages: Page, seconds: float = 10.0) -> str:
    """Return the text that all pages show; fail if they don't agree in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        texts = [await text_of(page) for page in pages]
        if len(set(texts)) == 1:
            return texts[0]
        assert asyncio.get_running_loop().time() < deadline, texts
        await asyncio.sleep(0.1)


class TestTwoPages:
    async def test_they_type_at_once_and_show_the_same(self, open_page):
        name = room("browser")
        first, second = await live(await open_page(name)), await live(await open_page(name, server=1))
        await asyncio.gather(type_into(first, "abcdefghijklmnopqrst"), type_into(second, "0123456789012345678"))
        text = await agreed_text(first, second)
        assert sorted(text) == sorted("abcdefghijklmnopqrst" + "0123456789012345678")

    async def test_each_shows_the_name_and_the_cursor_of_the_other(self, open_page, asgi):
        name = room("browser")
        first, second = await live(await open_page(name)), await live(await open_page(name, server=1))
        await first.locator("#name").fill("Ada")
        await second.locator("#name").fill("Grace")
        await type_into(first, "One line of Ada\n")
        await type_into(second, "and one of Grace")
        await expect(first.locator("#participants li")).to_have_text(["Adayou", "Grace"])
        await expect(second.locator("#participants li")).to_have_text(["Graceyou", "Ada"])
        await expect(first.locator(".cm-ySelectionInfo")).to_have_text("Grace")
        await expect(second.locator(".cm-ySelectionInfo")).to_have_text("Ada")
        await keep_screenshot(first, f"two-pages-{asgi}")

    @pytest.mark.parametrize(
        ("user", "shown"),
        [
            ('"x"', "Anonymous"),
            ("7", "Anonymous"),
            ('["x"]', "Anonymous"),
            ('{"name": {"toString": 1, "valueOf": 1}, "color": {"toString": 1}}', "Anonymous"),
            ('{"name": "Grace", "color": "red;position:fixed"}', "Grace"),
        ],
    )
    async def test_whatever_others_say_who_they_are_it_is_shown_in_grey(self, open_page, site, user, shown):
        name = room("browser")
        page = await live(await open_page(name))
        async with raw_client(site.urls[1], name) as stranger:
            await stranger.send(awareness_frame((71, 1, f'{{"user": {user}}}')))
            other = page.locator("#participants li").nth(1)
            await expect(other.locator(".name")).to_have_text(shown)
            await expect(other.locator(".dot")).to_have_css("background-color", "rgb(107, 114, 128)")

    async def test_a_page_that_is_closed_is_no_participant_any_more(self, open_page):
        name = room("browser")
        first, second = await live(await open_page(name)), await live(await open_page(name, server=1))
        await expect(first.locator("#participants li")).to_have_count(2)
        await second.context.close()
        await expect(first.locator("#participants li")).to_have_count(1, timeout=5_000)

    async def test_what_is_typed_while_the_server_restarts_arrives_afterwards(self, open_page, site):
        name = room("browser")
        first, second = await live(await open_page(name)), await live(await open_page(name, server=1))
        await type_into(first, "before. ")
        await agreed_text(first, second)
        site.servers[0].kill()
        await expect(first.locator("#state")).to_have_text("Reconnecting…")
        await asyncio.gather(type_into(first, "first. "), type_into(second, "second. "))
        site.servers[0].start()
        await live(first)
        text = await agreed_text(first, second)
        assert sorted(text.split()) == ["before.", "first.", "second."]


class TestRefusal:
    async def test_a_room_that_is_not_open_says_so_and_takes_no_text(self, open_page, asgi):
        page = await open_page("private")
        await expect(page.locator("#notice")).to_contain_text("You may not enter this room.")
        await expect(page.locator("#notice")).to_contain_text("(4403)")
        await expect(page.locator("#state")).to_have_text("Closed")
        await expect(page.locator(".cm-content")).to_have_attribute("contenteditable", "false")
        await keep_screenshot(page, f"refused-{asgi}")

    async def test_every_code_that_ends_the_connection_is_explained(self, open_page):
        page = await open_page("", path="/")
        for code, words in WORDS.items():
            await page.route_web_socket("**/ws/**", lambda socket, code=code: socket.close(code=code))
            await page.goto(page.url.partition("/edit/")[0].rstrip("/") + "/edit/demo-notes")
            await expect(page.locator("#notice")).to_contain_text(words)
            await expect(page.locator("#notice")).to_contain_text(f"({code})")


class TestNames:
    @pytest.mark.parametrize("ending", ["ünï/cödé", "ünï%2Fcödé", "a b"])
    async def test_a_page_and_a_stock_client_meet_under_the_same_name(self, open_page, site, node: NodeClients, ending):
        name = f"{room('name')}-{ending}"
        page = await live(await open_page(name))
        client = await (await node.open("stock", site.urls[1], name)).synced()
        await type_into(page, "from the page")
        await client.wait(text="from the page")
        await expect(page.locator("h1")).to_have_text(name)


class TestLooks:
    @pytest.mark.parametrize(("device", "width"), [("desk", 1200), ("phone", 390)])
    async def test_nothing_is_wider_than_the_screen(self, open_page, device, width):
        name = room("a-rather-long-name")
        for scheme in ("light", "dark"):
            look = {"viewport": {"width": width, "height": 780}, "color_scheme": scheme}
            index, editor = await open_page("", path="/", **look), await live(await open_page(name, **look))
            await type_into(editor, "A text that is longer than any phone is wide.\n")
            for title, page in (("index", index), ("edit", editor)):
                assert await page.evaluate("document.documentElement.scrollWidth") <= width
                await keep_screenshot(page, f"{title}-{device}-{scheme}")
