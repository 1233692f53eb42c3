"""The demo's rooms of the team in a real browser: people sign in, and the admin changes what open pages can do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.acceptance.test_browser import live, text_of, type_into
from tests.support.browsers import keep_screenshot
from tests.support.people import people
from tests.support.servers import Asgi
from tests.support.stack import Stack, room

TOKEN_SECONDS = 10
ENV = {
    "YREDIS_AUTHORIZE": "authbridge.authorizer.authorize",
    "YREDIS_JWT_LIFETIME_SECONDS": str(TOKEN_SECONDS),
}
ONCE_MS = 2_000
"""So soon a change of rights acts on open pages."""

SignIn = Callable[[str], Awaitable[Page]]


@pytest.fixture(scope="module")
def site(asgi: Asgi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One server of the demo site."""
    with Stack(tmp_path_factory.mktemp(f"team-{asgi}"), asgi, servers=1, env=ENV) as running:
        yield running


@pytest.fixture(scope="module")
def passwords(site: Stack) -> dict[str, str]:
    """Those that `make demo` prints."""
    return dict(people(site.env, ["accounts"])["results"][0])


def url_of(site: Stack, path: str) -> str:
    """Return an url of the site."""
    return f"http://127.0.0.1:{site.servers[0].port}{path}"


async def sign_in_here(page: Page, name: str, password: str) -> None:
    """Fill in the form of the page."""
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


@pytest.fixture
async def sign_in(site: Stack, browser: Browser, passwords: dict[str, str]) -> AsyncIterator[SignIn]:
    """Sign somebody in, in a browser profile of their own."""
    complaints: list[str] = []
    opened: list[BrowserContext] = []

    async def signed_in(name: str) -> Page:
        opened.append(await browser.new_context())
        page = await opened[-1].new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        await page.goto(url_of(site, "/sign-in"))
        await sign_in_here(page, name, passwords[name])
        await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        return page

    yield signed_in
    for context in opened:
        await context.close()
    assert complaints == []


async def enter(page: Page, site: Stack, name: str) -> Page:
    """Open a room."""
    await page.goto(url_of(site, f"/edit/{name}"))
    return page


def team_room() -> str:
    """Return a room of the team that nobody has used."""
    return room("x").replace("demo-", "team-", 1)


async def editable(page: Page, yes: bool, *, timeout: float = 5_000) -> None:
    """Return when a page lets its user type, or does not."""
    await expect(page.locator(".cm-content")).to_have_attribute("contenteditable", str(yes).lower(), timeout=timeout)


async def take_away(admin: Page, site: Stack, user: str, permission: str) -> None:
    """Take a permission from a user, as a person does it in the admin."""
    await admin.goto(url_of(site, "/admin/auth/user/"))
    await admin.get_by_role("link", name=user, exact=True).click()
    await admin.locator("#id_user_permissions_to option", has_text=permission).dblclick()
    await admin.get_by_role("button", name="Save", exact=True).click()
    await expect(admin.locator(".messagelist .success")).to_be_visible()


class TestTeamRooms:
    async def test_a_reader_sees_what_a_writer_types_and_can_not_type(
        self, site: Stack, sign_in: SignIn, asgi: Asgi
    ) -> None:
        name = team_room()
        writer = await live(await enter(await sign_in("writer"), site, name))
        reader = await live(await enter(await sign_in("reader"), site, name))
        await editable(reader, False)
        await expect(reader.locator("#reading")).to_be_visible()
        await type_into(writer, "The plan")
        await expect(reader.locator(".cm-line").first).to_contain_text("The plan")
        await keep_screenshot(reader, f"reader-{asgi}")

    async def test_somebody_who_is_not_signed_in_is_told_and_gets_there(
        self, site: Stack, browser: Browser, passwords: dict[str, str], asgi: Asgi
    ) -> None:
        page = await browser.new_page()
        await enter(page, site, team_room())
        await expect(page.locator("#notice")).to_contain_text("You may not enter this room.")
        await expect(page.locator("#notice")).to_contain_text("Sign in")
        await page.get_by_role("link", name="Sign in").click()
        await keep_screenshot(page, f"sign-in-{asgi}")
        await sign_in_here(page, "writer", passwords["writer"])
        await live(page)
        await editable(page, True)

    async def test_what_the_admin_changes_acts_on_the_open_page_at_once(
        self, site: Stack, sign_in: SignIn, asgi: Asgi
    ) -> None:
        page, admin = await live(await enter(await sign_in("writer"), site, team_room())), await sign_in("admin")
        await type_into(page, "before")
        await take_away(admin, site, "writer", "Can change room")
        await editable(page, False, timeout=ONCE_MS)
        await live(page)
        await expect(page.locator("#reading")).to_be_visible()
        assert await text_of(page) == "before"
        await take_away(admin, site, "writer", "Can view room")
        await expect(page.locator("#notice")).to_contain_text("(4403)", timeout=ONCE_MS)
        await keep_screenshot(page, f"rights-taken-{asgi}")
        await asyncio.to_thread(people, site.env, ["permit", "writer", "view_room", "change_room"])

    async def test_signing_out_ends_the_pages_that_are_open(self, site: Stack, sign_in: SignIn) -> None:
        page = await sign_in("writer")
        other = await live(await enter(await page.context.new_page(), site, team_room()))
        await page.get_by_role("button", name="Sign out").click()
        await expect(other.locator("#notice")).to_contain_text("(4401)", timeout=ONCE_MS)


class TestTokens:
    async def test_a_page_renews_its_token_and_its_socket_stays_open(self, site: Stack, sign_in: SignIn) -> None:
        page = await sign_in("writer")
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url))
        await live(await enter(page, site, team_room()))
        await asyncio.sleep(2 * TOKEN_SECONDS)
        await expect(page.locator("#state")).to_have_text("Live")
        await type_into(page, "still here")
        assert len(sockets) == 1
        assert "yauth" not in sockets[0]

    async def test_a_page_that_was_offline_comes_back_with_a_fresh_token(self, site: Stack, sign_in: SignIn) -> None:
        page = await live(await enter(await sign_in("writer"), site, team_room()))
        site.servers[0].kill()
        await expect(page.locator("#state")).to_have_text("Reconnecting…")
        await asyncio.sleep(2 * TOKEN_SECONDS)
        site.servers[0].start()
        await live(page)
        await editable(page, True)
